"""Which providers are skipped, in memory: under the same contract as in Postgres."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from tidings.domain.provider_health import SkippedProvider
from tidings.domain.vocabulary import Channel
from tidings.errors import StorageUnavailable


@dataclass(slots=True)
class _Row:
    failures: int
    skips: int
    code: str
    until: float
    changed_at: float
    probe: UUID | None = None


class InMemoryProviderHealth:
    """Keeps them for as long as the process lives. `available = False` plays an outage."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since 1970."""
        self.available = True
        self._clock = clock
        self._rows: dict[tuple[Channel, str], _Row] = {}

    async def skipped(self) -> list[SkippedProvider]:
        """All that are skipped."""
        now = self._now()
        return [
            SkippedProvider(
                channel=channel,
                provider=provider,
                failures=row.failures,
                skips=row.skips,
                last_code=row.code,
                skipped_until=datetime.fromtimestamp(row.until, UTC),
                left=row.until - now,
                probing=row.probe is not None,
                changed_at=datetime.fromtimestamp(row.changed_at, UTC),
            )
            for (channel, provider), row in sorted(self._rows.items())
        ]

    async def skip(
        self, channel: Channel, provider: str, *, failures: int, code: str, seconds: float
    ) -> None:
        """Skip a provider that is not skipped yet."""
        now = self._now()
        self._rows.setdefault((channel, provider), _Row(failures, 1, code, now + seconds, now))

    async def claim(self, channel: Channel, provider: str, probe: UUID, *, lease: float) -> int | None:
        """How often in a row it was skipped, if this probe is the one to find out; else None."""
        now, row = self._now(), self._rows.get((channel, provider))
        if row is None or (row.until > now and row.probe != probe):
            return None
        row.probe, row.until, row.changed_at = probe, now + lease, now
        return row.skips

    async def skip_again(
        self, channel: Channel, provider: str, probe: UUID, *, code: str, seconds: float
    ) -> None:
        """The probe has failed."""
        now, row = self._now(), self._rows.get((channel, provider))
        if row is not None and row.probe == probe:
            self._rows[channel, provider] = _Row(row.failures + 1, row.skips + 1, code, now + seconds, now)

    async def release(self, channel: Channel, provider: str, probe: UUID) -> None:
        """Give the claim back."""
        now, row = self._now(), self._rows.get((channel, provider))
        if row is not None and row.probe == probe:
            row.probe, row.until = None, now

    async def restore(self, channel: Channel, provider: str) -> None:
        """The provider is back."""
        self._now()
        self._rows.pop((channel, provider), None)

    def _now(self) -> float:
        if not self.available:
            raise StorageUnavailable("the database is away")
        return self._clock()
