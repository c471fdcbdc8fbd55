"""The answer of `GET /metrics`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

Refresh = Callable[[], Awaitable[None]]
"""Brings a part of the metrics up to date. It has a time limit of its own and raises nothing."""


class MetricsPage:
    """A registry, and what has to be found out before it is read."""

    def __init__(self, registry: CollectorRegistry, refreshes: Sequence[Refresh] = ()) -> None:
        self._registry = registry
        self._refreshes = refreshes

    async def read(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the format that suits an `Accept` header, and its content type."""
        await asyncio.gather(*(refresh() for refresh in self._refreshes))
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type
