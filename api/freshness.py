"""What the metrics show of other parts is asked for when they are read, but only every few seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable


class Freshness:
    """Lets one question through at a time, and none while the last answer is fresh."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def ask(self, question: Callable[[], Awaitable[None]]) -> None:
        """Await the question, unless that was done a moment ago."""
        async with self._asking:
            if self._clock() - self._asked_at < self._seconds:
                return
            await question()
            self._asked_at = self._clock()
