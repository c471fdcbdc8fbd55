"""What waits in Temporal, as the API's metrics say it, and how seldom it is asked for that."""

from collections.abc import Mapping
from unittest import mock

import pytest
from prometheus_client import CollectorRegistry
from temporalio.client import Client

from api.backlog import ShownBacklog
from tests.support import eventually, free_port
from tests.workflows.delivery import delivery_worker
from tidings.domain.vocabulary import Status
from tidings.errors import OrchestratorUnavailable, PermanentFailure
from tidings.metrics import ApiMetrics
from tidings.metrics.api import QueueBacklog
from tidings.temporal.backlog import Backlog
from tidings.temporal.client import connect

EMAIL = ("tidings-email", "activity")


async def test_sends_that_nobody_takes_are_a_backlog_that_grows_old(temporal_client: Client) -> None:
    backlog = Backlog(temporal_client, timeout=5)

    async def of_email() -> QueueBacklog:
        [found] = [queue for queue in await backlog.queues() if (queue.task_queue, queue.type) == EMAIL]
        return found

    before = await of_email()
    async with delivery_worker(temporal_client, sends=False) as delivery:
        _, handle = await delivery.start()

        async def waits() -> bool:
            queue = await of_email()
            return queue.tasks == before.tasks + 1 and queue.age > 0

        await eventually(waits)
        workflows = [queue for queue in await backlog.queues() if queue.type == "workflow"]
        assert [queue.pollers > 0 for queue in workflows] == [True]
        await handle.terminate()


async def test_open_notifications_are_counted_by_status(temporal_client: Client) -> None:
    backlog = Backlog(temporal_client, timeout=5)
    before = await backlog.open_notifications()
    assert Status.SENT not in before
    async with delivery_worker(temporal_client, [PermanentFailure("smtp_550", "no")]) as delivery:
        _, handle = await delivery.start()
        await delivery.reaches(handle, Status.FAILED)

        async def one_more(count: int) -> bool:
            return (await backlog.open_notifications())[Status.FAILED] == before[Status.FAILED] + count

        await eventually(lambda: one_more(1))
        await handle.terminate()
        await eventually(lambda: one_more(0))


async def test_a_temporal_that_is_away_says_nothing() -> None:
    with mock.patch.dict("os.environ", TEMPORAL_ADDRESS=f"127.0.0.1:{free_port()}"):
        backlog = Backlog(await connect(lazy=True), timeout=1)
    with pytest.raises(OrchestratorUnavailable):
        await backlog.queues()
    with pytest.raises(OrchestratorUnavailable):
        await backlog.open_notifications()


class Source:
    """Has one queue and one notification, or is away; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.now = 0.0

    async def queues(self) -> list[QueueBacklog]:
        self.asked += 1
        if self.away:
            raise OrchestratorUnavailable("away")
        return [QueueBacklog("tidings-sms", "activity", tasks=7, age=12.5, pollers=2)]

    async def open_notifications(self) -> Mapping[Status, int]:
        if self.away:
            raise OrchestratorUnavailable("away")
        return {Status.RETRYING: 3}


async def test_it_is_asked_once_in_ten_seconds_and_what_is_not_known_is_not_shown() -> None:
    source, metrics = Source(), ApiMetrics(CollectorRegistry())
    shown = ShownBacklog(source, metrics, clock=lambda: source.now)

    def values() -> tuple[float | None, ...]:
        value, queue = metrics.registry.get_sample_value, {"task_queue": "tidings-sms", "type": "activity"}
        return (
            value("tidings_backlog_tasks", queue),
            value("tidings_backlog_age_seconds", queue),
            value("tidings_task_queue_pollers", queue),
            value("tidings_open_notifications", {"status": "retrying"}),
            value("tidings_dependency_up", {"dependency": "temporal"}),
        )

    for source.now in (0.0, 5.0, 9.9):
        await shown.refresh()
    assert (source.asked, values()) == (1, (7, 12.5, 2, 3, 1))
    source.away = True
    source.now = 10.0
    await shown.refresh()
    assert (source.asked, values()) == (2, (None, None, None, None, 0))
    source.away = False
    source.now = 20.0
    await shown.refresh()
    assert values() == (7, 12.5, 2, 3, 1)
