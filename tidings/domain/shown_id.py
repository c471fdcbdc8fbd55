"""Ids as traces and logs show them: whole, as far as an id is what it is."""

import re

from tidings.domain.masking import masked

_ID = re.compile(r"(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_.:/-]{1,200}")
_UUID = re.compile(r"[0-9a-fA-F-]{32,36}")
_SECRET = re.compile(
    r"td_(?:live|test)_|whsec_|\bsk[-_]|\beyJ|\bxox|\bgh[pousr]_|\bAKIA|://|pass|pwd|secret|token|key",
    re.IGNORECASE,
)


def shown_id(id: str) -> str:
    """The id, unless it looks like an address, a number to call or a secret: some callers send these."""
    if _UUID.fullmatch(id) or (_ID.fullmatch(id) and not _SECRET.search(id)):
        return id
    return masked(id)
