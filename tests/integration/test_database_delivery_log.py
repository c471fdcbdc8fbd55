"""The delivery log in Postgres: first claim wins, highest revision stays, nothing is ever undone."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.ports import DeliveryLog
from tests.integration.database import (
    NOW,
    a_full_notification,
    a_notification,
    a_state,
    an_attempt,
    finished,
    open_engine,
    statements_of,
)
from tests.support import eventually
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.database.notifications import NotificationRepository
from tidings.database.rows import notification_values, state_values
from tidings.database.storage import fetch
from tidings.database.tables import delivery_attempts, notifications
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Attempt, DeliveryError, DeliveryState, Notification
from tidings.domain.record import NotificationRecord
from tidings.domain.vocabulary import Outcome, Status
from tidings.errors import NotFound


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(database_url) as engine:
        yield engine


@pytest.fixture
def log(engine: AsyncEngine) -> DeliveryLog:
    return PostgresDeliveryLog(engine)


async def persisted(log: DeliveryLog, notification: Notification | None = None) -> Notification:
    notification = notification or a_notification()
    await log.persist(notification, DeliveryState.initial(notification))
    return notification


async def stored(engine: AsyncEngine, notification: Notification) -> NotificationRecord:
    record = await NotificationRepository(engine).get(notification.tenant, notification.id)
    assert record is not None
    return record


async def test_all_of_a_notification_comes_back_as_it_went_in(log: DeliveryLog, engine: AsyncEngine) -> None:
    notification = a_full_notification()
    state = a_state(
        3,
        Status.RETRYING,
        provider_reference="ref",
        error=DeliveryError(code="smtp_451", message="Later"),
        next_attempt_at=NOW + timedelta(seconds=5),
        sent_at=NOW + timedelta(seconds=1),
        delivered_at=NOW + timedelta(seconds=2),
        expires_at=notification.expires_at,
    )
    await log.persist(notification, state)
    record = await stored(engine, notification)
    assert record.notification == notification
    assert record.state == state
    assert list(record.notification.metadata or {}) == ["z", "a", "text", ""]


async def test_persisting_gives_what_stands_and_nothing_of_others(log: DeliveryLog) -> None:
    other = await persisted(log, a_notification(tenant="other"))
    for number in (1, 2):
        sending = a_state(number * 2, attempt_count=number)
        await log.begin(other.id, an_attempt(number), sending, "run-1")
        await log.record(other.id, sending, finished(an_attempt(number), Outcome.UNKNOWN))
    notification = a_notification()
    state = DeliveryState.initial(notification)
    expected = NotificationRecord(notification=notification, state=state)
    assert await log.persist(notification, state) == expected
    assert await log.persist(notification, state) == expected

    await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
    done = finished(an_attempt(), Outcome.TRANSIENT)
    await log.record(notification.id, a_state(2, Status.RETRYING), done)
    record = await log.persist(notification, state)
    assert (record.state, record.attempts) == (a_state(2, Status.RETRYING), [done])


async def test_persisting_again_changes_nothing(log: DeliveryLog, engine: AsyncEngine) -> None:
    notification = await persisted(log)
    await log.record(notification.id, a_state(5, Status.SENT), None)
    await persisted(log, notification.model_copy(update={"body": "another"}))
    record = await stored(engine, notification)
    assert record.notification.body == "Hello, Ada."
    assert record.state.status is Status.SENT


async def test_fifty_concurrent_persists_make_one_row(log: DeliveryLog, engine: AsyncEngine) -> None:
    notification = a_notification()
    await asyncio.gather(*(persisted(log, notification) for _ in range(50)))
    rows = await fetch(engine, select(func.count().label("rows")).select_from(notifications))
    assert rows[0]["rows"] == 1


async def test_begin_writes_the_attempt_and_the_state_and_gives_what_to_send(
    log: DeliveryLog, engine: AsyncEngine
) -> None:
    notification = await persisted(log, a_full_notification())
    begun = await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
    assert begun.notification == notification
    assert begun.permitted
    record = await stored(engine, notification)
    assert record.state == a_state(1)
    assert record.attempts == [an_attempt()]


async def test_of_fifty_concurrent_claims_exactly_one_may_call_the_provider(log: DeliveryLog) -> None:
    notification = await persisted(log)
    begun = await asyncio.gather(
        *(log.begin(notification.id, an_attempt(), a_state(1), f"claim-{n}") for n in range(50))
    )
    assert sum(answer.permitted for answer in begun) == 1
    assert all(answer.permitted or answer.earlier == an_attempt() for answer in begun)


async def test_the_same_claim_may_begin_again(log: DeliveryLog, engine: AsyncEngine) -> None:
    notification = await persisted(log)
    for _ in range(2):
        begun = await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
        assert begun.permitted
    assert len((await stored(engine, notification)).attempts) == 1


async def test_the_same_claim_may_not_begin_once_the_attempt_has_an_outcome(log: DeliveryLog) -> None:
    notification = await persisted(log)
    await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
    done = finished(an_attempt(), Outcome.TRANSIENT)
    await log.record(notification.id, a_state(1), done)
    begun = await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
    assert begun.earlier == done


@pytest.mark.parametrize("outcome", [None, Outcome.TRANSIENT, Outcome.ACCEPTED])
async def test_another_claim_is_told_what_the_earlier_run_left(
    log: DeliveryLog, outcome: Outcome | None
) -> None:
    notification = await persisted(log)
    earlier, sending = an_attempt(), a_state(1)
    await log.begin(notification.id, earlier, sending, "run-1")
    if outcome is not None:
        earlier = finished(earlier, outcome, provider_reference="ref-1", retry_after=7.5)
        follows = sending.accepted(earlier) if outcome is Outcome.ACCEPTED else sending
        await log.record(notification.id, follows, earlier)
    begun = await log.begin(notification.id, an_attempt(started_at=NOW + timedelta(1)), sending, "run-2")
    assert begun.earlier == earlier
    assert not begun.permitted
    assert begun.notification == notification


async def test_a_late_begin_is_refused_and_leaves_no_trace(log: DeliveryLog, engine: AsyncEngine) -> None:
    notification = await persisted(log)
    cancelled = a_state(4, Status.CANCELLED, attempt_count=0)
    await log.record(notification.id, cancelled, None)
    begun = await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
    assert (begun.permitted, begun.earlier) == (False, None)
    assert begun.state.status is Status.CANCELLED
    record = await stored(engine, notification)
    assert (record.state.status, record.attempts) == (Status.CANCELLED, [])


async def test_no_attempt_begins_once_a_provider_has_accepted(log: DeliveryLog, engine: AsyncEngine) -> None:
    """A worker that was taken for dead reports late: the attempt that was to follow is not made."""
    notification = await persisted(log)
    await log.begin(notification.id, an_attempt(1), a_state(1), "run-1")
    lost = finished(an_attempt(1), Outcome.UNKNOWN)
    await log.record(notification.id, a_state(2, Status.RETRYING), lost)
    accepted = finished(an_attempt(1), Outcome.ACCEPTED)
    await log.record(notification.id, a_state(1).accepted(accepted), accepted)
    begun = await log.begin(notification.id, an_attempt(2), a_state(3, attempt_count=2), "run-2")
    assert (begun.permitted, begun.earlier) == (False, None)
    assert begun.state.status is Status.SENT
    assert (await stored(engine, notification)).attempts == [accepted]


async def test_a_withdrawn_attempt_cannot_begin(log: DeliveryLog, engine: AsyncEngine) -> None:
    notification = await persisted(log)
    cancelled = a_state(2, Status.CANCELLED, attempt_count=0)
    for _ in range(2):
        assert await log.withdraw(notification.id, 1, cancelled) is None
    begun = await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
    assert (begun.permitted, begun.state.status) == (False, Status.CANCELLED)
    assert (await stored(engine, notification)).state.revision == 2


async def test_an_attempt_that_has_begun_cannot_be_withdrawn(log: DeliveryLog, engine: AsyncEngine) -> None:
    notification = await persisted(log)
    await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
    found = await log.withdraw(notification.id, 1, a_state(2, Status.CANCELLED, attempt_count=0))
    assert found == an_attempt()
    assert (await stored(engine, notification)).state.status is Status.SENDING


async def test_of_a_begin_and_a_withdrawal_at_once_exactly_one_comes_through(log: DeliveryLog) -> None:
    for _ in range(40):
        notification = await persisted(log)
        cancelled = a_state(2, Status.CANCELLED, attempt_count=0)
        begun, found = await asyncio.gather(
            log.begin(notification.id, an_attempt(), a_state(1), "run-1"),
            log.withdraw(notification.id, 1, cancelled),
        )
        assert begun.permitted is (found is not None)


async def test_attempts_come_in_the_order_of_their_numbers(log: DeliveryLog, engine: AsyncEngine) -> None:
    notification = await persisted(log)
    attempts = [finished(an_attempt(number), Outcome.TRANSIENT) for number in (2, 10, 1)]
    for attempt in attempts:
        await log.record(notification.id, a_state(attempt.number), attempt)
    assert [attempt.number for attempt in (await stored(engine, notification)).attempts] == [1, 2, 10]


async def test_records_out_of_order_end_in_the_highest_revision(
    log: DeliveryLog, engine: AsyncEngine
) -> None:
    statuses = [Status.SENDING, Status.RETRYING, Status.FAILED, Status.CANCELLED]
    states = [a_state(revision, statuses[revision % 4], attempt_count=revision) for revision in range(1, 31)]
    notification = await persisted(log)
    order = random.sample(states, len(states))
    await asyncio.gather(
        *(log.record(notification.id, state, an_attempt(1 + state.revision % 3)) for state in order)
    )
    assert (await stored(engine, notification)).state == states[-1], [state.revision for state in order]


async def test_begins_and_records_at_once_neither_deadlock_nor_get_lost(
    log: DeliveryLog, engine: AsyncEngine
) -> None:
    notification = await persisted(log)
    done = [finished(an_attempt(number), Outcome.TRANSIENT) for number in (1, 2, 3)]
    for attempt in done:
        sending = a_state(attempt.number * 4, attempt_count=attempt.number)
        calls = [
            log.begin(notification.id, an_attempt(attempt.number), sending, f"run-{n}") for n in range(12)
        ]
        await asyncio.gather(
            *calls,
            *(
                log.record(notification.id, a_state(revision, attempt_count=attempt.number - 1), None)
                for revision in range(sending.revision)
            ),
        )
        await asyncio.gather(*(log.record(notification.id, sending, attempt) for _ in range(12)))
    record = await stored(engine, notification)
    assert record.attempts == done
    assert record.state.revision == 12


async def test_sent_at_and_delivered_at_are_set_once_and_never_unset(
    log: DeliveryLog, engine: AsyncEngine
) -> None:
    notification = await persisted(log)
    first, later = NOW, NOW + timedelta(hours=1)
    await log.record(notification.id, a_state(1, Status.SENT, sent_at=first), None)
    await log.record(notification.id, a_state(2, Status.DELIVERED, sent_at=later, delivered_at=first), None)
    await log.record(notification.id, a_state(3, Status.DELIVERED), None)
    state = (await stored(engine, notification)).state
    assert (state.revision, state.sent_at, state.delivered_at) == (3, first, first)


@pytest.mark.parametrize(
    ("first", "second", "stays"),
    [
        (Outcome.ACCEPTED, None, Outcome.ACCEPTED),
        (Outcome.UNKNOWN, None, Outcome.UNKNOWN),
        (Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.ACCEPTED),
        (Outcome.TRANSIENT, Outcome.ACCEPTED, Outcome.TRANSIENT),
        (Outcome.UNKNOWN, Outcome.ACCEPTED, Outcome.ACCEPTED),
        (None, Outcome.PERMANENT, Outcome.PERMANENT),
    ],
)
async def test_an_attempt_is_never_unfinished_and_only_unknown_gives_way(
    log: DeliveryLog, engine: AsyncEngine, first: Outcome | None, second: Outcome | None, stays: Outcome
) -> None:
    notification = await persisted(log)
    versions = [
        an_attempt() if outcome is None else finished(an_attempt(), outcome) for outcome in (first, second)
    ]
    for version in versions:
        await log.record(notification.id, a_state(1), version)
    expected = next(version for version in versions if version.outcome is stays)
    assert (await stored(engine, notification)).attempts == [expected]


async def test_an_attempt_keeps_the_time_it_was_begun(log: DeliveryLog, engine: AsyncEngine) -> None:
    notification = await persisted(log)
    await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
    late = finished(an_attempt(started_at=NOW + timedelta(seconds=9)), Outcome.ACCEPTED)
    await log.record(notification.id, a_state(2, Status.SENT), late)
    (attempt,) = (await stored(engine, notification)).attempts
    assert (attempt.started_at, attempt.finished_at) == (NOW, late.finished_at)


async def test_a_binary_reply_of_a_provider_can_be_recorded(log: DeliveryLog, engine: AsyncEngine) -> None:
    notification = await persisted(log)
    error = DeliveryError(code="smtp_550", message="no \x00 such \udcff user")
    attempt = finished(
        an_attempt(), Outcome.PERMANENT, error=error, provider_reference="a\x00b", response="\x00\udcff"
    )
    await log.record(notification.id, a_state(1, Status.FAILED, error=error), attempt)
    record = await stored(engine, notification)
    assert record.state.error is not None
    assert record.state.error.message == "no \ufffd such ? user"
    assert record.attempts[0].provider_reference == "a\ufffdb"
    assert record.attempts[0].response == "\ufffd?"


@pytest.mark.parametrize("attempt", [None, an_attempt()])
async def test_nothing_is_written_for_a_notification_that_was_never_persisted(
    log: DeliveryLog, engine: AsyncEngine, attempt: Attempt | None
) -> None:
    missing = new_id()
    with pytest.raises(NotFound):
        await log.begin(missing, an_attempt(), a_state(1), "run-1")
    with pytest.raises(NotFound):
        await log.record(missing, a_state(1), attempt)
    assert await fetch(engine, select(delivery_attempts.c.number)) == []


async def test_each_call_is_one_statement_in_one_round_trip(log: DeliveryLog, engine: AsyncEngine) -> None:
    notification = a_notification()
    with statements_of(engine) as sent:
        await log.persist(notification, DeliveryState.initial(notification))
        await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
        await log.record(notification.id, a_state(2), finished(an_attempt(), Outcome.ACCEPTED))
        await log.record(notification.id, a_state(3), None)
        await log.begin(notification.id, an_attempt(), a_state(1), "run-2")
        await log.withdraw(notification.id, 2, a_state(4, Status.CANCELLED))
    assert sent == ["WITH", "WITH", "WITH", "WITH", "WITH", "WITH"]


async def test_every_change_of_a_notification_is_a_hot_update(log: DeliveryLog, engine: AsyncEngine) -> None:
    for _ in range(30):
        notification = await persisted(log, a_notification(body="x" * 500))
        await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
        await log.record(notification.id, a_state(2, Status.SENT), finished(an_attempt(), Outcome.ACCEPTED))
    updates = select(
        func.pg_stat_get_tuples_updated(func.to_regclass("notifications")).label("all"),
        func.pg_stat_get_tuples_hot_updated(func.to_regclass("notifications")).label("hot"),
    )
    # A session reports its counts at the latest when it ends.
    await engine.dispose()

    async def counted() -> dict[str, int] | None:
        (row,) = await fetch(engine, updates)
        return row if row["all"] == 60 else None

    assert (await eventually(counted)) == {"all": 60, "hot": 60}


async def test_the_database_refuses_words_that_are_not_in_the_vocabulary(engine: AsyncEngine) -> None:
    notification = a_notification()
    values = notification_values(notification) | state_values(DeliveryState.initial(notification))
    for column in ("status", "channel", "priority", "guarantee"):
        with pytest.raises(IntegrityError, match=f"notifications_{column}_check"):
            await fetch(engine, insert(notifications), values | {column: "nonsense"})


async def test_erasing_a_notification_takes_its_attempts_along(log: DeliveryLog, engine: AsyncEngine) -> None:
    notification = await persisted(log)
    await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
    await fetch(engine, notifications.delete())
    assert await fetch(engine, select(delivery_attempts.c.number)) == []


async def test_what_was_sent_is_never_moved_back_by_a_later_revision(
    log: DeliveryLog, engine: AsyncEngine
) -> None:
    """A worker taken for dead may report late; then the workflow's next state must not undo it."""
    notification = await persisted(log)
    await log.record(notification.id, a_state(2, Status.SENT), an_attempt(1))
    await log.record(notification.id, a_state(3, Status.RETRYING), None)
    assert (await stored(engine, notification)).state.status is Status.SENT
    await log.record(notification.id, a_state(5, Status.DELIVERED), None)
    assert (await stored(engine, notification)).state.status is Status.DELIVERED
