"""Times and durations as options of commands."""

import re
from datetime import UTC, datetime, timedelta

import typer

_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""Nothing of ours is older, and no server has to cope with what is."""


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
    time = _instant(text)
    if time <= datetime.now(UTC):
        raise typer.BadParameter(f"{text} is not in the future")
    return time


def _instant(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is neither an RFC 3339 time nor a duration such as 24h") from None
    if time.tzinfo is None:
        raise typer.BadParameter("needs an offset from UTC, such as Z")
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise typer.BadParameter(f"{text} is out of range") from None


def past(text: str) -> datetime:
    """A time gone by, in RFC 3339 or as a duration before now. Raises typer.BadParameter."""
    now = datetime.now(UTC)
    if _DURATION.fullmatch(text):
        # Longer than there have been times is as good as always.
        return now - min(duration(text), now - _EARLIEST)
    time = _instant(text)
    if time > now:
        raise typer.BadParameter(f"{text} is in the future")
    return max(time, _EARLIEST)
