"""A Temporal server with empty queues, and the real workers of single task queues to let a backlog grow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import PostgresDsn
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.worker import Worker

from tests.encryption import CONVERTER
from tests.provider_support import RunningSandbox, provider_settings, running_sandbox
from tests.support import eventually, free_port
from tests.workers import at_work
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Notification
from tidings.domain.vocabulary import Channel
from tidings.local.temporal_server import NAMESPACE, TemporalServer
from tidings.settings import DatabaseSettings, DeliverySettings, WorkerSettings
from tidings.temporal import names
from tidings.temporal.notifications import NotificationWorkflows
from worker.composition import WorkerConfiguration, build_workers

_STARTS_AT_ONCE = 50


def an_email(recipient: str, **fields: Any) -> Notification:
    """An email notification with these fields."""
    given = {"id": new_id(), "tenant": "acme", "channel": "email", "recipient": recipient}
    return Notification.model_validate(
        {**given, "subject": "Hello", "body": "Hi", "created_at": datetime.now(UTC), **fields}
    )


@asynccontextmanager
async def fresh_temporal(folder: Path) -> AsyncIterator[Client]:
    """A client of a server of its own: nothing in its queues, no limits on them."""
    server = TemporalServer(free_port(), free_port(), db_file=None, log_file=folder / "temporal.log")
    try:
        await server.start()
        yield await Client.connect(server.address, data_converter=CONVERTER)
    finally:
        await server.stop(hurry=True)


@dataclass
class Backlog:
    """The workers of one process, not yet running, and the sandbox they send to."""

    client: Client
    sandbox: RunningSandbox
    workers: dict[str, Worker]
    stack: AsyncExitStack
    submitted: list[Notification] = field(default_factory=list)

    async def run(self, task_queue: str) -> None:
        """Let the worker of that queue begin."""
        await self.stack.enter_async_context(at_work(self.workers[task_queue]))

    async def submit(self, *notifications: Notification) -> None:
        """Start their workflows, in about this order."""
        workflows = NotificationWorkflows(self.client, "http://127.0.0.1:8233")
        self.submitted += notifications
        for first in range(0, len(notifications), _STARTS_AT_ONCE):
            some = notifications[first : first + _STARTS_AT_ONCE]
            await asyncio.gather(*map(workflows.start, some))

    async def waiting(self, channel: Channel, count: int) -> None:
        """Wait until exactly so many sends of the channel are in its queue."""
        request = DescribeTaskQueueRequest(
            namespace=NAMESPACE,
            task_queue=TaskQueue(name=names.send_queue(channel)),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            report_stats=True,
        )

        async def there() -> bool:
            described = await self.client.workflow_service.describe_task_queue(request)
            assert described.stats.approximate_backlog_count == count
            return True

        await eventually(there)

    def order(self) -> list[str]:
        """The recipients in the order in which the provider took their messages."""
        return [message.recipient for message in reversed(list(self.sandbox.sandbox.inbox))]


@asynccontextmanager
async def backlog(client: Client, database_url: str, **worker_settings: Any) -> AsyncIterator[Backlog]:
    """The real workers with these settings; the one for workflows and records runs already."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(running_sandbox())
        configuration = WorkerConfiguration(
            database=DatabaseSettings(database_url=PostgresDsn(database_url)),
            providers=provider_settings(
                smtp_host="127.0.0.1",
                smtp_port=sandbox.smtp_port,
                sandbox_url=sandbox.url,
                sandbox_stands_in=True,
                provider_response_timeout=100,
            ),
            delivery=DeliverySettings(attempt_timeout=100),
            worker=WorkerSettings(**{"worker_shutdown_timeout": 0, **worker_settings}),
        )
        workers = await stack.enter_async_context(build_workers(client, configuration))
        waiting = Backlog(client, sandbox, {worker.task_queue: worker for worker in workers}, stack)
        await waiting.run(names.TASK_QUEUE)
        yield waiting
