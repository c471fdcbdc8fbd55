"""What the answers of vendors' JSON APIs have in common, where a vendor's own table says nothing else."""

import json
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.http_outcome import PASSING
from tidings.providers.wording import shown

ANSWER_BYTES = 65_536
"""How much of an answer is read: a vendor may give the whole message back, escaped, beside its id."""

_ABOUT_THE_MESSAGE = frozenset({400, 413, 422})


def json_object(text: str) -> dict[str, Any]:
    """The JSON object that `text` is, or an empty one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def kind_of(status: int) -> type[SendFailure]:
    """What a status means at an address of our own choosing: other than at a caller's webhook, a redirect,
    a 404 or a 405 is a fault of our set-up.
    """
    if status in PASSING or 500 <= status < 600:
        return TransientFailure
    if status in _ABOUT_THE_MESSAGE:
        return PermanentFailure
    # Success of another kind than the vendor documents: nobody knows what has taken the message.
    return UnknownOutcome if status < 300 else ProviderMisconfigured


def failure(
    kind: type[SendFailure],
    code: str,
    message: str,
    retry_after: timedelta | None = None,
    *,
    of_message: bool = False,
) -> SendFailure:
    """The failure of that kind, its message fit to show; only a passing one can ask for a wait, and only
    of a passing one is it said whether it is `of_message` (TransientFailure).
    """
    if issubclass(kind, TransientFailure):
        return kind(code, shown(message), retry_after, of_message=of_message)
    return kind(code, shown(message))


def bare(status: int, text: str) -> str:
    """The message of an answer that is not in the vendor's form."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP {status} {phrase}: {text}".rstrip(": ")
