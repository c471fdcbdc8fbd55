"""Times and durations as options of commands."""

import re
from datetime import UTC, datetime, timedelta

import typer

_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """`90d`, `24h`, `30m` or `10s`. Raises typer.BadParameter."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text} is no duration: write 90d, 24h, 30m or 10s")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def lifetime(text: str) -> timedelta:
    """A duration that is not zero. Raises typer.BadParameter."""
    parsed = duration(text)
    if not parsed:
        raise typer.BadParameter(f"{text} would be over at once")
    return parsed


def future(text: str) -> datetime:
    """A time to come, in RFC 3339 or as a duration from now. Raises typer.BadParameter."""
    if _DURATION.fullmatch(text):
        return datetime.now(UTC) + lifetime(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is neither an RFC 3339 time nor a duration such as 24h") from None
    if time.tzinfo is None:
        raise typer.BadParameter("needs an offset from UTC, such as Z")
    if time <= datetime.now(UTC):
        raise typer.BadParameter(f"{text} is not in the future")
    return time.astimezone(UTC)
