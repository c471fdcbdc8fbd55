"""What waits in Temporal, for the metrics: asked for when they are read, but only every ten seconds."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from api.freshness import Freshness
from tidings.domain.vocabulary import Status
from tidings.errors import OrchestratorUnavailable
from tidings.metrics import ApiMetrics
from tidings.metrics.api import QueueBacklog

_FRESH = 10.0
_PATIENCE = 3.0
"""Seconds that whoever reads the metrics waits for Temporal."""

log = structlog.get_logger("api.metrics")


class BacklogSource(Protocol):
    """Where it waits. All calls raise OrchestratorUnavailable."""

    async def queues(self) -> list[QueueBacklog]:
        """Each task queue."""
        ...

    async def open_notifications(self) -> Mapping[Status, int]:
        """How many notifications are open, by status."""
        ...

    async def check(self) -> None:
        """Make sure that notifications can be started there."""
        ...


class ShownBacklog:
    """Brings the metrics up to date. What Temporal does not say, they do not say either."""

    def __init__(
        self, source: BacklogSource, metrics: ApiMetrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._metrics = metrics
        self._freshness = Freshness(_FRESH, clock)

    async def refresh(self) -> None:
        """Ask, unless that was done a moment ago. Raises nothing."""
        await self._freshness.ask(self._show)

    async def _show(self) -> None:
        reached, ready, _ = await asyncio.gather(self._show_queues(), self._is_ready(), self._show_open())
        self._metrics.show_up("temporal", up=reached and ready)

    async def _show_queues(self) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE):
                self._metrics.show_backlogs(await self._source.queues())
        except (OrchestratorUnavailable, TimeoutError) as error:
            log.warning("backlog_not_read", reason=str(error) or "it did not answer in time")
            self._metrics.show_backlogs(None)
            return False
        return True

    async def _is_ready(self) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._source.check()
        except (OrchestratorUnavailable, TimeoutError) as error:
            log.warning("temporal_not_ready", reason=str(error) or "it did not answer in time")
            return False
        return True

    async def _show_open(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                self._metrics.show_open(await self._source.open_notifications())
        except (OrchestratorUnavailable, TimeoutError) as error:
            log.warning("open_notifications_not_read", reason=str(error) or "it did not answer in time")
            self._metrics.show_open(None)
