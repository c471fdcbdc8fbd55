"""What waits in Temporal: tasks in our queues, and notifications whose workflow is open."""

import asyncio
from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from tidings.domain.vocabulary import Channel, Status
from tidings.metrics.api import QueueBacklog
from tidings.temporal import names, namespace
from tidings.temporal.calls import translated

_TYPES = {
    "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}
_QUEUES = [
    (names.TASK_QUEUE, "workflow"),
    (names.TASK_QUEUE, "activity"),
    *((names.send_queue(channel), "activity") for channel in Channel),
]
_ENDED = (Status.SENT, Status.DELIVERED, Status.CANCELLED)
"""Their workflows are closed; those of `failed`, `unknown` and `expired` wait for a retry by hand."""
COUNTED = [status for status in Status if status not in _ENDED]


class Backlog:
    """Asks Temporal. Every call raises OrchestratorUnavailable while it cannot be reached or refuses us."""

    def __init__(self, client: Client, *, timeout: float) -> None:
        """`timeout` bounds each call, in seconds."""
        self._client = client
        self._timeout = timedelta(seconds=timeout)

    async def queues(self) -> list[QueueBacklog]:
        """Each of our task queues. Temporal's figures are near, not exact."""
        with translated():
            return list(await asyncio.gather(*(self._queue(*queue) for queue in _QUEUES)))

    async def open_notifications(self) -> dict[Status, int]:
        """How many notifications are open, by status. Temporal cannot group by an attribute of ours."""
        with translated():
            counts = await asyncio.gather(*(self._open(status) for status in COUNTED))
        return dict(zip(COUNTED, counts, strict=True))

    async def check(self) -> None:
        """Make sure that notifications can be started. NamespaceNotReady: `tidings migrate` has to run."""
        await namespace.check(self._client)

    async def _queue(self, task_queue: str, type: str) -> QueueBacklog:
        answer = await self._client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=self._client.namespace,
                task_queue=TaskQueue(name=task_queue),
                task_queue_type=_TYPES[type],
                report_stats=True,
            ),
            timeout=self._timeout,
        )
        return QueueBacklog(
            task_queue=task_queue,
            type=type,
            tasks=answer.stats.approximate_backlog_count,
            age=answer.stats.approximate_backlog_age.ToTimedelta().total_seconds(),
            pollers=len(answer.pollers),
        )

    async def _open(self, status: Status) -> int:
        query = (
            f"WorkflowType = '{names.WORKFLOW_TYPE}' AND ExecutionStatus = 'Running' "
            f"AND {names.NOTIFICATION_STATUS.name} = '{status.value}'"
        )
        return (await self._client.count_workflows(query, rpc_timeout=self._timeout)).count
