"""Whether Temporal answers, has our namespace, and has workers on our task queues."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from tidings.doctor.finding import Finding, State
from tidings.domain.vocabulary import Channel
from tidings.errors import OrchestratorUnavailable, TidingsError
from tidings.temporal import names
from tidings.temporal.calls import namespace_missing, translated
from tidings.temporal.namespace import attribute_faults, attribute_types, server_version
from tidings.temporal.namespace import look as look_at_namespace

BACKLOG_AGE = 60.0
"""Seconds after which what waits in a queue is said."""
_CALL = timedelta(seconds=5)

_WORKFLOW = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
_ACTIVITY = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
QUEUES = (
    (names.TASK_QUEUE, _WORKFLOW),
    (names.TASK_QUEUE, _ACTIVITY),
    *((names.send_queue(channel), _ACTIVITY) for channel in Channel),
)

More = Callable[[Client], Awaitable[Sequence[Finding]]]
"""Another look that needs the connection."""


async def look(connect: Callable[[], Awaitable[Client]], *more: More) -> Sequence[Finding]:
    """Findings `temporal`, `namespace`, `search attributes`, one for each queue, and those of `more`."""
    try:
        client = await connect()
        version = await server_version(client)
    except TidingsError as error:
        return [Finding("temporal", State.FAILED, str(error))]
    reached = Finding("temporal", State.OK, f"version {version or 'unknown'} at {_address(client)}")
    try:
        namespace = await look_at_namespace(client)
    except OrchestratorUnavailable as error:
        return [reached, Finding("namespace", State.FAILED, str(error))]
    if namespace is None:
        return [reached, Finding("namespace", State.FAILED, namespace_missing(client.namespace))]
    days = namespace.retention / timedelta(days=1)
    kept = f"{days:g} day{'' if days == 1 else 's'}"
    found = Finding("namespace", State.OK, f"{namespace.name}, closed workflows are kept {kept}")
    rest = await asyncio.gather(
        _attributes(client),
        *(_queue(client, name, kind) for name, kind in QUEUES),
        *(look(client) for look in more),
    )
    return [reached, found, *(finding for findings in rest for finding in findings)]


async def _attributes(client: Client) -> Sequence[Finding]:
    try:
        faults = attribute_faults(client.namespace, await attribute_types(client))
    except OrchestratorUnavailable as error:
        faults = [str(error)]
    if faults:
        return [Finding("search attributes", State.FAILED, fault) for fault in faults]
    found = ", ".join(attribute.name for attribute in names.SEARCH_ATTRIBUTES)
    return [Finding("search attributes", State.OK, found)]


async def _queue(client: Client, queue: str, kind: TaskQueueType.ValueType) -> Sequence[Finding]:
    name = f"queue {queue} ({'workflows' if kind == _WORKFLOW else 'activities'})"
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=kind,
        report_stats=True,
    )
    try:
        with translated():
            answer = await client.workflow_service.describe_task_queue(request, timeout=_CALL)
    except OrchestratorUnavailable as error:
        return [Finding(name, State.FAILED, str(error))]
    waiting = answer.stats.approximate_backlog_count
    age = answer.stats.approximate_backlog_age.ToTimedelta().total_seconds() if waiting else 0.0
    backlog = f"{waiting} waiting, the oldest for {age:.0f} s" if waiting else "nothing waits"
    if not answer.pollers:
        return [Finding(name, State.FAILED, f"no worker; {backlog}", "start a worker: `tidings worker`")]
    last = max(poller.last_access_time.ToDatetime(UTC) for poller in answer.pollers)
    ago = max((datetime.now(UTC) - last).total_seconds(), 0)
    workers = len({poller.identity for poller in answer.pollers})
    found = f"{workers} worker{'' if workers == 1 else 's'}, last asked {ago:.0f} s ago; {backlog}"
    if age > BACKLOG_AGE:
        remedy = "more workers, or a rate limit that is too low: docs/operations.md"
        return [Finding(name, State.WARNING, found, remedy)]
    return [Finding(name, State.OK, found)]


def _address(client: Client) -> str:
    return client.service_client.config.target_host
