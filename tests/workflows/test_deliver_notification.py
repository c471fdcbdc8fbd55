"""The life of one notification, on Temporal's time-skipping server: hours pass in milliseconds."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from tests.support import eventually
from tests.workflows.delivery import HOURS, delivery_worker, happened
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Notification
from tidings.domain.vocabulary import Outcome, Status
from tidings.errors import PermanentFailure, TransientFailure, UnknownOutcome
from tidings.temporal import names

BUSY = TransientFailure("smtp_451", "try again later")
REFUSED = PermanentFailure("smtp_550", "no such mailbox")
LOST = UnknownOutcome("connection_lost", "the line broke after the message had gone out")


async def test_a_notification_that_succeeds_at_once_is_sent_once(time_skipping: WorkflowEnvironment) -> None:
    async with delivery_worker(time_skipping.client) as delivery:
        notification, handle = await delivery.start()
        result = await handle.result()
        assert result.state.status is Status.SENT
        assert delivery.outcomes(notification.id) == [(1, Outcome.ACCEPTED)]
        recorded = delivery.log.state(notification.id)
        assert recorded == result.state
        assert recorded.provider_reference == "reference-1"
        assert recorded.sent_at is not None
        description = await handle.describe()
        assert description.typed_search_attributes[names.NOTIFICATION_STATUS] == "sent"


async def test_passing_failures_are_retried_after_the_scheduled_delays(
    time_skipping: WorkflowEnvironment,
) -> None:
    async with delivery_worker(time_skipping.client, [BUSY, BUSY, None]) as delivery:
        notification, handle = await delivery.start()
        assert (await handle.result()).state.status is Status.SENT
        assert [number for number, _ in delivery.outcomes(notification.id)] == [1, 2, 3]
        assert [message.number for message in delivery.provider.calls] == [1, 2, 3]
        first, second, third = delivery.log.attempts(notification.id)
        assert 10 <= (second.started_at - first.started_at).total_seconds() < 20
        assert 20 <= (third.started_at - second.started_at).total_seconds() < 40


async def test_retry_after_is_never_undercut(time_skipping: WorkflowEnvironment) -> None:
    asked = TransientFailure("http_429", "slow down", retry_after=timedelta(seconds=500))
    async with delivery_worker(time_skipping.client, [asked, None]) as delivery:
        _, handle = await delivery.start()
        await delivery.reaches(handle, Status.RETRYING)
        report = await delivery.status(handle)
        assert report.next_attempt_at is not None
        assert report.next_attempt_at - report.state.updated_at >= timedelta(seconds=500)
        assert (await handle.result()).state.attempt_count == 2


async def test_a_permanent_failure_makes_one_attempt_and_says_why(time_skipping: WorkflowEnvironment) -> None:
    async with delivery_worker(time_skipping.client, [REFUSED]) as delivery:
        notification, handle = await delivery.start()
        result = await handle.result()
        assert result.state.status is Status.FAILED
        assert result.state.error is not None
        assert result.state.error.code == "smtp_550"
        assert delivery.outcomes(notification.id) == [(1, Outcome.PERMANENT)]


async def test_the_budget_of_automatic_attempts_ends_in_failed(time_skipping: WorkflowEnvironment) -> None:
    async with delivery_worker(time_skipping.client, [BUSY]) as delivery:
        notification, handle = await delivery.start()
        result = await handle.result()
        assert result.state.status is Status.FAILED
        assert delivery.outcomes(notification.id) == [(n, Outcome.TRANSIENT) for n in (1, 2, 3, 4)]


async def test_retry_revives_a_failed_notification_and_goes_on_with_the_numbers(
    time_skipping: WorkflowEnvironment,
) -> None:
    async with delivery_worker(time_skipping.client, [REFUSED, None]) as delivery:
        notification, handle = await delivery.start()
        await delivery.reaches(handle, Status.FAILED)
        await handle.signal(names.SIGNAL_RETRY)
        assert (await handle.result()).state.status is Status.SENT
        assert delivery.outcomes(notification.id) == [(1, Outcome.PERMANENT), (2, Outcome.ACCEPTED)]
        assert delivery.log.state(notification.id).error is None


async def test_retry_cuts_a_backoff_short(time_skipping: WorkflowEnvironment) -> None:
    async with delivery_worker(time_skipping.client, [BUSY, None], retry=HOURS) as delivery:
        notification, handle = await delivery.start()
        await delivery.reaches(handle, Status.RETRYING)
        due = (await delivery.status(handle)).next_attempt_at
        await handle.signal(names.SIGNAL_RETRY)
        state = (await handle.result()).state
        assert state.status is Status.SENT
        assert due is not None
        assert state.sent_at is not None
        assert state.sent_at < due
        assert delivery.outcomes(notification.id) == [(1, Outcome.TRANSIENT), (2, Outcome.ACCEPTED)]


async def test_an_attempt_by_hand_does_not_use_up_the_budget(time_skipping: WorkflowEnvironment) -> None:
    async with delivery_worker(time_skipping.client, [BUSY]) as delivery:
        notification, handle = await delivery.start()
        await delivery.reaches(handle, Status.RETRYING)
        await handle.signal(names.SIGNAL_RETRY)
        assert (await handle.result()).state.status is Status.FAILED
        assert [number for number, _ in delivery.outcomes(notification.id)] == [1, 2, 3, 4, 5]


async def test_retry_during_an_attempt_sends_nothing_more(time_skipping: WorkflowEnvironment) -> None:
    async with delivery_worker(time_skipping.client) as delivery:
        delivery.provider.gate = asyncio.Event()
        _, handle = await delivery.start()
        await delivery.provider.called.wait()
        await handle.signal(names.SIGNAL_RETRY)
        delivery.provider.gate.set()
        assert (await handle.result()).state.status is Status.SENT
        assert len(delivery.provider.calls) == 1


async def test_cancel_during_backoff_sends_nothing_more(time_skipping: WorkflowEnvironment) -> None:
    async with delivery_worker(time_skipping.client, [BUSY, None]) as delivery:
        notification, handle = await delivery.start()
        await delivery.reaches(handle, Status.RETRYING)
        await handle.signal(names.SIGNAL_CANCEL, {"reason": "ordered twice"})
        result = await handle.result()
        assert result.state.status is Status.CANCELLED
        assert delivery.log.state(notification.id).status is Status.CANCELLED
        assert len(delivery.provider.calls) == 1


async def test_cancel_while_scheduled_sends_nothing(time_skipping: WorkflowEnvironment) -> None:
    async with delivery_worker(time_skipping.client) as delivery:
        soon = await time_skipping.get_current_time() + timedelta(days=30)
        _, handle = await delivery.start(send_at=soon)
        await delivery.reaches(handle, Status.SCHEDULED)
        await handle.signal(names.SIGNAL_CANCEL)
        assert (await handle.result()).state.status is Status.CANCELLED
        assert delivery.provider.calls == []


@pytest.mark.parametrize(
    ("answer", "status"),
    [(None, Status.SENT), (BUSY, Status.CANCELLED), (REFUSED, Status.CANCELLED), (LOST, Status.UNKNOWN)],
    ids=["accepted", "transient", "permanent", "unknown"],
)
async def test_cancel_during_an_attempt_lets_it_end_and_says_what_came_of_it(
    time_skipping: WorkflowEnvironment, answer: TransientFailure | None, status: Status
) -> None:
    async with delivery_worker(time_skipping.client, [answer]) as delivery:
        delivery.provider.gate = asyncio.Event()
        _, handle = await delivery.start()
        await delivery.provider.called.wait()
        await handle.signal(names.SIGNAL_CANCEL)
        await eventually(lambda: happened(handle, EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED))
        delivery.provider.gate.set()
        assert (await handle.result()).state.status is status
        assert len(delivery.provider.calls) == 1


async def test_temporals_own_cancellation_is_taken_as_a_cancel(time_skipping: WorkflowEnvironment) -> None:
    async with delivery_worker(time_skipping.client, [BUSY]) as delivery:
        notification, handle = await delivery.start()
        await delivery.reaches(handle, Status.RETRYING)
        await handle.cancel()
        assert (await handle.result()).state.status is Status.CANCELLED
        assert delivery.log.state(notification.id).status is Status.CANCELLED
        description = await handle.describe()
        assert description.status is WorkflowExecutionStatus.COMPLETED


async def test_a_cancel_of_a_failed_notification_changes_nothing_and_spares_a_later_retry(
    time_skipping: WorkflowEnvironment,
) -> None:
    async with delivery_worker(time_skipping.client, [REFUSED, None]) as delivery:
        _, handle = await delivery.start()
        await delivery.reaches(handle, Status.FAILED)
        await handle.signal(names.SIGNAL_CANCEL)
        assert (await delivery.status(handle)).status is Status.FAILED
        await handle.signal(names.SIGNAL_RETRY)
        assert (await handle.result()).state.status is Status.SENT


async def test_at_least_once_sends_again_under_the_same_key_when_nobody_can_know(
    time_skipping: WorkflowEnvironment,
) -> None:
    async with delivery_worker(time_skipping.client, [LOST, None]) as delivery:
        notification, handle = await delivery.start(guarantee="at_least_once")
        assert (await handle.result()).state.status is Status.SENT
        assert delivery.outcomes(notification.id) == [(1, Outcome.UNKNOWN), (2, Outcome.ACCEPTED)]
        assert {message.key for message in delivery.provider.calls} == {str(notification.id)}


async def test_at_most_once_parks_as_unknown_until_a_person_decides(
    time_skipping: WorkflowEnvironment,
) -> None:
    async with delivery_worker(time_skipping.client, [LOST, None]) as delivery:
        _, handle = await delivery.start(guarantee="at_most_once")
        await delivery.reaches(handle, Status.UNKNOWN)
        assert len(delivery.provider.calls) == 1
        await handle.signal(names.SIGNAL_RETRY)
        assert (await handle.result()).state.status is Status.SENT


async def test_nothing_is_sent_after_expiry(time_skipping: WorkflowEnvironment) -> None:
    async with delivery_worker(time_skipping.client, [BUSY, None], retry=HOURS) as delivery:
        deadline = await time_skipping.get_current_time() + timedelta(seconds=600)
        _, handle = await delivery.start(expires_at=deadline)
        await delivery.reaches(handle, Status.RETRYING)
        assert (await delivery.status(handle)).next_attempt_at is None
        assert (await handle.result()).state.status is Status.EXPIRED
        assert len(delivery.provider.calls) == 1


async def test_an_outage_of_the_database_delays_but_loses_nothing(time_skipping: WorkflowEnvironment) -> None:
    async with delivery_worker(time_skipping.client) as delivery:
        delivery.log.available = False
        notification, handle = await delivery.start()

        async def persist_waits() -> bool:
            scheduled = [
                event.activity_task_scheduled_event_attributes.activity_type.name
                async for event in handle.fetch_history_events()
            ]
            return "persist" in scheduled

        await eventually(persist_waits)
        assert delivery.provider.calls == []
        delivery.log.available = True
        assert (await handle.result()).state.status is Status.SENT
        assert delivery.outcomes(notification.id) == [(1, Outcome.ACCEPTED)]


async def test_an_outage_while_the_provider_answers_never_sends_twice(
    time_skipping: WorkflowEnvironment,
) -> None:
    async with delivery_worker(time_skipping.client) as delivery:
        delivery.provider.gate = asyncio.Event()
        notification, handle = await delivery.start()
        await delivery.provider.called.wait()
        delivery.log.available = False
        delivery.provider.gate.set()

        async def sent_but_not_recorded() -> bool:
            report = await delivery.status(handle)
            return report.status is Status.SENT and not report.recorded

        await eventually(sent_but_not_recorded)
        delivery.log.available = True
        assert (await handle.result()).state.status is Status.SENT
        assert delivery.log.state(notification.id).status is Status.SENT
        assert len(delivery.provider.calls) == 1


async def test_a_failed_notification_closes_after_the_retry_window(
    time_skipping: WorkflowEnvironment,
) -> None:
    async with delivery_worker(time_skipping.client, [REFUSED], retry_window=86_400) as delivery:
        _, handle = await delivery.start()
        await handle.result()
        description = await handle.describe()
        assert description.close_time is not None
        assert description.close_time - description.start_time >= timedelta(days=1)


async def test_a_notification_scheduled_for_next_year_waits_for_its_time(
    time_skipping: WorkflowEnvironment,
) -> None:
    async with delivery_worker(time_skipping.client) as delivery:
        due = await time_skipping.get_current_time() + timedelta(days=366)
        _, handle = await delivery.start(send_at=due, created_at=datetime.now(UTC))
        state = (await handle.result()).state
        assert state.status is Status.SENT
        assert state.attempt_count == 1
        assert await time_skipping.get_current_time() >= due
        assert len((await handle.fetch_history()).events) <= 20


async def test_a_cancel_after_an_unknown_attempt_does_not_claim_that_nothing_went_out(
    time_skipping: WorkflowEnvironment,
) -> None:
    async with delivery_worker(time_skipping.client, [LOST]) as delivery:
        _, handle = await delivery.start()
        await delivery.reaches(handle, Status.RETRYING)
        await handle.signal(names.SIGNAL_CANCEL)
        state = (await handle.result()).state
        assert state.status is Status.UNKNOWN
        assert state.error is not None
        assert state.error.code == "connection_lost"
        assert len(delivery.provider.calls) == 1


async def test_retry_of_a_failed_notification_sends_even_after_its_expiry(
    time_skipping: WorkflowEnvironment,
) -> None:
    async with delivery_worker(time_skipping.client, [REFUSED, None]) as delivery:
        deadline = await time_skipping.get_current_time() + timedelta(seconds=60)
        _, handle = await delivery.start(expires_at=deadline)
        await delivery.reaches(handle, Status.FAILED)
        await time_skipping.sleep(120)
        await handle.signal(names.SIGNAL_RETRY)
        assert (await handle.result()).state.status is Status.SENT


async def test_a_retry_while_scheduled_changes_neither_time_nor_budget(
    time_skipping: WorkflowEnvironment,
) -> None:
    async with delivery_worker(time_skipping.client, [BUSY]) as delivery:
        due = await time_skipping.get_current_time() + timedelta(days=1)
        notification, handle = await delivery.start(send_at=due)
        await delivery.reaches(handle, Status.SCHEDULED)
        await handle.signal(names.SIGNAL_RETRY)
        assert (await handle.result()).state.status is Status.FAILED
        assert len(delivery.outcomes(notification.id)) == 4


async def test_a_workflow_started_for_what_the_database_has_as_sent_sends_nothing(
    time_skipping: WorkflowEnvironment,
) -> None:
    """The last line of idempotency: Temporal had forgotten the first, and the database could not be asked."""
    async with delivery_worker(time_skipping.client) as delivery:
        notification, handle = await delivery.start()
        first = (await handle.result()).state
        later = notification.model_dump() | {"id": new_id(), "body": "another"}
        again = Notification.model_validate(later)
        delivery.log._entries[again.id] = delivery.log._entries[notification.id]
        _, handle = await delivery.start(**later)
        assert (await handle.result()).state == first
        assert len(delivery.provider.calls) == 1
        description = await handle.describe()
        assert description.typed_search_attributes[names.NOTIFICATION_STATUS] == "sent"


async def test_a_late_acceptance_of_a_lost_attempt_stops_the_next_one(
    time_skipping: WorkflowEnvironment,
) -> None:
    """A worker that was taken for dead reports after the attempt was given up, before the next has begun."""
    async with delivery_worker(time_skipping.client, [LOST, None]) as delivery:
        notification, handle = await delivery.start()
        await delivery.reaches(handle, Status.RETRYING)
        (lost,) = delivery.log.attempts(notification.id)
        accepted = lost.model_copy(update={"outcome": Outcome.ACCEPTED, "error": None})
        state = delivery.log.state(notification.id).accepted(accepted)
        await delivery.log.record(notification.id, state, accepted)
        result = await handle.result()
        assert (result.state.status, result.state.attempt_count) == (Status.SENT, 1)
        assert delivery.outcomes(notification.id) == [(1, Outcome.ACCEPTED)]
        assert len(delivery.provider.calls) == 1
