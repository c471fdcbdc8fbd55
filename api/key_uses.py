"""When API keys were last used: noted in memory, written in the background, never on a request's way."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import structlog

from tidings.errors import StorageUnavailable

_PAUSE = 1.0
"""Seconds between two looks at what is to be written."""

log = structlog.get_logger("api.keys")


class KeyUseStore(Protocol):
    """Where the times are kept."""

    async def used(self, at: Mapping[UUID, datetime]) -> None:
        """Note when keys were last used. Raises StorageUnavailable."""
        ...


class KeyUses:
    """The first use of a key is written at once, later ones at most every `interval` seconds."""

    def __init__(
        self, store: KeyUseStore, *, interval: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._interval = interval
        self._clock = clock
        self._pending: dict[UUID, datetime] = {}
        self._written: dict[UUID, float] = {}

    def note(self, key_id: UUID) -> None:
        """The key is used now."""
        self._pending[key_id] = datetime.now(UTC)

    async def write(self) -> None:
        """Write what is due. Raises StorageUnavailable; it is then still due."""
        now = self._clock()
        self._written = {id: at for id, at in self._written.items() if now - at < self._interval}
        due = {id: at for id, at in self._pending.items() if id not in self._written}
        if not due:
            return
        await self._store.used(due)
        for id, at in due.items():
            self._written[id] = now
            # A use that came meanwhile stays, to be written when its time has come.
            if self._pending.get(id) == at:
                del self._pending[id]

    async def keep_written(self) -> None:
        """Write again and again. Nothing that goes wrong here may end it."""
        fails = False
        while True:
            await asyncio.sleep(_PAUSE)
            try:
                await self.write()
                fails = False
            except Exception as error:
                if not fails:
                    expected = isinstance(error, StorageUnavailable)
                    log.warning("key_uses_not_written", reason=str(error), exc_info=not expected)
                fails = True
