"""What an HTTP status code says about a message: one table for every provider that speaks HTTP."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure, TransientFailure
from tidings.providers.wording import shown

PASSING = frozenset({408, 425, 429})
"""Client errors (RFC 9110, RFC 8470, RFC 6585) that another attempt can cure; every 5xx is one as well."""
TOO_SOON = frozenset({425, 429})
"""Passing, and no sign that the provider fails: it answers, and says how fast we may be."""
MISCONFIGURED = frozenset({401, 403, 407})
"""Our own credentials were refused: no fault of the recipient."""

LONGEST_RETRY_AFTER = timedelta(days=30)
"""A wait that is asked for is honoured up to here; what is longer is no schedule but a mistake."""


def failure_for(
    status: int, headers: Mapping[str, str], text: str, now: datetime | None = None
) -> SendFailure | None:
    """The failure that an answer stands for, or None for 2xx.

    `headers` must look up without regard to case. What is neither passing nor our own fault is for good:
    3xx (a message is never sent on to another address) and the other 4xx.
    """
    if 200 <= status < 300:
        return None
    code = f"http_{status}"
    message = shown(f"HTTP {status} {_phrase(status)}: {text}" if text.strip() else _bare(status))
    if status in PASSING or 500 <= status < 600:
        wait = retry_after(headers.get("Retry-After"), now)
        return TransientFailure(code, message, wait, of_message=status in TOO_SOON)
    if status in MISCONFIGURED:
        return ProviderMisconfigured(code, message)
    return PermanentFailure(code, message)


def retry_after(value: str | None, now: datetime | None = None) -> timedelta | None:
    """The wait that a `Retry-After` header asks for: seconds or an HTTP date (RFC 9110, 10.2.3).

    None without a header or with one that is neither; a date gone by is no wait.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = min(int(value[:10]), int(LONGEST_RETRY_AFTER.total_seconds()))
        return timedelta(seconds=seconds)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    wait = at - (now or datetime.now(UTC))
    return min(max(wait, timedelta()), LONGEST_RETRY_AFTER)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _bare(status: int) -> str:
    return f"HTTP {status} {_phrase(status)}".strip()
