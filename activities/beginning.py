"""The time before an attempt has begun: here, and only here, it may still be given up."""

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from temporalio import activity

from activities.under_way import UnderWay
from tidings.errors import StorageUnavailable

BEGIN_LIMIT = timedelta(minutes=5)
"""How long one run tries to begin. Only this run knows that it has not called anybody yet: a statement of
its that was lost on the way may still take effect, and the next run could not tell that from a call."""

PAUSE = 1.0
"""Seconds between two tries."""

Answer = TypeVar("Answer")


class Beginning:
    """Asks the database for as long as one run may."""

    def __init__(self, under_way: UnderWay) -> None:
        self._under_way = under_way
        self._deadline = time.monotonic() + BEGIN_LIMIT.total_seconds()

    async def tried(self, statement: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer of the database, however often it has to be asked. Raises StorageUnavailable."""
        while True:
            try:
                return await statement()
            except StorageUnavailable:
                if time.monotonic() + PAUSE > self._deadline or activity.is_worker_shutdown():
                    raise
            await self._under_way.pause(PAUSE)
