"""Pydantic's errors as problem details: JSON pointers, plain words, and nothing of the input's values."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from api.problems import FieldError

_SHOWN_ERRORS = 50
_SHOWN_POINTER = 200
"""Longest pointer given back: a field's name is the caller's, and may be of any length."""

_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "string_type": "must be a string",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "list_type": "must be a JSON array",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "enum": "must be one of {expected}",
    "uuid_parsing": "must be a UUID",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


def field_errors(faults: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    """One error a fault, at most 50 of them."""
    return [
        FieldError(pointer=pointer(fault["loc"]), detail=_detail(fault))
        for fault in islice(faults, _SHOWN_ERRORS)
    ]


def pointer(location: Iterable[str | int]) -> str:
    """The JSON pointer (RFC 6901) to a place in a document; empty for the whole of it."""
    path = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return path if len(path) <= _SHOWN_POINTER else path[: _SHOWN_POINTER - 1] + "…"


def _detail(fault: Mapping[str, Any]) -> str:
    context = fault.get("ctx") or {}
    # What our own validators raise is written to be shown.
    if isinstance(error := context.get("error"), ValueError):
        return str(error)
    words = _WORDS.get(fault["type"])
    return words.format(**context) if words else str(fault["msg"])
