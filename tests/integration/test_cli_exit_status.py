"""Every command that used the Temporal client ends with its right exit status, 200 times out of 200.

A short-lived process that used the SDK can crash while its interpreter is torn down; ours must not.
"""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

import pytest
from temporalio.client import Client

from tests.integration.command_line import tidings
from tests.support import eventually, free_port
from tests.workflows.delivery import delivery_worker
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Notification
from tidings.domain.vocabulary import Status
from tidings.errors import PermanentFailure
from tidings.local.temporal_server import TemporalServer
from tidings.temporal.notifications import NotificationWorkflows

RUNS_OF_EACH = 50
AT_ONCE = 3
REFUSED = PermanentFailure("smtp_550", "no such mailbox")


@pytest.mark.timeout(900)
async def test_200_of_200_commands_end_with_their_right_exit_status(
    temporal_client: Client, temporal_server: TemporalServer
) -> None:
    workflows = NotificationWorkflows(temporal_client, "http://127.0.0.1:8233")
    room = asyncio.Semaphore(AT_ONCE)

    async def ended(*arguments: str, address: str = temporal_server.address) -> int:
        async with room:
            return (await tidings(*arguments, TEMPORAL_ADDRESS=address)).status

    async with delivery_worker(temporal_client, [REFUSED]):
        failed = [await _submitted(workflows) for _ in range(RUNS_OF_EACH)]
        for id in failed:
            await _reaches(workflows, id, Status.FAILED)
        nowhere = f"127.0.0.1:{free_port()}"
        expected = {
            # Retried: a new attempt begins. Cancelled: too late. Unknown: not found. Unreachable: said so.
            ("retry", 0): [ended("retry", str(id)) for id in failed],
            ("cancel", 1): [ended("cancel", str(new_id())) for _ in range(RUNS_OF_EACH)],
            ("cancel --json", 1): [ended("cancel", "--json", str(id)) for id in failed],
            ("retry, nobody there", 1): [
                ended("retry", str(new_id()), address=nowhere) for _ in range(RUNS_OF_EACH)
            ],
        }
        statuses = {command: Counter(await asyncio.gather(*runs)) for command, runs in expected.items()}
        for id in failed:
            await temporal_client.get_workflow_handle(f"notification-{id}").terminate()
    assert statuses == {(name, status): {status: RUNS_OF_EACH} for name, status in expected}


async def _submitted(workflows: NotificationWorkflows) -> UUID:
    notification = Notification.model_validate(
        {
            "id": new_id(),
            "tenant": "acme",
            "channel": "email",
            "recipient": "ada@example.com",
            "subject": "Hello",
            "body": "Hi",
            "created_at": datetime.now(UTC),
        }
    )
    await workflows.start(notification)
    return notification.id


async def _reaches(workflows: NotificationWorkflows, id: UUID, status: Status) -> None:
    async def there() -> bool:
        report = await workflows.status(id)
        return report is not None and report.status is status and report.recorded

    await eventually(there)
