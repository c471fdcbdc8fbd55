"""What waits in Temporal, as the API's metrics say it, and how seldom it is asked for that."""

from collections.abc import Mapping
from datetime import timedelta
from unittest import mock
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from temporalio.client import Client

from api.backlog import ShownBacklog
from tests.encryption import CONVERTER
from tests.support import eventually, free_port
from tests.workflows.delivery import delivery_worker
from tidings.domain.vocabulary import Status
from tidings.errors import NamespaceNotReady, OrchestratorUnavailable, PermanentFailure
from tidings.local.temporal_server import TemporalServer
from tidings.metrics import ApiMetrics
from tidings.metrics.api import QueueBacklog
from tidings.temporal.backlog import Backlog
from tidings.temporal.client import connect
from tidings.temporal.namespace_setup import set_up

EMAIL = ("tidings-email", "activity")


@pytest.fixture
async def own_namespace(temporal_server: TemporalServer) -> Client:
    """A client of a namespace of the test's own: what other tests leave behind is a backlog, too."""
    client = await Client.connect(
        temporal_server.address, namespace=f"test-{uuid4().hex}", data_converter=CONVERTER
    )
    await set_up(client, timedelta(days=1), lambda line: None)
    return client


async def test_sends_that_nobody_takes_are_a_backlog_that_grows_old(own_namespace: Client) -> None:
    backlog = Backlog(own_namespace, timeout=5)

    async def of_email() -> QueueBacklog:
        [found] = [queue for queue in await backlog.queues() if (queue.task_queue, queue.type) == EMAIL]
        return found

    assert (await of_email()).tasks == 0
    async with delivery_worker(own_namespace, sends=False) as delivery:
        _, handle = await delivery.start()

        async def waits() -> bool:
            queue = await of_email()
            return queue.tasks == 1 and queue.age > 0

        await eventually(waits)
        workflows = [queue for queue in await backlog.queues() if queue.type == "workflow"]
        assert [queue.pollers > 0 for queue in workflows] == [True]
        await handle.terminate()


async def test_open_notifications_are_counted_by_status(own_namespace: Client) -> None:
    backlog = Backlog(own_namespace, timeout=5)
    assert Status.SENT not in await backlog.open_notifications()
    async with delivery_worker(own_namespace, [PermanentFailure("smtp_550", "no")]) as delivery:
        _, handle = await delivery.start()
        await delivery.reaches(handle, Status.FAILED)

        async def failed(count: int) -> bool:
            return (await backlog.open_notifications())[Status.FAILED] == count

        await eventually(lambda: failed(1))
        await handle.terminate()
        await eventually(lambda: failed(0))


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
        self.set_up = True
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

    async def check(self) -> None:
        if self.away:
            raise OrchestratorUnavailable("away")
        if not self.set_up:
            raise NamespaceNotReady("run `tidings migrate`")


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
    source.set_up = False
    source.now = 30.0
    await shown.refresh()
    # As GET /health/ready says it: else nobody is told that submissions are answered 503.
    assert values() == (7, 12.5, 2, 3, 0)


async def test_a_namespace_that_is_not_set_up_is_told_from_one_that_is(
    temporal_server: TemporalServer, own_namespace: Client
) -> None:
    await Backlog(own_namespace, timeout=5).check()
    elsewhere = await Client.connect(temporal_server.address, namespace=f"test-{uuid4().hex}")
    with pytest.raises(NamespaceNotReady):
        await Backlog(elsewhere, timeout=5).check()
