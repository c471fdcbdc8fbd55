"""Which provider an attempt calls: the one it is meant for, unless that one is skipped just now.

Failures are counted here, in memory; the log that all workers share is written only when something changes,
and read in the background. While it is away, this worker goes on with what it knows, and no send waits.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID, uuid4

import structlog

from activities.ports import ProviderHealthLog, SendMeter
from tidings.domain.provider_health import (
    SkippedProvider,
    SkipRule,
    is_failing,
    is_watched,
    provider_instead,
)
from tidings.domain.vocabulary import Channel
from tidings.errors import SendFailure, StorageUnavailable
from tidings.messages.delivery import SendRequest

READ_EVERY = 2.0
"""Seconds between two looks at what the other workers found."""

_CLAIM_LIMIT = 1.0
"""Seconds a send may wait to learn whether it is the one to find out."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """The provider of one attempt, and what was known when it was chosen."""

    provider: str
    channel: Channel | None = None
    """None: it is not watched how this one fares."""
    passed_over: tuple[str, ...] = ()
    """Those of the route that were skipped."""
    probe: UUID | None = None
    """It finds out whether the provider is back."""
    skips: int = 0
    was_skipped: bool = False
    """It is called all the same: to find out, or because there is no other."""
    generation: int = 0


class ProviderChooser(Protocol):
    """Says who sends, and is told what came of it."""

    async def choose(self, request: SendRequest) -> Choice:
        """The provider of this attempt. `ended` or `dropped` follows, once."""
        ...

    def ended(self, choice: Choice, failure: SendFailure | None) -> None:
        """The provider was called: it accepted the message (None), or failed so."""
        ...

    def dropped(self, choice: Choice) -> None:
        """The provider was not called."""
        ...

    def passed_over(self, choice: Choice, route: Sequence[str]) -> list[str]:
        """Those of the route that were skipped when this one was chosen, or are now."""
        ...


class NobodySkipped:
    """Every attempt calls the provider it is meant for."""

    async def choose(self, request: SendRequest) -> Choice:
        """That one."""
        return Choice(request.provider)

    def ended(self, choice: Choice, failure: SendFailure | None) -> None:
        """Nothing is counted."""

    def dropped(self, choice: Choice) -> None:
        """Nothing was claimed."""

    def passed_over(self, choice: Choice, route: Sequence[str]) -> list[str]:
        """None is."""
        return []


Key = tuple[Channel, str]


@dataclass(slots=True)
class _Known:
    """What this worker knows of a provider."""

    failures: int = 0
    until: float | None = None
    """By this worker's clock; None: it is not skipped."""
    claiming: bool = False
    writing: int = 0
    """Changes that are on their way to the log: what it says meanwhile is older."""
    changed_at: float = float("-inf")
    generation: int = 0
    """How often it was skipped or restored: an attempt from before that says nothing of the time since."""


@dataclass(slots=True)
class ProviderWatch:
    """The chooser of a worker. `lease`: seconds after which nothing more is heard of an attempt."""

    health: ProviderHealthLog
    rule: SkipRule
    meter: SendMeter
    lease: float
    clock: Callable[[], float] = time.monotonic
    _known: dict[Key, _Known] = field(default_factory=dict)
    _writes: set[asyncio.Task[None]] = field(default_factory=set)

    async def choose(self, request: SendRequest) -> Choice:
        """The provider of this attempt. Raises nothing: without the log, by what is known."""
        channel, asked = request.channel, request.provider
        if channel is None or not is_watched(channel, asked) or not self.rule.after:
            return Choice(asked)
        known = self._of(channel, asked)
        skipped = self._skipped(channel, request.terms.route)
        if known.until is not None:
            if self.clock() >= known.until and not known.claiming:
                probe = uuid4()
                skips = await self._claim(channel, asked, probe, known)
                if skips is not None:
                    others = tuple(name for name in skipped if name != asked)
                    return Choice(asked, channel, others, probe, skips, True, known.generation)
            # The wait for an answer may have been long enough for it to be back.
            skipped = self._skipped(channel, request.terms.route)
            if asked in skipped:
                asked = provider_instead(asked, request.terms.route, request.last, skipped)
        known = self._of(channel, asked)
        return Choice(
            asked,
            channel,
            tuple(skipped),
            was_skipped=known.until is not None,
            generation=known.generation,
        )

    def ended(self, choice: Choice, failure: SendFailure | None) -> None:
        """Count it, and skip the provider or take it back if that follows. Waits for nobody."""
        if choice.channel is None or not is_watched(choice.channel, choice.provider):
            return
        known = self._of(choice.channel, choice.provider)
        if not is_failing(failure):
            known.failures = 0
            if choice.was_skipped and known.until is not None:
                self._restore(choice.channel, choice.provider, known)
        elif failure is not None and choice.probe is not None:
            self._skip_again(choice, choice.channel, choice.probe, known, failure.code)
        elif failure is not None and known.until is None and choice.generation == known.generation:
            known.failures += 1
            if known.failures >= self.rule.after:
                self._skip(choice.channel, choice.provider, known, failure.code)

    def dropped(self, choice: Choice) -> None:
        """Give the claim back, if it was to find out."""
        if choice.channel is None or choice.probe is None:
            return
        known = self._of(choice.channel, choice.provider)
        self._change(known, self.clock(), skipped=known.until is not None)
        self._write(known, self.health.release(choice.channel, choice.provider, choice.probe))

    def passed_over(self, choice: Choice, route: Sequence[str]) -> list[str]:
        """Those of the route that were skipped when this one was chosen, or are now."""
        if choice.channel is None:
            return []
        gone = {*choice.passed_over, *self._skipped(choice.channel, route)}
        return [name for name in route if name in gone]

    async def keep_up(self) -> None:
        """Learn again and again what all workers have found."""
        reads = True
        while True:
            try:
                await self.read()
                reads = True
            except Exception as error:  # whatever it is, what is known must not go stale for good
                if reads:
                    expected = isinstance(error, StorageUnavailable)
                    log.warning("provider_health_not_read", reason=str(error), exc_info=not expected)
                reads = False
            await asyncio.sleep(READ_EVERY)

    async def read(self) -> None:
        """Take over what the log says. Raises StorageUnavailable."""
        asked_at = self.clock()
        found = {(row.channel, row.provider): row for row in await self.health.skipped()}
        for key in {*self._known, *found}:
            known = self._of(*key)
            if not known.writing and not known.claiming and known.changed_at < asked_at:
                self._learn(key, known, found.get(key), asked_at)

    async def aclose(self) -> None:
        """Let the last changes reach the log."""
        while self._writes:
            await asyncio.wait(self._writes)

    def _of(self, channel: Channel, provider: str) -> _Known:
        return self._known.setdefault((channel, provider), _Known())

    def _skipped(self, channel: Channel, route: Sequence[str]) -> list[str]:
        """Those of the route that are skipped; where all are, none is: somebody has to send."""
        skipped = [name for name in route if self._is_skipped(channel, name)]
        return skipped if len(skipped) < len(route) else []

    def _is_skipped(self, channel: Channel, name: str) -> bool:
        known = self._known.get((channel, name))
        return known is not None and known.until is not None

    async def _claim(self, channel: Channel, provider: str, probe: UUID, known: _Known) -> int | None:
        """How often in a row it was skipped, if this attempt is to find out whether it is back."""
        known.claiming = True
        try:
            async with asyncio.timeout(_CLAIM_LIMIT):
                skips = await self.health.claim(channel, provider, probe, lease=self.lease)
        except (StorageUnavailable, TimeoutError):
            skips = None
        finally:
            known.claiming = False
        # Lost to another: what came of it stands in the log soon.
        self._change(known, self.clock() + (READ_EVERY if skips is None else self.lease), skipped=True)
        return skips

    def _skip(self, channel: Channel, provider: str, known: _Known, code: str) -> None:
        pause = self.rule.pause(1)
        failures, known.failures = known.failures, 0
        self._change(known, self.clock() + pause, skipped=True, new=True)
        self.meter.skipping(channel, provider, skipped=True)
        self._tell("provider_skipped", channel, provider, failures=failures, code=code, seconds=pause)
        self._write(known, self.health.skip(channel, provider, failures=failures, code=code, seconds=pause))

    def _skip_again(self, choice: Choice, channel: Channel, probe: UUID, known: _Known, code: str) -> None:
        pause = self.rule.pause(choice.skips + 1)
        self._change(known, self.clock() + pause, skipped=True, new=True)
        self._tell("provider_skipped", channel, choice.provider, again=choice.skips, code=code, seconds=pause)
        self._write(known, self.health.skip_again(channel, choice.provider, probe, code=code, seconds=pause))

    def _restore(self, channel: Channel, provider: str, known: _Known) -> None:
        self._change(known, 0, skipped=False, new=True)
        self.meter.skipping(channel, provider, skipped=False)
        self._tell("provider_back", channel, provider)
        self._write(known, self.health.restore(channel, provider))

    def _learn(self, key: Key, known: _Known, row: SkippedProvider | None, asked_at: float) -> None:
        changed = (row is not None) is not (known.until is not None)
        until = asked_at + row.left if row is not None else 0
        self._change(known, until, skipped=row is not None, new=changed)
        if changed:
            known.failures = 0
            self.meter.skipping(*key, skipped=row is not None)

    def _change(self, known: _Known, until: float, *, skipped: bool, new: bool = False) -> None:
        known.until = until if skipped else None
        known.changed_at = self.clock()
        known.generation += new

    def _tell(self, event: str, channel: Channel, provider: str, **facts: Any) -> None:
        write = log.error if event == "provider_skipped" else log.info
        write(event, channel=channel.value, provider=provider, **facts)

    def _write(self, known: _Known, change: Coroutine[Any, Any, None]) -> None:
        """Bring a change to the log, while the send goes on."""

        async def write() -> None:
            try:
                await change
            except Exception as error:
                expected = isinstance(error, StorageUnavailable)
                log.warning("provider_health_not_written", reason=str(error), exc_info=not expected)
            finally:
                known.writing -= 1
                # What was read before this is older.
                known.changed_at = self.clock()

        known.writing += 1
        task = asyncio.create_task(write())
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
