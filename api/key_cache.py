"""API keys in memory: no request waits for Postgres to say who calls, and an outage locks nobody out."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from tidings.domain.api_key import ApiKey, hash_of
from tidings.errors import StorageUnavailable

_PATIENCE = 0.5
"""Seconds a caller with a known key waits for Postgres to confirm it."""
_PAUSE = 2.0
"""Seconds without another question once Postgres has not answered one."""
_UNKNOWN_KEPT = 10_000
"""How many keys that do not exist are remembered, so that guessing them costs Postgres little."""

log = structlog.get_logger("api.keys")


class KeySource(Protocol):
    """Where keys are kept. Both calls raise StorageUnavailable while it cannot be asked."""

    async def find(self, key_hash: bytes) -> ApiKey | None:
        """The key of that hash, a revoked or expired one included."""
        ...

    async def active(self) -> list[tuple[bytes, ApiKey]]:
        """Every key that is neither revoked nor expired, with its hash."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    key: ApiKey | None
    asked_at: float
    """When the question was put that this answers."""


class KeyCache:
    """What is known of API keys. Times in seconds.

    An answer is trusted for `fresh`; while the source is away, a known key is trusted for up to `outage`.
    """

    def __init__(
        self,
        source: KeySource,
        *,
        fresh: float,
        outage: float,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        looked_up: Callable[[str], None] = lambda result: None,
    ) -> None:
        """`looked_up` is told of each look-up: `hit`, or `miss` where the source was asked, and where that
        was in vain `stale` (what was known stands) or `unavailable`."""
        self._source = source
        self._fresh = fresh
        self._outage = outage
        self._clock = clock
        self._now = now
        self._looked_up = looked_up
        self._known: dict[bytes, _Entry] = {}
        self._unknown: dict[bytes, _Entry] = {}
        self._away_until = float("-inf")

    async def identify(self, secret: str) -> ApiKey | None:
        """The key, or None if there is none such, or it is revoked or expired.

        Raises StorageUnavailable if that cannot be known now.
        """
        # The look-up need not take constant time: what it compares is a SHA-256, and whoever cannot invert
        # that learns nothing about a key from how long a comparison of hashes took.
        key_hash = hash_of(secret)
        entry = self._known.get(key_hash) or self._unknown.get(key_hash)
        if entry is None or self._age(entry) >= self._fresh:
            entry = await self._ask(key_hash, entry)
        else:
            self._looked_up("hit")
        # Expiry is judged here: it needs no answer, and comes in an outage, too.
        return entry.key if entry.key is not None and entry.key.is_valid(self._now()) else None

    def known(self) -> int:
        """How many keys are in memory."""
        return len(self._known)

    async def refresh(self) -> None:
        """Learn all active keys at once. Raises StorageUnavailable."""
        asked_at = self._clock()
        try:
            active = await self._source.active()
        except StorageUnavailable:
            self._pause()
            raise
        self._away_until = float("-inf")
        learnt = {key_hash: _Entry(key, asked_at) for key_hash, key in active}
        # What was asked later stands. All else that is not active is forgotten, to be asked for again.
        later = {key_hash: entry for key_hash, entry in self._known.items() if entry.asked_at > asked_at}
        self._known = learnt | later

    async def keep_fresh(self) -> None:
        """Refresh again and again, often enough that a key in use never has to be asked for."""
        reached: bool | None = None
        while True:
            try:
                await self.refresh()
                if not reached:
                    log.info("api_keys_loaded", keys=len(self._known))
                reached = True
            except Exception as error:  # whatever it is, what is known must not go stale for good
                if reached is not False:
                    expected = isinstance(error, StorageUnavailable)
                    log.warning(
                        "api_keys_not_refreshed",
                        reason=str(error),
                        known=len(self._known),
                        exc_info=not expected,
                    )
                reached = False
            await asyncio.sleep(max(self._fresh / 2, 0.5))

    async def _ask(self, key_hash: bytes, entry: _Entry | None) -> _Entry:
        known = entry is not None and entry.key is not None
        asked_at = self._clock()
        try:
            if asked_at < self._away_until:
                raise StorageUnavailable("Postgres did not answer a moment ago.")
            async with asyncio.timeout(_PATIENCE if known else None):
                key = await self._source.find(key_hash)
        except (StorageUnavailable, TimeoutError) as error:
            if asked_at >= self._away_until:
                self._pause()
            if entry is not None and known and self._age(entry) < self._outage:
                self._looked_up("stale")
                return entry
            self._looked_up("unavailable")
            raise StorageUnavailable("This API key cannot be checked now.") from error
        self._looked_up("miss")
        return self._learn(key_hash, _Entry(key, asked_at))

    def _learn(self, key_hash: bytes, entry: _Entry) -> _Entry:
        if entry.key is not None:
            self._unknown.pop(key_hash, None)
            self._known[key_hash] = entry
            return entry
        self._known.pop(key_hash, None)
        self._unknown.pop(key_hash, None)
        if len(self._unknown) >= _UNKNOWN_KEPT:
            # A dict keeps the order of insertion: the first is the oldest.
            del self._unknown[next(iter(self._unknown))]
        self._unknown[key_hash] = entry
        return entry

    def _pause(self) -> None:
        self._away_until = self._clock() + _PAUSE

    def _age(self, entry: _Entry) -> float:
        return self._clock() - entry.asked_at
