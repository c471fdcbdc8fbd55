"""Revoked tokens in memory: no request waits for Postgres to say that its token still holds."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from tidings.errors import StorageUnavailable

_PATIENCE = 0.5
"""Seconds a caller waits for Postgres to confirm a list that is known."""
_PAUSE = 2.0
"""Seconds without another question once Postgres has not answered one."""

log = structlog.get_logger("api.tokens")


class RevocationSource(Protocol):
    """Where revocations are kept."""

    async def all(self) -> Iterable[str]:
        """The ids (`jti`) of every revoked token that may not have expired yet. Raises StorageUnavailable."""
        ...


class RevokedTokens:
    """Which tokens are revoked. Times in seconds.

    The list is trusted for `fresh`; while the source is away, for up to `outage`.
    """

    def __init__(
        self,
        source: RevocationSource,
        *,
        fresh: float,
        outage: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._fresh = fresh
        self._outage = outage
        self._clock = clock
        self._ids: frozenset[str] = frozenset()
        self._asked_at = float("-inf")
        self._away_until = float("-inf")
        self._asking = asyncio.Lock()

    async def holds(self, token_id: str) -> bool:
        """Whether the token is revoked. Raises StorageUnavailable if that cannot be known now."""
        if self._age() >= self._fresh:
            await self._ask()
        return token_id in self._ids

    async def refresh(self) -> None:
        """Learn the list. Raises StorageUnavailable."""
        asked_at = self._clock()
        ids = frozenset(await self._source.all())
        if asked_at >= self._asked_at:
            self._ids, self._asked_at = ids, asked_at

    async def keep_fresh(self) -> None:
        """Refresh again and again, often enough that no request has to ask."""
        reached = True
        while True:
            try:
                await self.refresh()
                reached = True
            except Exception as error:  # whatever it is, what is known must not go stale for good
                if reached:
                    expected = isinstance(error, StorageUnavailable)
                    log.warning("revoked_tokens_not_refreshed", reason=str(error), exc_info=not expected)
                reached = False
            await asyncio.sleep(max(self._fresh / 2, 0.5))

    async def _ask(self) -> None:
        async with self._asking:
            if self._age() < self._fresh:
                return  # another request has just asked
            usable = self._age() < self._outage
            try:
                if self._clock() < self._away_until:
                    raise StorageUnavailable("Postgres did not answer a moment ago.")
                async with asyncio.timeout(_PATIENCE if usable else None):
                    await self.refresh()
            except (StorageUnavailable, TimeoutError) as error:
                if self._clock() >= self._away_until:
                    self._away_until = self._clock() + _PAUSE
                if not usable:
                    raise StorageUnavailable("Whether this token is revoked cannot be known now.") from error

    def _age(self) -> float:
        return self._clock() - self._asked_at
