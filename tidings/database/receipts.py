"""Receipts in Postgres: each is kept once, and moves its notification forward or not at all.

The order in which receipts come says little, so none matters: `delivered` wins over `failed`, and both over
what was only accepted. Whatever a receipt says, its repetition changes nothing.
"""

from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, exists, func, not_, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.selectable import Select

from tidings.database.rows import RECEIPT_COLUMNS, storable
from tidings.database.storage import fetch
from tidings.database.suppressions import is_of_mode, put_on_list, put_on_list_parameters
from tidings.database.tables import notifications, receipts
from tidings.domain.identifiers import new_id
from tidings.domain.receipt import Receipt, ReceiptKind, Received
from tidings.domain.vocabulary import Status

_GIVEN = tuple(name for name in RECEIPT_COLUMNS if name != "notification_id")


class PostgresReceiptLog:
    """The port `activities.ports.ReceiptLog`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def receive(self, receipt: Receipt) -> Received:
        """Keep the receipt and what follows from it, in one statement. Raises StorageUnavailable."""
        error = receipt.error
        parameters = {
            "the_id": receipt.notification_id,
            "receipt_provider": receipt.provider,
            "receipt_event_id": receipt.event_id,
            "receipt_kind": receipt.kind,
            "receipt_provider_reference": storable(receipt.provider_reference),
            "receipt_error_code": storable(error.code if error else None),
            "receipt_error_message": storable(error.message if error else None),
            "receipt_occurred_at": receipt.occurred_at,
            **put_on_list_parameters(new_id(), receipt.suppresses, receipt.provider),
            "the_mode": receipt.mode,
        }
        rows = await fetch(self._engine, _RECEIVE, parameters)
        if not rows:
            return Received(found=False)
        (row,) = rows
        return Received(
            found=True,
            settled=row["moved"] or not row["waits"],
            repeated=row["repeated"],
            moved=row["moved"],
            before=Status(row["status"]),
        )


def _given(name: str) -> ColumnElement[Any]:
    return bindparam(f"receipt_{name}", type_=receipts.c[name].type)


def _moves() -> ColumnElement[bool]:
    """Whether the receipt brings the notification on.

    `delivered` does from wherever an attempt was made. `failed` does where a provider accepted the message,
    or may have, and this is the message: a retry by hand has made another one since, perhaps.
    """
    row = notifications.c
    same = or_(
        row.provider_reference.is_(None),
        _given("provider_reference").is_(None),
        row.provider_reference == _given("provider_reference"),
    )
    # What may have gone out has no reference yet: one that stands there is of a message before it.
    not_earlier = or_(
        row.provider_reference.is_(None),
        _given("provider_reference").is_(None),
        row.provider_reference != _given("provider_reference"),
    )
    from_delivered = (Status.SENT, Status.UNKNOWN, Status.SENDING, Status.RETRYING, Status.FAILED)
    return or_(
        and_(
            _given("kind") == ReceiptKind.DELIVERED.value,
            row.attempt_count > 0,
            row.status.in_([status.value for status in from_delivered]),
        ),
        and_(
            _given("kind") == ReceiptKind.FAILED.value,
            or_(
                and_(row.status == Status.SENT.value, same),
                and_(row.status == Status.UNKNOWN.value, not_earlier),
            ),
        ),
    )


def _receive() -> Select[Any]:
    row = notifications.c
    this = and_(row.id == bindparam("the_id", type_=row.id.type), is_of_mode())
    repeated = (
        exists()
        .where(
            receipts.c.notification_id == row.id,
            receipts.c.provider == _given("provider"),
            receipts.c.event_id == _given("event_id"),
        )
        .correlate(notifications)
    )
    # A bounce may overtake the word of the worker that the message was accepted.
    waits = and_(_given("kind") == ReceiptKind.FAILED.value, row.status == Status.SENDING.value)
    delivered = _given("kind") == ReceiptKind.DELIVERED.value
    at = func.least(_given("occurred_at"), func.now())
    moved = (
        update(notifications)
        .where(this, not_(repeated), _moves())
        .values(
            status=case((delivered, Status.DELIVERED.value), else_=Status.FAILED.value),
            revision=row.revision + 1,
            error_code=_given("error_code"),
            error_message=_given("error_message"),
            next_attempt_at=None,
            provider=_given("provider"),
            provider_reference=func.coalesce(_given("provider_reference"), row.provider_reference),
            sent_at=func.coalesce(row.sent_at, at),
            delivered_at=case((delivered, func.coalesce(row.delivered_at, at)), else_=row.delivered_at),
            updated_at=func.greatest(row.updated_at, func.now()),
        )
        .returning(row.id)
        .cte("moved")
    )
    values = {"notification_id": row.id, **{name: _given(name) for name in _GIVEN}, "received_at": func.now()}
    kept = (
        insert(receipts)
        .from_select(list(values), select(*values.values()).where(this, not_(waits)))
        .on_conflict_do_nothing()
        .cte("kept")
    )
    answer = select(
        row.status,
        waits.label("waits"),
        repeated.label("repeated"),
        exists(select(moved)).label("moved"),
    )
    # Whoever took the recipient off the list meanwhile knew of the receipt.
    listed = put_on_list(not_(repeated)).cte("put_on_list")
    return answer.where(this).add_cte(kept, listed)


_RECEIVE = _receive()
