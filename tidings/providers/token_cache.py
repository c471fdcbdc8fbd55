"""One bearer token for many sends: fetched when needed, kept while it is good, fetched once at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it was issued, and for how many seconds from now it is to be used."""

    value: str
    keep_seconds: float


@dataclass(frozen=True, slots=True)
class _Kept:
    value: str
    issued_at: float
    until: float


class TokenCache:
    """Keeps the token that `fetch` gives. Whatever `fetch` raises, everybody who waits for it gets.

    `youngest`: a token that is refused before it is this old (seconds) is not replaced, for a new one would
    fare no better. `clock` gives seconds since the epoch: a token expires by the wall clock, and a machine
    that slept has not stopped it.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Token]],
        *,
        youngest: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fetch = fetch
        self._youngest = youngest
        self._clock = clock
        self._kept: _Kept | None = None
        self._fetching: asyncio.Task[str] | None = None

    async def get(self) -> str:
        """A token that is good now."""
        kept = self._kept
        if kept is not None and kept.issued_at <= self._clock() < kept.until:
            return kept.value
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._renew())
            self._fetching.add_done_callback(self._fetched)
        # One who gives up waiting does not take the token from the others.
        return await asyncio.shield(self._fetching)

    def refused(self, value: str) -> bool:
        """The provider refused this token. True if the next `get` gives another, which may fare better."""
        kept = self._kept
        if kept is None or kept.value != value:
            return True
        if 0 <= self._clock() - kept.issued_at < self._youngest:
            return False
        self._kept = None
        return True

    async def aclose(self) -> None:
        """End a fetch that is under way."""
        fetching = self._fetching
        if fetching is not None:
            fetching.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await fetching

    async def _renew(self) -> str:
        issued_at = self._clock()
        token = await self._fetch()
        self._kept = _Kept(token.value, issued_at, issued_at + token.keep_seconds)
        return token.value

    def _fetched(self, task: asyncio.Task[str]) -> None:
        self._fetching = None
        if not task.cancelled():
            # Looked at, so that asyncio does not complain where all who waited have gone.
            task.exception()
