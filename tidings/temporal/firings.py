"""What a schedule's last firings made, from the workflows that Temporal started for them."""

import asyncio
from datetime import timedelta
from uuid import UUID

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionResult,
    ScheduleDescription,
)
from temporalio.service import RPCError

from tidings.domain.schedule import Firing
from tidings.messages.schedules import FireResult
from tidings.temporal.calls import is_absence
from tidings.temporal.encryption.converter import of_workflow

_SHOWN = 5


async def last_firings(
    client: Client, description: ScheduleDescription, rpc_timeout: timedelta
) -> list[Firing]:
    """The last five, the newest first, read at once. Raises RPCError."""
    recent = description.info.recent_actions[-_SHOWN:]
    return list(await asyncio.gather(*(_firing(client, result, rpc_timeout) for result in reversed(recent))))


async def _firing(client: Client, result: ScheduleActionResult, rpc_timeout: timedelta) -> Firing:
    action = result.action
    assert isinstance(action, ScheduleActionExecutionStartWorkflow)  # noqa: S101 -- the SDK has no other
    execution = WorkflowExecution(workflow_id=action.workflow_id, run_id=action.first_execution_run_id)
    return Firing(
        scheduled_at=result.scheduled_at,
        fired_at=result.started_at,
        workflow_id=action.workflow_id,
        notification_id=await _made(client, execution, rpc_timeout),
    )


async def _made(client: Client, execution: WorkflowExecution, rpc_timeout: timedelta) -> UUID | None:
    """None while it runs, if it was ended before it made anything, or if Temporal has forgotten it.

    Its last event tells, and history read backwards begins with it. Asked for the closing event alone,
    Temporal waits for one: up to 20 s, or to a second before the call's own limit.
    """
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace, execution=execution, maximum_page_size=1
    )
    try:
        answer = await client.workflow_service.get_workflow_execution_history_reverse(
            request, retry=True, timeout=rpc_timeout
        )
    except RPCError as error:
        if is_absence(error):
            return None
        raise
    last = answer.history.events[0]
    if last.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
        return None
    payloads = last.workflow_execution_completed_event_attributes.result.payloads
    (result,) = await of_workflow(client, execution.workflow_id).decode(payloads, [FireResult])
    return FireResult.model_validate(result).notification_id
