"""Reading notifications. Nothing here gives one tenant's notification to another."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, any_, func, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncEngine

from tidings.database.rows import (
    ATTEMPT_COLUMNS,
    RECEIPT_COLUMNS,
    attempt_from,
    notification_from,
    receipt_from,
    state_from,
)
from tidings.database.storage import fetch
from tidings.database.tables import delivery_attempts, notifications, receipts
from tidings.domain.record import NotificationFilter, NotificationRecord, Page, Position

_NEWEST_FIRST = (notifications.c.created_at.desc(), notifications.c.id.desc())
"""The index on (tenant, created_at, id), read backwards."""


def attempts_as_json(notification_id: ColumnElement[UUID]) -> ColumnElement[Any]:
    """All attempts of a notification as one JSON array: the record and its attempts in one snapshot.

    `notification_id` is a column of the statement around it.
    """
    columns = delivery_attempts.c
    parts = (part for name in ATTEMPT_COLUMNS for part in (name, columns[name]))
    listed = func.json_agg(aggregate_order_by(func.json_build_object(*parts), columns.number))
    return (
        select(listed)
        .where(columns.notification_id == notification_id)
        .correlate(notification_id.table)
        .scalar_subquery()
        .label("attempts")
    )


def _receipts_as_json() -> ColumnElement[Any]:
    """All receipts of the statement's notification as one JSON array, in the order they came."""
    columns = receipts.c
    parts = (part for name in RECEIPT_COLUMNS for part in (name, columns[name]))
    listed = func.json_agg(aggregate_order_by(func.json_build_object(*parts), columns.received_at))
    return (
        select(listed)
        .where(columns.notification_id == notifications.c.id)
        .correlate(notifications)
        .scalar_subquery()
        .label("receipts")
    )


class NotificationRepository:
    """The queries. Every call raises StorageUnavailable while Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def get(self, tenant: str | None, id: UUID) -> NotificationRecord | None:
        """The notification with its attempts, or None if this tenant has none of that id.

        No tenant means any: that is for operators, who have the database's password.
        """
        statement = select(notifications, attempts_as_json(notifications.c.id), _receipts_as_json()).where(
            notifications.c.id == id
        )
        if tenant is not None:
            statement = statement.where(notifications.c.tenant == tenant)
        rows = await fetch(self._engine, statement)
        return record_from(rows[0]) if rows else None

    async def several(self, tenant: str, ids: Sequence[UUID]) -> dict[UUID, NotificationRecord]:
        """Those of the notifications that this tenant has, without their attempts."""
        columns = notifications.c
        wanted = literal(list(ids), ARRAY(Uuid))
        rows = await fetch(
            self._engine,
            select(notifications).where(columns.tenant == tenant, columns.id == any_(wanted)),
        )
        return {row["id"]: record_from(row) for row in rows}

    async def page(self, tenant: str, filter: NotificationFilter, page: int, per_page: int) -> Page:
        """The `page`th page (from 1), newest first, and how many there are in all.

        Counting reads every match: `after` does without.
        """
        conditions = _conditions(tenant, filter)
        offset = (page - 1) * per_page
        listed = select(notifications).where(*conditions).order_by(*_NEWEST_FIRST)
        rows = await fetch(self._engine, listed.offset(offset).limit(per_page))
        if 0 < len(rows) < per_page or (not rows and page == 1):
            # The list ends on this page: its length is known.
            total = offset + len(rows)
        else:
            counted = select(func.count().label("total")).select_from(notifications).where(*conditions)
            total = (await fetch(self._engine, counted))[0]["total"]
        more = bool(rows) and offset + len(rows) < total
        return Page([record_from(row) for row in rows], total, _position_of(rows[-1]) if more else None)

    async def after(
        self, tenant: str, filter: NotificationFilter, after: Position | None, limit: int
    ) -> Page:
        """The `limit` notifications next older than `after` (None: the newest). Nothing is counted."""
        conditions = _conditions(tenant, filter)
        if after is not None:
            conditions.append(_older_than(after))
        listed = select(notifications).where(*conditions).order_by(*_NEWEST_FIRST)
        # One more than asked for says whether there is a next page.
        rows = await fetch(self._engine, listed.limit(limit + 1))
        shown = rows[:limit]
        more = len(rows) > limit
        return Page([record_from(row) for row in shown], None, _position_of(shown[-1]) if more else None)


def _conditions(tenant: str, filter: NotificationFilter) -> list[ColumnElement[bool]]:
    columns = notifications.c
    conditions: list[ColumnElement[bool]] = [columns.tenant == tenant]
    wanted: dict[Any, Any] = {
        columns.status: filter.status,
        columns.channel: filter.channel,
        columns.mode: filter.mode,
        columns.recipient: filter.recipient,
        columns.schedule_id: filter.schedule_id,
    }
    conditions += [column == value for column, value in wanted.items() if value is not None]
    if filter.recipient is not None:
        # What the index holds; two recipients may share a hash.
        conditions.append(_hashed(columns.recipient) == _hashed(literal(filter.recipient, Text)))
    if filter.tag is not None:
        conditions.append(literal(filter.tag) == any_(columns.tags))
    if filter.created_after is not None:
        conditions.append(columns.created_at >= filter.created_after)
    if filter.created_before is not None:
        conditions.append(columns.created_at < filter.created_before)
    return conditions


def _hashed(recipient: ColumnElement[str]) -> ColumnElement[int]:
    return func.hashtextextended(recipient, text("0"))


def _older_than(position: Position) -> ColumnElement[bool]:
    """Compared as one row value, which is one range of the index."""
    columns = (notifications.c.created_at, notifications.c.id)
    values = (literal(value, column.type) for value, column in zip(position, columns, strict=True))
    return tuple_(*columns) < tuple_(*values)


def _position_of(row: dict[str, Any]) -> Position:
    return Position(row["created_at"], row["id"])


def record_from(row: dict[str, Any]) -> NotificationRecord:
    """The record, with its attempts and receipts if the row has them as JSON."""
    attempts = [attempt_from(attempt) for attempt in row.get("attempts") or ()]
    receipts = [receipt_from(receipt) for receipt in row.get("receipts") or ()]
    return NotificationRecord(
        notification=notification_from(row), state=state_from(row), attempts=attempts, receipts=receipts
    )
