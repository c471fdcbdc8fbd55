"""What no line may say: whom a message is for, what it says, and what opens a door.

Values go by the names they stand under; in all other text what looks like an address, a number to call or a
secret gives way to its kind in brackets (`tidings.domain.masking`). Ids, times, counts and durations stay.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from structlog.typing import EventDict, WrappedLogger

from tidings.domain.masking import masked
from tidings.domain.shown_id import shown_id
from tidings.logging.exceptions import without_values

REDACTED = "[redacted]"

_DROPPED = re.compile(
    r"(?:.*[_-])?(?:recipients?|to|body|subject|html|metadata|text|content|payload|data|parameters|params|args"
    r"|authorization|cookie|headers?|password|passphrase|secrets?|tokens?|credentials?|dsn|(?:api|access|private"
    r"|signing|codec|encryption|idempotency)[_-]?keys?)",
    re.IGNORECASE,
)
_IDS = re.compile(r"(?:.*_)?id")
_OURS = frozenset({"level", "logger", "timestamp"})
"""Made by the logging itself."""
_SAID = frozenset({"error", "event", "reason"})
"""What may be an exception's message."""

_UUID = re.compile(
    r"""((?:^|(?<=[\s'"(\[]))(?:notification-|schedule-|receipt-)?
    [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=[\s'",;)\]]|\.?$))""",
    re.IGNORECASE | re.VERBOSE,
)
_WORD = re.compile(r"[A-Za-z_-]{0,15}|[A-Za-z0-9]{1,6}")
"""Too short for an address, a number to call or a secret: most values are, and masking takes its time."""
_DEEPEST = 5


def redacted(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The line as it may be written."""
    return {name: value if name in _OURS else _shown(name, value, 0) for name, value in event.items()}


def _shown(name: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if _DROPPED.fullmatch(name):
        return REDACTED
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return _text_for(name)(value)
    if depth == _DEEPEST:
        return REDACTED
    if isinstance(value, Mapping):
        return {_text(str(key)): _shown(str(key), part, depth + 1) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(name, part, depth + 1) for part in value]
    return _said(repr(value))


def _text_for(name: str) -> Callable[[str], str]:
    if _IDS.fullmatch(name):
        return shown_id
    if name in _SAID:
        return _said
    return _path if name == "path" else _text


def _said(text: str) -> str:
    return text if _WORD.fullmatch(text) else _text(without_values(text))


def _text(text: str) -> str:
    """Masked, but for UUIDs that stand alone: those of idempotency keys look like secrets."""
    if _WORD.fullmatch(text):
        return text
    pieces = _UUID.split(text)
    pieces[::2] = [masked(piece) if piece else piece for piece in pieces[::2]]
    return "".join(pieces)


def _path(path: str) -> str:
    """A request's path: ids have a segment of their own. One that holds a URL is masked as a whole."""
    if ":" in path or "%" in path:
        return masked(path)
    return "/".join(_text(segment) for segment in path.split("/"))
