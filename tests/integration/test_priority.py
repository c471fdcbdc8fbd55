"""Who goes first when more waits than can be sent: by priority, and within one priority tenant by tenant."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest
from temporalio.client import Client

from tests.integration.backlog import an_email, backlog, fresh_temporal
from tests.support import eventually
from tidings.domain.vocabulary import Channel, Priority
from tidings.temporal import names

SLOTS = 4
FIRST_FEW = 3 * SLOTS
"""How late the first of a queue may reach the provider: it is handed out first, into one of the slots, and
each of the other slots may finish what it holds and take up the next while the first is carried there."""


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with fresh_temporal(tmp_path) as client:
        yield client


async def test_a_critical_notification_overtakes_500_bulk_ones(client: Client, database_url: str) -> None:
    async with backlog(client, database_url, worker_sends_per_channel=SLOTS) as waiting:
        await waiting.submit(*(an_email(f"bulk-{n}@example.com", priority="bulk") for n in range(500)))
        await waiting.waiting(Channel.EMAIL, 500)
        await waiting.submit(an_email("critical@example.com", priority="critical"))
        await waiting.waiting(Channel.EMAIL, 501)

        await waiting.run(names.send_queue(Channel.EMAIL))
        await eventually(lambda: "critical@example.com" in waiting.order())
        assert waiting.order().index("critical@example.com") < FIRST_FEW


async def test_a_small_tenant_does_not_wait_behind_a_large_one(client: Client, database_url: str) -> None:
    small = {f"small-{n}@example.com" for n in range(5)}
    async with backlog(client, database_url, worker_sends_per_channel=SLOTS) as waiting:
        await waiting.submit(*(an_email(f"large-{n}@example.com", tenant="large") for n in range(200)))
        await waiting.waiting(Channel.EMAIL, 200)
        await waiting.submit(*(an_email(recipient, tenant="small") for recipient in small))
        await waiting.waiting(Channel.EMAIL, 205)

        await waiting.run(names.send_queue(Channel.EMAIL))
        await eventually(lambda: small <= set(waiting.order()))
        last = max(waiting.order().index(recipient) for recipient in small)
        # Turn by turn the fifth of one tenant comes with the fifth of the other.
        assert last < 2 * len(small) + FIRST_FEW


async def test_sends_have_the_priority_and_the_tenant_of_their_workflow(
    client: Client, database_url: str
) -> None:
    long_name = "t" * 65
    async with backlog(client, database_url) as waiting:
        await waiting.submit(an_email("ada@example.com", priority="low", tenant=long_name))
        await waiting.waiting(Channel.EMAIL, 1)
        send = await client.workflow_service.poll_activity_task_queue(
            PollActivityTaskQueueRequest(
                namespace=client.namespace, task_queue=TaskQueue(name=names.send_queue(Channel.EMAIL))
            )
        )
    assert send.activity_type.name == "send"
    assert send.priority.priority_key == 4
    assert send.priority.fairness_key == names.place(Priority.NORMAL, long_name).fairness_key
