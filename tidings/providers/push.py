"""What the push providers make of a notification alike."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

from tidings.domain.vocabulary import Priority
from tidings.providers.protocol import OutgoingMessage

COLLAPSE_KEY = "collapse_key"
"""The entry of the metadata that names what a message replaces on the device, if no field of its own does."""

AT_ONCE = frozenset({Priority.CRITICAL, Priority.HIGH, Priority.NORMAL})
"""Shown at once, which is what both vendors do unless told otherwise; the rest may wait for the battery."""

_COLLAPSE_BYTES = 64


def collapse_key(message: OutgoingMessage) -> str | None:
    """The caller's collapse key, if there is one, in at most 64 bytes of visible ASCII.

    Another form goes as its SHA-256: what was equal stays equal, and that is all it is for.
    """
    given = message.collapse_key or (message.metadata or {}).get(COLLAPSE_KEY)
    if not isinstance(given, str | int) or isinstance(given, bool) or given == "":
        return None
    key = str(given)
    fits = key.isascii() and key.isprintable() and len(key) <= _COLLAPSE_BYTES and key == key.strip()
    return key if fits else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def replacement_key(message: OutgoingMessage) -> str:
    """What a message replaces on the device: by the caller's key, else itself, so that it shows once."""
    return collapse_key(message) or message.key


def data(message: OutgoingMessage) -> dict[str, object]:
    """What goes to the app: the data, else the metadata without what is addressed to the provider."""
    if message.data is not None:
        return dict(message.data)
    return {name: value for name, value in (message.metadata or {}).items() if name != COLLAPSE_KEY}


def time_to_live(message: OutgoingMessage, now: datetime | None = None) -> timedelta | None:
    """How long the message is still of use, not below zero; None: for as long as the provider keeps it."""
    if message.expires_at is None:
        return None
    return max(message.expires_at - (now or datetime.now(UTC)), timedelta())


def compact_json(content: object) -> bytes:
    """JSON as small as it gets: the vendors count bytes. A lone surrogate goes escaped: UTF-8 has none."""
    try:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(content, separators=(",", ":")).encode()
