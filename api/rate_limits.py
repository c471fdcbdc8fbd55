"""Counting requests against limits, in this process or, by Redis, over all of them.

The `limits` library has no token bucket. Of its strategies the sliding window counter is the nearest: a
caller may use the whole amount at once, gets it back evenly afterwards, and costs two counters however large
the amount is. (A moving window keeps the time of every request; a fixed one admits twice the amount around
its edge.) It admits the amount in every window, give or take what its estimate is off by.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

import structlog
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from tidings.domain.rate_limit import RateLimit
from tidings.errors import SetupError

_PATIENCE = 0.5
"""Seconds a request waits for Redis."""
_PAUSE = 2.0
"""Seconds without another question once Redis has not answered one."""

log = structlog.get_logger("api.rate_limits")


@dataclass(frozen=True, slots=True)
class Quota:
    """What one request counts against."""

    name: str
    """What the caller is told: `key` or `tenant`."""
    owner: str
    limit: RateLimit

    @property
    def item(self) -> RateLimitItem:
        """The same for `limits`."""
        return RateLimitItemPerSecond(self.limit.amount, self.limit.seconds, namespace="tidings")


@dataclass(frozen=True, slots=True)
class Standing:
    """A quota after a request."""

    quota: Quota
    admitted: bool
    remaining: int
    reset: int
    """Seconds until there is more of it."""


class Counting(Protocol):
    """Where requests are counted."""

    async def take(self, quotas: Sequence[Quota]) -> list[Standing]:
        """Count one request against each quota in turn, up to the first that has none left."""
        ...


class RateLimits:
    """Counts in Redis if there is one. While it is away each process counts by itself, so nobody is refused
    for that, and nobody is without a limit."""

    def __init__(self, redis_url: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Connects with the first request. Raises SetupError if the client library is missing."""
        self._closing = AsyncExitStack()
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = None if redis_url is None else self._redis(redis_url)
        self._clock = clock
        self._away_until = float("-inf")
        self._reached = True

    async def take(self, quotas: Sequence[Quota]) -> list[Standing]:
        """Count one request against each quota in turn, up to the first that has none left."""
        if self._shared is None or self._clock() < self._away_until:
            return await _take(self._own, quotas)
        try:
            async with asyncio.timeout(_PATIENCE):
                standings = await _take(self._shared, quotas)
        except (StorageError, OSError, TimeoutError) as error:
            self._away_until = self._clock() + _PAUSE
            if self._reached:
                # The driver's words name host and port, no password.
                reason = str(error.__cause__ or error) or type(error).__name__
                log.warning("rate_limits_not_shared", reason=reason)
            self._reached = False
            return await _take(self._own, quotas)
        if not self._reached:
            log.info("rate_limits_shared_again")
        self._reached = True
        return standings

    async def aclose(self) -> None:
        """Close the connections."""
        await self._closing.aclose()

    def _redis(self, url: str) -> SlidingWindowCounterRateLimiter:
        try:
            from redis.asyncio import ConnectionPool
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise SetupError(
                "TIDINGS_REDIS_URL is set, but the package redis is missing: install tidings[redis]."
            ) from None
        pool = ConnectionPool.from_url(
            url,
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            # Once, at once: a connection from before a restart of Redis is dead.
            retry=Retry(NoBackoff(), 1),
        )
        self._closing.push_async_callback(pool.aclose)
        storage = RedisStorage(
            f"async+{url}",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix="tidings-rate",
            connection_pool=pool,  # type: ignore[arg-type]  # options are passed on to the client
        )
        return SlidingWindowCounterRateLimiter(storage)


async def _take(limiter: SlidingWindowCounterRateLimiter, quotas: Sequence[Quota]) -> list[Standing]:
    refused: Quota | None = None
    for quota in quotas:
        if not await limiter.hit(quota.item, quota.name, quota.owner):
            refused = quota
            break
    stats = [await limiter.get_window_stats(quota.item, quota.name, quota.owner) for quota in quotas]
    now = time.time()
    return [
        Standing(
            quota,
            admitted=quota is not refused,
            remaining=0 if quota is refused else max(0, stat.remaining),
            reset=max(0, math.ceil(stat.reset_time - now)),
        )
        for quota, stat in zip(quotas, stats, strict=True)
    ]
