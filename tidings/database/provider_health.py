"""Which providers are skipped, in Postgres: one row for each, by the server's clock."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.dml import ReturningUpdate

from tidings.database.storage import fetch, sqlstate_of
from tidings.database.tables import provider_health
from tidings.domain.provider_health import SkippedProvider
from tidings.domain.vocabulary import Channel
from tidings.errors import StorageUnavailable

_UNDEFINED_TABLE = "42P01"

_row = provider_health.c


class ProviderHealthRepository:
    """The port `activities.ports.ProviderHealthLog`. Every call raises StorageUnavailable while Postgres is
    away, or does not have the table yet.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def skipped(self) -> list[SkippedProvider]:
        """All that are skipped, by channel and name."""
        return [_skipped_from(row) for row in await self._fetch(_SKIPPED)]

    async def skip(
        self, channel: Channel, provider: str, *, failures: int, code: str, seconds: float
    ) -> None:
        """Skip a provider that is not skipped yet, for so many seconds."""
        inserted = insert(provider_health).values(
            channel=channel,
            provider=provider,
            failures=failures,
            skips=1,
            last_code=code,
            skipped_until=_in(seconds),
            changed_at=func.now(),
        )
        await self._fetch(inserted.on_conflict_do_nothing())

    async def claim(self, channel: Channel, provider: str, probe: UUID, *, lease: float) -> int | None:
        """How often in a row it was skipped, if this probe is the one to find out; else None."""
        # Two at once: the second waits for the row's lock, and then sees that its time has not come.
        open_now = or_(_row.skipped_until <= func.now(), _row.probe == probe)
        statement = _changed(
            channel, provider, open_now, probe=probe, skipped_until=_in(lease), changed_at=func.now()
        )
        rows = await self._fetch(statement.returning(_row.skips))
        return rows[0]["skips"] if rows else None

    async def skip_again(
        self, channel: Channel, provider: str, probe: UUID, *, code: str, seconds: float
    ) -> None:
        """The probe has failed: skip it for so many seconds more, if the claim is still the probe's."""
        await self._fetch(
            _changed(
                channel,
                provider,
                _row.probe == probe,
                probe=None,
                failures=_row.failures + 1,
                skips=_row.skips + 1,
                last_code=code,
                skipped_until=_in(seconds),
                changed_at=func.now(),
            )
        )

    async def release(self, channel: Channel, provider: str, probe: UUID) -> None:
        """Give the claim back."""
        await self._fetch(
            _changed(channel, provider, _row.probe == probe, probe=None, skipped_until=func.now())
        )

    async def restore(self, channel: Channel, provider: str) -> None:
        """The provider is back."""
        await self._fetch(delete(provider_health).where(*_is(channel, provider)))

    async def _fetch(self, statement: Any) -> list[dict[str, Any]]:
        try:
            return await fetch(self._engine, statement)
        except ProgrammingError as error:
            if sqlstate_of(error) != _UNDEFINED_TABLE:
                raise
            raise StorageUnavailable("the database is not up to date: run `tidings migrate`") from error


def _in(seconds: float) -> ColumnElement[Any]:
    moment: ColumnElement[Any] = func.now() + timedelta(seconds=seconds)
    return moment


def _is(channel: Channel, provider: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _row.channel == channel, _row.provider == provider


def _changed(
    channel: Channel, provider: str, condition: ColumnElement[bool], **values: Any
) -> ReturningUpdate[Any] | Any:
    return update(provider_health).where(and_(*_is(channel, provider), condition)).values(**values)


_SKIPPED = select(
    provider_health, func.extract("epoch", _row.skipped_until - func.now()).label("left")
).order_by(_row.channel, _row.provider)


def _skipped_from(row: dict[str, Any]) -> SkippedProvider:
    return SkippedProvider(
        channel=Channel(row["channel"]),
        provider=row["provider"],
        failures=row["failures"],
        skips=row["skips"],
        last_code=row["last_code"],
        skipped_until=row["skipped_until"],
        left=float(row["left"]),
        probing=row["probe"] is not None,
        changed_at=row["changed_at"],
    )
