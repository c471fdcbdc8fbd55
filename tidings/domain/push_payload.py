"""What a push message may carry to the app, and how large that makes it."""

import json
from collections.abc import Iterator, Mapping

MOST_BYTES = 4096
"""Apple's limit of a payload, Google's, and the web's (RFC 8291, section 4)."""
LONGEST_COLLAPSE_KEY = 64
"""Bytes: Apple's limit."""

_RESERVED = frozenset({"aps", "collapse_key", "from", "message_type", "notification", "tidings_id"})
_RESERVED_PREFIXES = ("google.", "gcm.", "gcm_")
_ID = {"tidings_id": "00000000-0000-0000-0000-000000000000"}


def data_faults(data: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names of entries that the vendors keep for themselves, each with what to do."""
    for name in data:
        if not name:
            yield name, "needs a name"
        elif name.lower() in _RESERVED or name.lower().startswith(_RESERVED_PREFIXES):
            yield name, "is a name that push services keep for themselves: take another"


def payload_bytes(subject: str | None, body: str, data: Mapping[str, object]) -> int:
    """The size of the message as the largest of the push services' forms has it, in bytes."""
    shown = {name: value for name, value in (("title", subject), ("body", body)) if value}
    apple = {**data, "aps": {"alert": shown, "sound": "default"}}
    texts = {name: value if isinstance(value, str) else _json(value) for name, value in data.items()}
    google = {"notification": shown, "data": texts | _ID}
    return max(len(_json(form).encode("utf-8", "replace")) for form in (apple, google))


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
