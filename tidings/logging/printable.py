"""Lines for a terminal: what somebody sent us must not steer it, nor look like a line of ours."""

import re

from structlog.typing import EventDict, WrappedLogger

_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_OF_LINES = re.compile(f"(?![\\n\\t]){_STEERING.pattern}")


def printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Write characters that steer a terminal as Python does (`\\x1b`); an exception keeps its lines.

    Of JSON they are no part: that escapes them by itself.
    """
    return {
        _STEERING.sub(_escaped, name): (_OF_LINES if name == "exception" else _STEERING).sub(_escaped, value)
        if isinstance(value, str)
        else value
        for name, value in event.items()
    }


def _escaped(character: re.Match[str]) -> str:
    return character[0].encode("unicode_escape").decode()
