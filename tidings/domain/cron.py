"""Cron expressions of five fields, as crontab(5) has them: minute, hour, day of month, month, day of week.

Read here and not by the server: what it takes besides (years, seconds, `@every`, `TZ=`) has fields of its own
in our API or none, it needs both days to match where crontab(5) needs one, and its words name no field.
"""

import re
from dataclasses import dataclass
from typing import Self

Values = tuple[range, ...]
"""The values of a field, in pieces; every range is ascending and holds at least one value."""

_PIECE = re.compile(r"(?:(?P<all>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d{1,4}))?", re.ASCII)
_LONGEST = 500
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTH_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    lowest: int
    highest: int
    words: tuple[str, ...] = ()

    def values(self, text: str) -> Values:
        return tuple(self._piece(piece) for piece in text.split(","))

    def _piece(self, text: str) -> range:
        match = _PIECE.fullmatch(text)
        if match is None:
            raise ValueError(f"the {self.name} is not written as in crontab(5)")
        if match["all"]:
            first, last = self.lowest, self.highest
        else:
            first = self._number(match["first"])
            # As with `*`, a step without an end goes up to the highest value.
            open_end = self.highest if match["step"] else first
            last = self._number(match["last"]) if match["last"] else open_end
        step = int(match["step"] or 1)
        if first > last:
            raise ValueError(f"the {self.name} has a range that ends before it begins")
        if not 1 <= step <= self.highest:
            raise ValueError(f"the {self.name} has a step that is not from 1 to {self.highest}")
        return range(first, last + 1, step)

    def _number(self, text: str) -> int:
        if text.lower() in self.words:
            return self.words.index(text.lower()) + self.lowest
        if not text.isdecimal() or not self.lowest <= int(text[:4]) <= self.highest:
            raise ValueError(f"the {self.name} must be from {self.lowest} to {self.highest}")
        return int(text)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class CronExpression:
    """A cron expression, read. Days of the week: 0 is Sunday, as is 7."""

    text: str
    minutes: Values
    hours: Values
    days: Values
    months: Values
    weekdays: Values
    either_day: bool
    """Whether a day of the month or one of the week is enough: crontab(5) has it so if neither is a `*`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it. Raises ValueError, in words for its author, also if there is no such day at all."""
        fields = text.split()
        if len(fields) != len(_FIELDS) or len(text) > _LONGEST:
            raise ValueError("must have five fields: minute, hour, day of month, month, day of week")
        minutes, hours, days, months, weekdays = (
            field.values(written) for field, written in zip(_FIELDS, fields, strict=True)
        )
        either_day = not (fields[2].startswith("*") or fields[4].startswith("*"))
        parsed = cls(" ".join(fields), minutes, hours, days, months, weekdays, either_day)
        if not either_day and not parsed._has_a_day():
            raise ValueError("names a day that no month it names has")
        return parsed

    def _has_a_day(self) -> bool:
        earliest = min(days[0] for days in self.days)
        return any(earliest <= _MONTH_LENGTHS[month - 1] for months in self.months for month in months)
