"""What an SMTP reply says about a message (RFC 5321, 4.2; RFC 3463 for the enhanced codes)."""

import re

from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure, TransientFailure
from tidings.providers.wording import shown

MISCONFIGURED = frozenset({530, 534, 535, 538})
"""Log in first, or otherwise; wrong credentials; encrypt first (RFC 4954): no fault of the recipient."""

MAILBOX_FULL = (2, 2)
"""x.2.2 passes, even where the server calls it permanent."""

_ENHANCED = re.compile(r"[245]\.(\d{1,3})\.(\d{1,3})(?!\S)")
_QUEUE_IDS = (
    re.compile(r"\bqueued as <?([\w.@+-]+)", re.IGNORECASE),
    re.compile(r"\bid[=:] ?<?([\w.@+-]+)", re.IGNORECASE),
    re.compile(r"^(?:2\.\d\.\d )?Ok:? (?=\S*\d)([\w-]{16,})$", re.IGNORECASE),
)
"""Postfix; Exim and others; Amazon SES."""


def failure_for(code: int, text: str, *, about_us: bool = False) -> SendFailure:
    """The failure that a refusing reply stands for.

    `about_us`: the reply came before there was a message to judge (greeting, EHLO, STARTTLS, AUTH), so
    that a permanent refusal is one of our host or credentials.
    """
    name = f"smtp_{code}"
    message = shown(text) or "no text"
    if not 400 <= code < 600:
        return TransientFailure("smtp_protocol", shown(f"unexpected reply {code}: {text}"))
    if code < 500 or (not about_us and _enhanced(text) == MAILBOX_FULL):
        return TransientFailure(name, message)
    if about_us or code in MISCONFIGURED:
        return ProviderMisconfigured(name, message)
    return PermanentFailure(name, message)


def queue_id(text: str) -> str | None:
    """The server's own id for a message it took, as far as its reply shows one."""
    line = shown(text)
    for pattern in _QUEUE_IDS:
        if found := pattern.search(line):
            return found[1]
    return None


def _enhanced(text: str) -> tuple[int, int] | None:
    found = _ENHANCED.match(text)
    return (int(found[1]), int(found[2])) if found else None
