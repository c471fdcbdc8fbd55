"""The delivery log in Postgres: what activities write. Each call is one statement, in one round trip.

Within a statement the attempt is always written before the notification. That order is forced, because
Postgres leaves the order of data-modifying CTEs open, and two writers in opposite orders would deadlock.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.sql.selectable import CTE

from tidings.database.rows import (
    ATTEMPT_COLUMNS,
    NOTIFICATION_COLUMNS,
    STATE_COLUMNS,
    attempt_from,
    attempt_values,
    notification_from,
    notification_values,
    state_values,
)
from tidings.database.storage import fetch
from tidings.database.tables import delivery_attempts, notifications
from tidings.domain.notification import Attempt, DeliveryState, Notification
from tidings.domain.record import BegunAttempt
from tidings.domain.vocabulary import Outcome, Status
from tidings.errors import NotFound


class PostgresDeliveryLog:
    """The port `activities.ports.DeliveryLog`. All raise StorageUnavailable while Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def persist(self, notification: Notification, state: DeliveryState) -> None:
        """Insert the notification unless it is there already."""
        await fetch(self._engine, _PERSIST, {**notification_values(notification), **state_values(state)})

    async def begin(
        self, notification_id: UUID, attempt: Attempt, state: DeliveryState, claim: str
    ) -> BegunAttempt:
        """Record that an attempt is about to call its provider; the first claim wins.

        The same claim may begin again, unless the attempt has an outcome by then. The notification is brought
        to `state` unless a later revision is there. Raises NotFound if it was never persisted.
        """
        parameters = _parameters(notification_id, attempt, state) | {"the_claim": claim}
        rows = await fetch(self._engine, _BEGIN, parameters)
        if not rows:
            raise NotFound(f"no notification {notification_id}")
        row = rows[0]
        notification = notification_from(row)
        standing = attempt_from({name: row[f"attempt_{name}"] for name in ATTEMPT_COLUMNS})
        if row["attempt_claim"] == claim and standing.outcome is None:
            return BegunAttempt(notification)
        recorded = standing.outcome is Outcome.ACCEPTED and row["revision"] > state.revision
        return BegunAttempt(notification, standing, recorded)

    async def record(self, notification_id: UUID, state: DeliveryState, attempt: Attempt | None) -> None:
        """Bring the notification to `state`, unless a later revision is there, and finish the attempt.

        A finished attempt stays as it is, except that knowledge replaces the outcome `unknown`. `sent_at` and
        `delivered_at` are set once. Raises NotFound if the notification was never persisted.
        """
        statement = _RECORD_STATE if attempt is None else _RECORD_ATTEMPT
        if not await fetch(self._engine, statement, _parameters(notification_id, attempt, state)):
            raise NotFound(f"no notification {notification_id}")


def _parameters(notification_id: UUID, attempt: Attempt | None, state: DeliveryState) -> dict[str, Any]:
    parameters: dict[str, Any] = {"the_id": notification_id}
    parameters |= {f"state_{name}": value for name, value in state_values(state).items()}
    if attempt is not None:
        parameters |= {f"attempt_{name}": value for name, value in attempt_values(attempt).items()}
    return parameters


def _given(table: Table, name: str, prefix: str) -> ColumnElement[Any]:
    return bindparam(f"{prefix}_{name}", type_=table.c[name].type)


_THIS = notifications.c.id == _given(notifications, "id", "the")


def _insert_attempt(claim: ColumnElement[Any] | None = None) -> Insert:
    """Insert the attempt if its notification exists: its absence is an answer, not a failed foreign key."""
    values = {name: _given(delivery_attempts, name, "attempt") for name in ATTEMPT_COLUMNS}
    if claim is not None:
        values["claim"] = claim
    return insert(delivery_attempts).from_select(
        ["notification_id", *values], select(notifications.c.id, *values.values()).where(_THIS)
    )


def _bring_to_state(after: CTE | None = None) -> ReturningUpdate[tuple[UUID]]:
    """Move the notification to the given state, if that is later than what it has; once `after` is done."""
    given = {name: _given(notifications, name, "state") for name in STATE_COLUMNS}
    values: dict[str, ColumnElement[Any]] = {
        **given,
        "sent_at": func.coalesce(notifications.c.sent_at, given["sent_at"]),
        "delivered_at": func.coalesce(notifications.c.delivered_at, given["delivered_at"]),
    }
    # A worker that was taken for dead may write `sent` late: no later revision makes that untrue.
    arrived = [Status.SENT.value, Status.DELIVERED.value]
    forward = or_(notifications.c.status.not_in(arrived), given["status"].in_(arrived))
    later = notifications.c.revision < given["revision"]
    moved = update(notifications).where(_THIS, later, forward).values(values)
    if after is not None:
        # Always true, and known only when every row of `after` has been written.
        moved = moved.where(select(func.count()).select_from(after).scalar_subquery() >= 0)
    return moved.returning(notifications.c.id)


def _begin() -> Any:
    inserted = _insert_attempt(claim=_given(delivery_attempts, "claim", "the"))
    # An update that changes nothing, for its RETURNING: it gives the row that stands, whoever wrote it,
    # also one committed while this statement waited for it. DO NOTHING would give no row.
    claimed = (
        inserted.on_conflict_do_update(
            index_elements=[delivery_attempts.c.notification_id, delivery_attempts.c.number],
            set_={"claim": delivery_attempts.c.claim},
        )
        .returning(delivery_attempts)
        .cte("claimed")
    )
    attempt = [claimed.c[name].label(f"attempt_{name}") for name in (*ATTEMPT_COLUMNS, "claim")]
    shown = [notifications.c[name] for name in (*NOTIFICATION_COLUMNS, "expires_at")]
    # `revision` is the one from before this statement; the other columns never change.
    return (
        select(*shown, notifications.c.revision, *attempt)
        .join_from(notifications, claimed, notifications.c.id == claimed.c.notification_id)
        .add_cte(_bring_to_state(after=claimed).cte("moved"))
    )


def _record_attempt() -> Any:
    inserted = _insert_attempt()
    before, given = delivery_attempts.c, inserted.excluded
    unknown = Outcome.UNKNOWN.value
    finished = (
        inserted.on_conflict_do_update(
            index_elements=[before.notification_id, before.number],
            set_={name: given[name] for name in ATTEMPT_COLUMNS if name not in ("number", "started_at")},
            where=and_(
                given.outcome.is_not(None),
                or_(before.outcome.is_(None), and_(before.outcome == unknown, given.outcome != unknown)),
            ),
        )
        .returning(before.number)
        .cte("finished")
    )
    return select(notifications.c.id).where(_THIS).add_cte(_bring_to_state(after=finished).cte("moved"))


_PERSIST = insert(notifications).on_conflict_do_nothing(index_elements=[notifications.c.id])
_BEGIN = _begin()
_RECORD_ATTEMPT = _record_attempt()
_RECORD_STATE = select(notifications.c.id).where(_THIS).add_cte(_bring_to_state().cte("moved"))
