"""Who is skipped, for the metrics: asked for when they are read, but only every few seconds."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from api.freshness import Freshness
from tidings.domain.provider_health import SkippedProvider
from tidings.errors import StorageUnavailable
from tidings.metrics import ApiMetrics

_FRESH = 3.0
_PATIENCE = 2.0
"""Seconds that whoever reads the metrics waits for Postgres."""

log = structlog.get_logger("api.metrics")


class SkippedSource(Protocol):
    """Where it stands."""

    async def skipped(self) -> list[SkippedProvider]:
        """All that are. Raises StorageUnavailable."""
        ...


class SkippedProviders:
    """Brings the metrics up to date. While the source is away, they say nothing of who is skipped."""

    def __init__(
        self, source: SkippedSource, metrics: ApiMetrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._metrics = metrics
        self._freshness = Freshness(_FRESH, clock)

    async def refresh(self) -> None:
        """Ask, unless that was done a moment ago. Raises nothing."""
        await self._freshness.ask(self._show)

    async def _show(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                self._metrics.show_skipped(await self._source.skipped())
            self._metrics.show_up("postgres", up=True)
        except (StorageUnavailable, TimeoutError) as error:
            log.warning("provider_health_not_read", reason=str(error) or "it did not answer in time")
            self._metrics.show_skipped(None)
            self._metrics.show_up("postgres", up=False)
