"""Reading what came over the line: every helper gives None for what is not as it should be."""

import base64
import binascii
import json
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from tidings.domain.notification import DeliveryError
from tidings.providers.wording import shown

_WORD = re.compile(r"[!-~]{1,200}")
_LATEST_SECONDS = 253_402_300_799
"""The end of the year 9999, where Python's times end."""


def json_value(text: bytes | str) -> Any:
    """The JSON value, with None for each object that has a name twice: two readers may see two things in it.

    Raises ValueError for what is not JSON, or nested or numbered beyond reason.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def json_object(text: bytes | str) -> dict[str, Any] | None:
    """The JSON object that `text` is."""
    try:
        found = json_value(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def member(content: Any, name: str) -> dict[str, Any]:
    """The object under a name, or an empty one."""
    found = content.get(name) if isinstance(content, dict) else None
    return found if isinstance(found, dict) else {}


def word(value: Any) -> str | None:
    """Visible ASCII, at most 200 characters: an id or a code."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def notification_id(value: Any) -> UUID | None:
    """An id as Tidings writes it."""
    try:
        found = UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if str(found) == value else None


def time_of_seconds(value: Any) -> datetime | None:
    """A time in whole seconds since 1970."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LATEST_SECONDS:
        return None
    return datetime.fromtimestamp(value, UTC)


def time_of_text(value: Any) -> datetime | None:
    """A time in RFC 3339 with its zone, such as `2026-03-04T05:06:07.123Z`."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= 40 else None
        return found.astimezone(UTC) if found is not None and found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def signature(value: str | None) -> bytes | None:
    """Bytes in base64, spelt in the one canonical way: no other text is to stand for the same signature."""
    try:
        decoded = base64.b64decode(value or "", validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if decoded and base64.b64encode(decoded).decode() == value else None


def reason(code: str, *words: Any) -> DeliveryError:
    """A provider's reason in words fit to show; those that are no text are left out."""
    said = shown(": ".join(part for part in words if isinstance(part, str) and part.strip()))
    return DeliveryError(code=shown(code, 100), message=said or "no reason given")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | None:
    found = dict(pairs)
    return found if len(found) == len(pairs) else None


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
