"""What a long or eventful life costs: history events, and runs that hand over to one another."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowHistory

from tests.encryption import CONVERTER
from tests.support import eventually, free_port
from tests.workflows.delivery import HOURS, Handle, delivery_worker
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.vocabulary import Channel, Status
from tidings.errors import PermanentFailure, TransientFailure
from tidings.local.temporal_server import TemporalServer
from tidings.settings import DeliverySettings
from tidings.temporal import names

BUSY = TransientFailure("smtp_451", "try again later")
REFUSED = PermanentFailure("smtp_550", "no such mailbox")
TEMPORALS_SIGNAL_LIMIT = 10_000
TEMPORALS_EVENT_LIMIT = 51_200


async def runs_of(client: Client, handle: Handle) -> list[WorkflowHistory]:
    """The histories of all runs that handed over to one another, oldest first."""
    run_id = (await handle.describe()).raw_description.workflow_execution_info.first_run_id
    histories = []
    while run_id:
        histories.append(await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history())
        last = histories[-1].events[-1]
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return histories


def signals_in(history: WorkflowHistory) -> int:
    return sum(event.HasField("workflow_execution_signaled_event_attributes") for event in history.events)


@pytest.mark.parametrize("channel", Channel)
async def test_using_up_the_automatic_attempts_costs_at_most_60_events(
    temporal_client: Client, channel: Channel, record_property: Callable[[str, object], None]
) -> None:
    attempts = DeliverySettings().retry_schedule(channel).attempts
    at_once = RetrySchedule(attempts=attempts, first=0.01, factor=1, cap=1, jitter=0)
    async with delivery_worker(temporal_client, [BUSY], retry=at_once, retry_window=1) as delivery:
        _, handle = await delivery.start()
        result = await handle.result()
        assert (result.state.status, result.state.attempt_count) == (Status.FAILED, attempts)
        events = (await handle.fetch_history()).events
        record_property(f"events of {attempts} automatic attempts, {channel}", len(events))
        # The retry window and its end included.
        assert len(events) <= 60


async def test_10001_signals_are_taken_and_none_is_lost(temporal_client: Client) -> None:
    async with delivery_worker(temporal_client, [REFUSED, None]) as delivery:
        notification, handle = await delivery.start()
        await delivery.reaches(handle, Status.FAILED)
        # More than 100 during one workflow task, and Temporal breaks that off.
        at_once = asyncio.Semaphore(20)

        async def signal() -> None:
            async with at_once:
                await handle.signal(names.SIGNAL_CANCEL)

        async with asyncio.TaskGroup() as group:
            for _ in range(TEMPORALS_SIGNAL_LIMIT + 1):
                group.create_task(signal())
        await delivery.reaches(handle, Status.FAILED)
        await handle.signal(names.SIGNAL_RETRY)
        assert (await handle.result()).state.status is Status.SENT
        assert len(delivery.outcomes(notification.id)) == 2

        histories = await runs_of(temporal_client, handle)
        assert sum(signals_in(history) for history in histories) == TEMPORALS_SIGNAL_LIMIT + 2
        assert all(signals_in(history) < TEMPORALS_SIGNAL_LIMIT for history in histories)
        assert all(len(history.events) < TEMPORALS_EVENT_LIMIT for history in histories)
        assert len(histories) > 1


@pytest.fixture
async def hasty_client(tmp_path: Path) -> AsyncIterator[Client]:
    """A server that asks for a new run after 200 events, not after 4,096."""
    server = TemporalServer(
        *(free_port(), free_port()),
        db_file=None,
        log_file=tmp_path / "temporal.log",
        dynamic_config=["limit.historyCount.suggestContinueAsNew=200"],
    )
    await server.start()
    try:
        yield await Client.connect(server.address, data_converter=CONVERTER)
    finally:
        await server.stop(hurry=True)


async def test_hundreds_of_retries_by_hand_go_on_with_the_numbers_over_many_runs(
    hasty_client: Client,
) -> None:
    retries = 200
    async with delivery_worker(hasty_client, [*[REFUSED] * retries, None]) as delivery:
        notification, handle = await delivery.start()
        for number in range(1, retries + 1):

            async def refused(number: int = number) -> bool:
                report = await delivery.status(handle)
                return report.status is Status.FAILED and report.attempt_count == number

            await eventually(refused, interval=0.005)
            await handle.signal(names.SIGNAL_RETRY)
        state = (await handle.result()).state
        assert (state.status, state.attempt_count, state.automatic_attempts) == (Status.SENT, retries + 1, 1)
        outcomes = delivery.outcomes(notification.id)
        assert [number for number, _ in outcomes] == list(range(1, retries + 2))

        histories = await runs_of(hasty_client, handle)
        assert len(histories) > 5
        assert all(len(history.events) < 300 for history in histories)
        # What the Web UI and the search show goes over, too.
        description = await handle.describe()
        assert description.typed_search_attributes[names.NOTIFICATION_STATUS] == "sent"
        assert description.raw_description.workflow_execution_info.priority.priority_key == 3


async def test_a_notification_in_backoff_keeps_its_time_and_its_numbers_over_a_new_run(
    hasty_client: Client,
) -> None:
    async with delivery_worker(hasty_client, [BUSY, None], retry=HOURS) as delivery:
        notification, handle = await delivery.start()
        await delivery.reaches(handle, Status.RETRYING)
        before = await delivery.status(handle)

        async def handed_over() -> bool:
            await handle.signal("misspelt")
            return len(await runs_of(hasty_client, handle)) > 1

        await eventually(handed_over, interval=0)
        await delivery.reaches(handle, Status.RETRYING)
        assert (await delivery.status(handle)).state == before.state
        assert delivery.log.state(notification.id) == before.state
        await handle.signal(names.SIGNAL_RETRY)
        assert (await handle.result()).state.status is Status.SENT
        assert [number for number, _ in delivery.outcomes(notification.id)] == [1, 2]


async def test_a_retry_that_waits_for_a_worker_goes_over_to_the_new_run(hasty_client: Client) -> None:
    async with delivery_worker(hasty_client, [REFUSED, None], sends=False) as delivery:
        async with delivery.sending():
            _, handle = await delivery.start()
            await delivery.reaches(handle, Status.FAILED)
        await handle.signal(names.SIGNAL_RETRY)

        async def handed_over() -> bool:
            await handle.signal("misspelt")
            return len(await runs_of(hasty_client, handle)) > 1

        await eventually(handed_over, interval=0)
        async with delivery.sending():
            state = (await handle.result()).state
        assert (state.status, state.attempt_count, state.automatic_attempts) == (Status.SENT, 2, 1)
