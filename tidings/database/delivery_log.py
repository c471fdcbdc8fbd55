"""The delivery log in Postgres: what activities write. Each call is one statement, in one round trip.

Within a statement the notification's row always comes first: it is the lock under which it is decided whether
an attempt may begin, and two writers in opposite orders would deadlock. The order is forced, because Postgres
leaves the order of data-modifying CTEs open.

A statement that had to wait for that lock goes on with the row's new version, but sees the rest as it was.
Conditions therefore name columns of that row alone, and an answer that may have come too early is asked for
again.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.sql.selectable import CTE, Select

from tidings.database.notifications import attempts_as_json, record_from
from tidings.database.rows import (
    ATTEMPT_COLUMNS,
    STATE_COLUMNS,
    attempt_from,
    attempt_values,
    notification_from,
    notification_values,
    state_from,
    state_values,
)
from tidings.database.storage import fetch
from tidings.database.suppressions import (
    is_suppressed,
    put_on_list,
    put_on_list_parameters,
    suppression_as_json,
)
from tidings.database.tables import delivery_attempts, notifications
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Attempt, DeliveryState, Notification
from tidings.domain.receipt import SuppressionReason
from tidings.domain.record import BegunAttempt, NotificationRecord
from tidings.domain.suppression import Suppression
from tidings.domain.vocabulary import Outcome, Status
from tidings.errors import NotFound, StorageUnavailable

_TRIES = 5
"""How often an answer may come too early. Each time another writer has just gone ahead."""


class PostgresDeliveryLog:
    """The port `activities.ports.DeliveryLog`. All raise StorageUnavailable while Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def persist(self, notification: Notification, state: DeliveryState) -> NotificationRecord:
        """Insert the notification unless it is there already; what stands there then."""
        values = {**notification_values(notification), **state_values(state)}
        return record_from((await fetch(self._engine, _PERSIST, values))[0])

    async def begin(
        self, notification_id: UUID, attempt: Attempt, state: DeliveryState, claim: str
    ) -> BegunAttempt:
        """Record that an attempt is about to call its provider, and bring the notification to `state`.

        Permitted to the first claim, while the notification has no later revision, is not sent, and its
        recipient is not on the suppression list. The same claim may begin again, unless the attempt has an
        outcome by then. Raises NotFound.
        """
        parameters = _parameters(notification_id, attempt, state) | {"the_claim": claim}
        for _ in range(_TRIES):
            row = await self._row(_BEGIN, notification_id, parameters)
            notification, standing = notification_from(row), state_from(row)
            if row["moved"]:
                return BegunAttempt(notification, state, permitted=True)
            earlier = _attempt_beside(row)
            if earlier is not None:
                permitted = row["attempt_claim"] == claim and earlier.outcome is None
                return BegunAttempt(notification, standing, permitted, None if permitted else earlier)
            if standing.revision >= state.revision or standing.status in _ARRIVED:
                return BegunAttempt(notification, standing, permitted=False)
            if row["suppression"] is not None:
                met = Suppression.model_validate(row["suppression"])
                return BegunAttempt(notification, standing, permitted=False, suppression=met)
        raise StorageUnavailable("many writers at once for one notification")

    async def withdraw(self, notification_id: UUID, number: int, state: DeliveryState) -> Attempt | None:
        """Bring the notification to `state` unless attempt `number` has begun; from then on it cannot begin.

        The attempt if it has begun. Raises NotFound.
        """
        parameters = _parameters(notification_id, None, state) | {"the_number": number}
        for _ in range(_TRIES):
            row = await self._row(_WITHDRAW, notification_id, parameters)
            if row["moved"]:
                return None
            begun = _attempt_beside(row)
            if begun is not None or state_from(row).revision >= state.revision:
                return begun
        raise StorageUnavailable("many writers at once for one notification")

    async def record(self, notification_id: UUID, state: DeliveryState, attempt: Attempt | None) -> None:
        """Bring the notification to `state`, unless a later revision is there, and finish the attempt.

        A finished attempt stays as it is, except that knowledge replaces the outcome `unknown`. `sent` is
        taken however late it comes, and never undone. Raises NotFound.
        """
        statement = _RECORD_STATE if attempt is None else _RECORD_ATTEMPT
        await self._row(statement, notification_id, _parameters(notification_id, attempt, state))

    async def suppress(self, notification_id: UUID, reason: SuppressionReason, provider: str) -> None:
        """Put the notification's recipient on the tenant's suppression list, once."""
        parameters = put_on_list_parameters(new_id(), reason, provider) | {"the_id": notification_id}
        await fetch(self._engine, _SUPPRESS, parameters)

    async def _row(
        self, statement: Select[Any], notification_id: UUID, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        rows = await fetch(self._engine, statement, parameters)
        if not rows:
            raise NotFound(f"no notification {notification_id}")
        return rows[0]


def _attempt_beside(row: dict[str, Any]) -> Attempt | None:
    if row["attempt_number"] is None:
        return None
    return attempt_from({name: row[f"attempt_{name}"] for name in ATTEMPT_COLUMNS})


def _parameters(notification_id: UUID, attempt: Attempt | None, state: DeliveryState) -> dict[str, Any]:
    parameters: dict[str, Any] = {"the_id": notification_id}
    parameters |= {f"state_{name}": value for name, value in state_values(state).items()}
    if attempt is not None:
        parameters |= {f"attempt_{name}": value for name, value in attempt_values(attempt).items()}
        parameters["the_number"] = attempt.number
    return parameters


def _given(table: Table, name: str, prefix: str) -> ColumnElement[Any]:
    return bindparam(f"{prefix}_{name}", type_=table.c[name].type)


_ARRIVED = (Status.SENT, Status.DELIVERED)
_THIS = notifications.c.id == _given(notifications, "id", "the")
_NUMBER = _given(delivery_attempts, "number", "the")


def _state_given() -> dict[str, ColumnElement[Any]]:
    return {name: _given(notifications, name, "state") for name in STATE_COLUMNS}


def _moved(*conditions: ColumnElement[bool]) -> ReturningUpdate[tuple[UUID]]:
    """Move the notification to the given state under these conditions."""
    given = _state_given()
    row = notifications.c
    values: dict[str, ColumnElement[Any]] = {
        **given,
        "sent_at": func.coalesce(row.sent_at, given["sent_at"]),
        "delivered_at": func.coalesce(row.delivered_at, given["delivered_at"]),
        # What comes late (see `_forward`) must not take these back.
        **{
            name: func.greatest(row[name], given[name])
            for name in ("revision", "attempt_count", "automatic_attempts")
        },
    }
    return update(notifications).where(_THIS, *conditions).values(values).returning(row.id)


def _forward() -> ColumnElement[bool]:
    """Whether the given state takes the notification forward.

    A later revision does, but not away from `sent`: a worker that was taken for dead may have written that
    meanwhile, and no revision makes it untrue. For the same reason `sent` is taken whatever its revision.
    """
    given, row = _state_given(), notifications.c
    arrived = [status.value for status in _ARRIVED]
    later = row.revision < given["revision"]
    return or_(
        and_(row.status.not_in(arrived), or_(later, given["status"].in_(arrived))),
        and_(row.status.in_(arrived), given["status"].in_(arrived), later),
    )


def _unsent_before(state: dict[str, ColumnElement[Any]]) -> ColumnElement[bool]:
    row = notifications.c
    return and_(row.revision < state["revision"], row.status.not_in([status.value for status in _ARRIVED]))


def _insert_attempt(source: ColumnElement[bool] | CTE, claim: ColumnElement[Any] | None = None) -> Insert:
    """Insert the attempt for each row of `source`: without its notification, no failed foreign key."""
    values = {name: _given(delivery_attempts, name, "attempt") for name in ATTEMPT_COLUMNS}
    if claim is not None:
        values["claim"] = claim
    rows = (
        select(source.c.id, *values.values())
        if isinstance(source, CTE)
        else select(notifications.c.id, *values.values()).where(source)
    )
    return insert(delivery_attempts).from_select(["notification_id", *values], rows)


def _with_attempt(moved: CTE, *more: ColumnElement[Any]) -> Select[Any]:
    """The notification and the attempt as they were before this statement, and whether it moved them."""
    attempt = [delivery_attempts.c[name].label(f"attempt_{name}") for name in (*ATTEMPT_COLUMNS, "claim")]
    beside = and_(
        delivery_attempts.c.notification_id == notifications.c.id, delivery_attempts.c.number == _NUMBER
    )
    return (
        select(notifications, *attempt, exists(select(moved)).label("moved"), *more)
        .select_from(notifications.outerjoin(delivery_attempts, beside))
        .where(_THIS)
    )


def _persist() -> Any:
    # An update that changes nothing, for its RETURNING: it gives the row that stands, whoever wrote it.
    standing = (
        insert(notifications)
        .values({column.name: bindparam(column.name, type_=column.type) for column in notifications.c})
        .on_conflict_do_update(index_elements=[notifications.c.id], set_={"tenant": notifications.c.tenant})
        .returning(notifications)
        .cte("standing")
    )
    return select(standing, attempts_as_json(standing.c.id))


def _begin() -> Select[Any]:
    # An attempt of that number is there only if the notification has gone on to it: no conflict can be.
    unsent = (_unsent_before(_state_given()), notifications.c.attempt_count < _NUMBER)
    moved = _moved(*unsent, not_(is_suppressed())).cte("moved")
    begun = _insert_attempt(moved, claim=_given(delivery_attempts, "claim", "the")).cte("begun")
    return _with_attempt(moved, suppression_as_json()).add_cte(begun)


def _withdraw() -> Select[Any]:
    return _with_attempt(
        _moved(_unsent_before(_state_given()), notifications.c.attempt_count < _NUMBER).cte("moved")
    )


def _record_attempt() -> Select[Any]:
    moved = _moved(_forward()).cte("moved")
    # Always true, and known only when the row has been written.
    after = and_(_THIS, select(func.count()).select_from(moved).scalar_subquery() >= literal_column("0"))
    inserted = _insert_attempt(after)
    before, given = delivery_attempts.c, inserted.excluded
    unknown = Outcome.UNKNOWN.value
    finished = inserted.on_conflict_do_update(
        index_elements=[before.notification_id, before.number],
        set_={name: given[name] for name in ATTEMPT_COLUMNS if name not in ("number", "started_at")},
        where=and_(
            given.outcome.is_not(None),
            or_(before.outcome.is_(None), and_(before.outcome == unknown, given.outcome != unknown)),
        ),
    ).cte("finished")
    return select(notifications.c.id).where(_THIS).add_cte(finished)


_PERSIST = _persist()
_BEGIN = _begin()
_WITHDRAW = _withdraw()
_RECORD_ATTEMPT = _record_attempt()
_SUPPRESS = put_on_list()
_RECORD_STATE = select(notifications.c.id).where(_THIS).add_cte(_moved(_forward()).cte("moved"))
