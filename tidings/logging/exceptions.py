"""Exceptions as text: where they struck, and of what they say no value that they quote.

Postgres quotes the row that it refused, SQLAlchemy its parameters, pydantic its input, and any exception may
quote a message that it choked on. Frames show our source lines, never a variable's value.
"""

import re
import sys
import traceback
from types import TracebackType
from typing import Any

from structlog.typing import EventDict, WrappedLogger

_LEFT_OUT = "…"

_PARAMETERS = re.compile(r"\[parameters:.*?\](?=\s*(?:\n|\(Background|$))", re.DOTALL)
_DETAIL = re.compile(r"\b(DETAIL|CONTEXT|HINT):.*")
_INPUT = re.compile(r"input_value=.*?(?=, input_type=|$)", re.DOTALL)
_ARGUMENT = re.compile(r"(query argument \$\d+): .*", re.DOTALL)
_QUOTED = re.compile(
    r"""(?<![\w.])[bru]?(?P<mark>['"])(?P<text>(?:\\.|(?!(?P=mark)).)*)(?P=mark)(?!\w)""", re.DOTALL
)
_NAME = re.compile(r"[\w.:/$<>*-]{0,64}")

_MOST_EXCEPTIONS = 10
"""Of one chain or group: the first have said what the others repeat."""


def without_values(message: str) -> str:
    """What an exception says, without what it quotes."""
    message = _PARAMETERS.sub(f"[parameters: {_LEFT_OUT}]", message)
    message = _DETAIL.sub(rf"\1: {_LEFT_OUT}", message)
    message = _INPUT.sub(f"input_value={_LEFT_OUT}", message)
    message = _ARGUMENT.sub(rf"\1: {_LEFT_OUT}", message)
    return _QUOTED.sub(_name_or_nothing, message)


def _name_or_nothing(quoted: re.Match[str]) -> str:
    """A name may stay, a value not: that is what a whole message quotes, or what stands behind a colon."""
    is_value = quoted.string[: quoted.start()].rstrip()[-1:] in ("", ":", "=")
    return quoted[0] if not is_value and _NAME.fullmatch(quoted["text"]) else f"'{_LEFT_OUT}'"


def exception_as_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Turn `exc_info` into `exception`, a text."""
    error = error_of(event.pop("exc_info", None))
    if error is not None:
        event["exception"] = as_text(error)
    elif isinstance(event.get("exception"), str):
        event["exception"] = without_values(event["exception"])
    return event


def error_of(given: Any) -> BaseException | None:
    """The exception that a line's `exc_info` stands for, in any of its forms."""
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1] if len(given) > 1 and isinstance(given[1], BaseException) else None
    return sys.exc_info()[1] if given else None


def as_text(error: BaseException) -> str:
    """The exception with its causes, the first cause first, in Python's own form."""
    chain: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    link = ""
    while current is not None and id(current) not in seen and len(seen) < _MOST_EXCEPTIONS:
        seen.add(id(current))
        chain.append(_one(current) + link)
        if current.__cause__ is not None:
            current, link = current.__cause__, "\n\nThe above exception was the direct cause of this one:\n"
        else:
            current = None if current.__suppress_context__ else current.__context__
            link = "\n\nDuring handling of the above exception, this one occurred:\n"
    return "\n".join(reversed(chain))


def _one(error: BaseException) -> str:
    text = f"{_frames(error.__traceback__)}{type(error).__qualname__}: {without_values(_message(error))}"
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions[:_MOST_EXCEPTIONS]:
            text += "\n" + "\n".join(f"  | {line}" for line in as_text(part).splitlines())
    return text


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # some say nothing but fail in saying it
        return _LEFT_OUT


def _frames(where: TracebackType | None) -> str:
    if where is None:
        return ""
    return "Traceback (most recent call last):\n" + "".join(traceback.format_tb(where, limit=-40))
