"""Temporal's clock: what is due is decided by one clock, whichever machine the worker runs on."""

import time
from datetime import datetime, timedelta

from temporalio import activity


class TemporalClock:
    """Goes on from the time at which Temporal handed the running activity over."""

    def __init__(self) -> None:
        self._handed_over = activity.info().started_time
        self._since = time.monotonic()

    def now(self) -> datetime:
        """Now, in UTC."""
        return self._handed_over + timedelta(seconds=time.monotonic() - self._since)

    def has_passed(self, time: datetime | None) -> bool:
        """Whether that time has come; never for None."""
        return time is not None and time <= self.now()
