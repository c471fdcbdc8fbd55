"""One task queue for each channel: what holds one up leaves the others alone, and each has its own limit."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from temporalio.client import Client

from tests.integration.api import make_key, running_api
from tests.integration.backlog import an_email, backlog, fresh_temporal
from tests.support import eventually
from tidings.domain.vocabulary import Channel
from tidings.temporal import names

SLOTS = 2
RATE = 5


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with fresh_temporal(tmp_path) as client:
        yield client


async def test_a_channel_that_hangs_does_not_hold_up_another(client: Client, database_url: str) -> None:
    key, _ = await make_key(database_url)
    address = client.service_client.config.target_host
    async with (
        backlog(client, database_url, worker_sends_per_channel=SLOTS) as workers,
        running_api(database_url, address, key=key) as api,
    ):
        for channel in Channel:
            await workers.run(names.send_queue(channel))
        for area in range(202, 202 + 2 * SLOTS):
            text = {"channel": "sms", "recipient": f"+1{area}5550004", "body": "Hello."}
            assert (await api.post("/v1/notifications", json=text)).status == 201
        hanging = list(api.accepted)

        async def under_way() -> list[str]:
            found = [(await api.get(f"/v1/notifications/{id}")).json for id in hanging]
            begun = [item for item in found if [made["outcome"] for made in item["attempts"]] == [None]]
            assert len(begun) == SLOTS
            return [item["id"] for item in begun]

        taken = await eventually(under_way)
        await api.submitted()
        await eventually(workers.order)
        # All slots of the channel were taken when the other channel's message arrived, and still are.
        assert await under_way() == taken


async def test_no_more_sends_begin_than_the_channels_rate_limit_allows(
    client: Client, database_url: str
) -> None:
    async with backlog(client, database_url, rate_email=RATE) as waiting:
        await waiting.submit(*(an_email(f"ada-{n}@example.com") for n in range(3 * RATE)))
        await waiting.waiting(Channel.EMAIL, 3 * RATE)
        await waiting.run(names.send_queue(Channel.EMAIL))
        await eventually(lambda: len(waiting.order()) == 3 * RATE)
        begun = sorted([await when_the_send_began(client, made.id) for made in waiting.submitted])
    # What the limit lets through at once after a pause is one second's worth.
    within_a_second = [
        sum(1 for other in begun if first <= other < first + timedelta(seconds=1)) for first in begun
    ]
    assert max(within_a_second) <= 2 * RATE + 1
    assert begun[-1] - begun[0] > timedelta(seconds=1)


async def when_the_send_began(client: Client, notification_id: UUID) -> datetime:
    """When Temporal handed the send to a worker."""
    history = await client.get_workflow_handle(names.workflow_id(notification_id)).fetch_history()
    [began] = [
        event.event_time.ToDatetime()
        for event in history.events
        if event.HasField("activity_task_started_event_attributes")
    ]
    return began
