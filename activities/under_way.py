"""An attempt under way: its worker shows that it lives, and a cancellation does not break it off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Self, TypeVar

from temporalio import activity

Answer = TypeVar("Answer")

HEARTBEAT_EVERY = timedelta(seconds=3)
"""Well below the heartbeat timeout that the workflow sets, so that one late beat is no death."""


class UnderWay:
    """A piece of work that is carried to its end once it has begun, whoever cancels it meanwhile.

    Only a worker that shuts down breaks it off: then its time has run out.
    """

    def __init__(self) -> None:
        self._cancelled = asyncio.Event()

    async def finish(self, work: Callable[[Self], Awaitable[Answer]]) -> Answer:
        """The answer of `work`, with heartbeats while it lasts."""
        async with _heartbeats():
            task = asyncio.ensure_future(work(self))
            while True:
                try:
                    return await asyncio.shield(task)
                except asyncio.CancelledError:
                    if task.done():
                        raise
                    reason = activity.cancellation_details()
                    if reason is not None and reason.worker_shutdown:
                        task.cancel()
                        await asyncio.wait([task])
                        raise
                    self._cancelled.set()

    async def pause(self, seconds: float) -> None:
        """Wait. Raises asyncio.CancelledError if the work was cancelled: it stands at a place to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._cancelled.wait()
        if self._cancelled.is_set():
            raise asyncio.CancelledError


@contextlib.asynccontextmanager
async def _heartbeats() -> AsyncIterator[None]:
    """Tell Temporal that this worker lives while the block runs."""

    async def beat() -> None:
        while True:
            # The hand-over counts as the first sign of life: a quick send costs no call more.
            await asyncio.sleep(HEARTBEAT_EVERY.total_seconds())
            activity.heartbeat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
