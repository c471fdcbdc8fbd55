"""The suppression list: who gets nothing more, by tenant, mode and channel.

E-mail addresses are compared without regard to case, all other recipients byte by byte.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from tidings.database.storage import fetch
from tidings.database.tables import notifications, suppressions
from tidings.domain.receipt import SuppressionReason
from tidings.domain.record import Position
from tidings.domain.suppression import Suppression
from tidings.domain.vocabulary import Channel, KeyMode

_PUBLIC = [column for column in suppressions.c if column.name in Suppression.model_fields]
_NEWEST_FIRST = (suppressions.c.created_at.desc(), suppressions.c.id.desc())


class SuppressionRepository:
    """The queries. Every call raises StorageUnavailable while Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def after(
        self,
        tenant: str | None,
        after: Position | None,
        limit: int,
        *,
        mode: KeyMode | None = None,
        channel: Channel | None = None,
        recipient: str | None = None,
    ) -> list[Suppression]:
        """The `limit` suppressions next older than `after` (None: the newest), of one tenant or of all."""
        statement = select(*_PUBLIC)
        if tenant is not None:
            statement = statement.where(suppressions.c.tenant == tenant)
        if mode is not None:
            statement = statement.where(suppressions.c.mode == mode)
        if channel is not None:
            statement = statement.where(suppressions.c.channel == channel)
        if recipient is not None:
            compared = _compared(suppressions.c.channel, literal(recipient))
            statement = statement.where(suppressions.c.recipient_hash == _hash(compared))
        if after is not None:
            place = (suppressions.c.created_at, suppressions.c.id)
            given = (literal(value, column.type) for value, column in zip(after, place, strict=True))
            statement = statement.where(tuple_(*place) < tuple_(*given))
        rows = await fetch(self._engine, statement.order_by(*_NEWEST_FIRST).limit(limit))
        return [Suppression.model_validate(row) for row in rows]

    async def remove(
        self, tenant: str | None, id: UUID, *, mode: KeyMode | None = None
    ) -> Suppression | None:
        """Take a recipient off the list; None if the tenant (None: any tenant) has none of that id."""
        statement = delete(suppressions).where(suppressions.c.id == id)
        if tenant is not None:
            statement = statement.where(suppressions.c.tenant == tenant)
        if mode is not None:
            statement = statement.where(suppressions.c.mode == mode)
        rows = await fetch(self._engine, statement.returning(*_PUBLIC))
        return Suppression.model_validate(rows[0]) if rows else None


def is_suppressed() -> ColumnElement[bool]:
    """Whether the recipient of the statement's notification is on the list."""
    return exists().where(_of_the_notification()).correlate(notifications)


def suppression_as_json() -> ColumnElement[Any]:
    """The entry that the statement's notification meets, or null."""
    parts = (part for column in _PUBLIC for part in (str(column.name), column))
    return (
        select(func.json_build_object(*parts))
        .where(_of_the_notification())
        .correlate(notifications)
        .scalar_subquery()
        .label("suppression")
    )


def is_of_mode() -> ColumnElement[bool]:
    """Whether the notification is of the mode `the_mode`, or that is null."""
    given = bindparam("the_mode", type_=notifications.c.mode.type)
    return or_(given.is_(None), notifications.c.mode == given)


def put_on_list(*conditions: ColumnElement[bool]) -> Insert:
    """Put the recipient of the notification `the_id` on the list, once, under these conditions.

    Parameters beside: `the_mode` (see `is_of_mode`), `suppression_id`, `suppression_reason` (null: nobody is
    put there) and `suppression_provider`.
    """
    reason = bindparam("suppression_reason", type_=suppressions.c.reason.type)
    row = notifications.c
    values: dict[str, ColumnElement[Any]] = {
        "id": bindparam("suppression_id", type_=suppressions.c.id.type),
        "tenant": row.tenant,
        "mode": row.mode,
        "channel": row.channel,
        "recipient": row.recipient,
        "recipient_hash": _hash(_compared(row.channel, row.recipient)),
        "reason": reason,
        "provider": bindparam("suppression_provider", type_=suppressions.c.provider.type),
        "notification_id": row.id,
        "created_at": func.now(),
    }
    found = select(*values.values()).where(
        row.id == bindparam("the_id", type_=row.id.type), is_of_mode(), reason.is_not(None), *conditions
    )
    return insert(suppressions).from_select(list(values), found).on_conflict_do_nothing()


def put_on_list_parameters(id: UUID, reason: SuppressionReason | None, provider: str) -> dict[str, Any]:
    """What `put_on_list` needs beside the notification; `id` is the entry's own."""
    return {
        "the_mode": None,
        "suppression_id": id,
        "suppression_reason": reason,
        "suppression_provider": provider,
    }


def _of_the_notification() -> ColumnElement[bool]:
    row = notifications.c
    return and_(
        suppressions.c.tenant == row.tenant,
        suppressions.c.mode == row.mode,
        suppressions.c.channel == row.channel,
        suppressions.c.recipient_hash == _hash(_compared(row.channel, row.recipient)),
    )


def _compared(channel: ColumnElement[str], recipient: ColumnElement[str]) -> ColumnElement[str]:
    return case((channel == Channel.EMAIL.value, func.lower(recipient)), else_=recipient)


def _hash(text: ColumnElement[str]) -> ColumnElement[bytes]:
    return func.sha256(func.convert_to(text, literal_column("'UTF8'")))
