"""Types of fields that several models share."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StrictStr, WithJsonSchema

_RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?(?P<offset>[Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)


def _moment(value: object) -> datetime:
    match = _RFC_3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be an RFC 3339 time, such as 2027-01-31T09:00:00Z")
    if match["offset"] is None:
        raise ValueError("needs an offset from UTC: end it with Z, or with one such as +02:00")
    try:
        return datetime.fromisoformat(match[0].upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no time that exists") from None


def _whole(value: object) -> object:
    # JSON knows one kind of number: 60.0 is as whole as 60 (JSON Schema, section 6.1.1).
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _without_nul(value: str) -> str:
    # Postgres text cannot hold it.
    if "\x00" in value:
        raise ValueError("must not hold the character NUL")
    return value


def _on_one_line(value: str) -> str:
    if not value.isprintable() and any(_breaks_a_line(character) for character in value):
        raise ValueError("must not hold control characters or line breaks")
    return value


def _breaks_a_line(character: str) -> bool:
    return character < " " or "\x7f" <= character <= "\x9f" or character in "\u2028\u2029"


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2027-01-31T09:00:00Z"]}),
]
"""A time with an offset from UTC (RFC 3339), held in UTC."""

UtcTime = Annotated[datetime, AfterValidator(lambda time: time.astimezone(UTC))]
"""A time we give out: in UTC, written with Z."""

Text = Annotated[
    StrictStr, AfterValidator(_without_nul), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})
]
"""A string, and nothing that could be turned into one; line breaks allowed."""

Line = Annotated[
    StrictStr,
    AfterValidator(_on_one_line),
    Field(json_schema_extra={"pattern": r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"}),
]
"""A string without control characters and line breaks."""

WHOLE = BeforeValidator(_whole)
"""Beside `StrictInt`: a whole number however it is written, and nothing else."""
