"""Temporal's namespace, as `tidings migrate` sets it up."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tidings.settings.base import Settings

_DAYS = re.compile(r"(\d{1,5})d", re.ASCII)


def _days(value: Any) -> Any:
    """`30d`, as the `temporal` command writes it."""
    if not isinstance(value, str):
        return value
    found = _DAYS.fullmatch(value.strip())
    if found is None:
        raise ValueError("must be a number of days, such as 30d")
    return timedelta(days=int(found[1]))


class TemporalSettings(Settings):
    """Temporal's namespace. How to reach it is said by the profile of the `temporal` command."""

    temporal_retention: Annotated[timedelta, BeforeValidator(_days), Field(ge=timedelta(days=1))] = timedelta(
        days=30
    )
    """How long Temporal keeps a closed workflow, in days: `30d`. A namespace that is there keeps its own
    unless this is set."""
