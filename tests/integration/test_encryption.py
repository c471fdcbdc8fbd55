"""What Temporal keeps of a notification, read back from a real server as somebody without a key reads it."""

import json
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RawValue

from tests.support import eventually
from tests.workflows.delivery import delivery_worker
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.vocabulary import Status
from tidings.errors import MisplacedPayload, TransientFailure
from tidings.local.temporal_server import NAMESPACE, TemporalServer
from tidings.messages.delivery import DeliveryRequest, SignalNote
from tidings.temporal import names
from tidings.temporal.encryption.converter import of_workflow
from tidings.temporal.notifications import NotificationWorkflows

CANARIES = {
    "recipient": "canary-recipient@example.com",
    "subject": "canary-subject",
    "body": "canary-body",
    "html": "<p>canary-html</p>",
    "metadata": {"order": "canary-metadata"},
}
SAID = "canary-refusal"
REFUSED = TransientFailure("smtp_451", f"{SAID} canary-recipient@example.com")


def payloads(message: Message) -> list[Payload]:
    """All of them, however deep; not search attributes, which can never be sealed."""
    if isinstance(message, Payload):
        return [message]
    found = []
    for field, value in message.ListFields():
        if field.name == "search_attributes" or field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            values = list(value.values())
        else:
            values = list(value) if field.is_repeated else [value]
        for each in values:
            if isinstance(each, Message):
                found += payloads(each)
    return found


def sealed(payload: Payload) -> bool:
    return payload.metadata["encoding"] == b"binary/encrypted"


def in_clear(message: Message) -> str:
    """All that somebody without a key reads: the message, with every payload's bytes as text."""
    data = b" ".join(each.data for each in payloads(message)).decode("utf-8", "replace")
    return json.dumps(MessageToDict(message), ensure_ascii=False) + data


def temporals_own(value: Any) -> bool:
    """What the server writes of an activity that nobody had, and the SDK's core of a local one."""
    return value == "ACTIVITY_ID_NOT_STARTED" or (isinstance(value, dict) and "activity_type" in value)


@pytest.fixture
async def keyless(temporal_server: TemporalServer) -> Client:
    """Somebody who may look into Temporal, and has no key."""
    return await Client.connect(temporal_server.address, namespace=NAMESPACE)


async def described(client: Client, handle: WorkflowHandle[Any, Any]) -> Message:
    return await client.workflow_service.describe_workflow_execution(
        DescribeWorkflowExecutionRequest(
            namespace=client.namespace, execution=WorkflowExecution(workflow_id=handle.id)
        )
    )


async def test_nothing_of_a_notification_is_in_clear_but_its_story(
    temporal_client: Client, keyless: Client
) -> None:
    """A refusal, a backoff, a signal with a reason, a query, a result: all that a notification can leave."""
    retry = RetrySchedule(attempts=3, first=3_600, factor=1, cap=3_600, jitter=0)
    async with delivery_worker(temporal_client, [REFUSED, None], retry=retry) as delivery:
        notification, handle = await delivery.start(**CANARIES)
        await delivery.reaches(handle, Status.RETRYING)
        steering = NotificationWorkflows(temporal_client, "")
        record = await steering.find("acme", notification.id)
        assert record is not None
        assert record.notification == notification
        while_waiting = await described(keyless, handle)
        metadata: WorkflowMetadata = await keyless.get_workflow_handle(handle.id).query(
            "__temporal_workflow_metadata", result_type=WorkflowMetadata
        )
        await steering.retry(record, SignalNote(reason="canary-reason"))
        result = await handle.result()
    assert result.state.status is Status.SENT

    events = (await keyless.get_workflow_handle(handle.id).fetch_history()).events
    kept = [*events, while_waiting, await described(keyless, handle)]
    assert [message for message in kept if "canary" in in_clear(message)] == []
    found = [payload for message in kept for payload in payloads(message)]
    assert sum(sealed(payload) for payload in found) > 8
    open_lines = [payload for payload in found if not sealed(payload)]
    assert [line.data for line in open_lines if b"canary" in line.data] == []
    unmarked = [json.loads(line.data) for line in open_lines if "tidings-clear" not in line.metadata]
    assert [each for each in unmarked if not temporals_own(each)] == []
    whose = {
        (payload.metadata["tidings-workflow"], payload.metadata["tidings-tenant"])
        for payload in found
        if sealed(payload)
    }
    assert whose == {(handle.id.encode(), b"acme")}

    # Its story needs no key.
    lines = [json.loads(line.data) for line in open_lines if "tidings-clear" in line.metadata]
    assert "email notification, normal priority" in lines
    assert any(line.startswith("attempt 1 by ") for line in lines)
    assert "| transient, `smtp_451`: a passing cause |" in metadata.current_details


async def test_what_a_query_answers_is_sealed(temporal_client: Client, keyless: Client) -> None:
    async with delivery_worker(temporal_client, [REFUSED]) as delivery:
        _, handle = await delivery.start(**CANARIES)
        await delivery.reaches(handle, Status.RETRYING)
        with pytest.raises(KeyError, match="binary/encrypted"):
            await keyless.get_workflow_handle(handle.id).query(names.QUERY_STATUS)
        await handle.terminate()


async def test_what_an_activity_fails_with_is_sealed_but_for_its_type(
    temporal_client: Client, keyless: Client
) -> None:
    """The attempt that is not due yet waits as a failure of an activity."""
    retry = RetrySchedule(attempts=3, first=3_600, factor=1, cap=3_600, jitter=0)
    async with delivery_worker(temporal_client, [REFUSED], retry=retry) as delivery:
        _, handle = await delivery.start(**CANARIES)
        await delivery.reaches(handle, Status.RETRYING)

        async def waits() -> Message | None:
            description: Any = await described(keyless, handle)
            failures = [pending.last_failure for pending in description.pending_activities]
            return next((failure for failure in failures if failure.message), None)

        failure: Any = await eventually(waits)
        assert "canary" not in in_clear(failure)
        assert failure.stack_trace == ""
        assert failure.application_failure_info.type == "NotDue"
        assert sealed(failure.encoded_attributes)
        await handle.terminate()


async def test_a_payload_put_into_another_workflow_is_refused(
    temporal_client: Client, keyless: Client
) -> None:
    """Who may write to Temporal and has no key cannot have one notification's content sent by another."""
    async with delivery_worker(temporal_client, [None]) as delivery:
        _, handle = await delivery.start(**CANARIES)
        await handle.result()
        (first, *_) = (await keyless.get_workflow_handle(handle.id).fetch_history()).events
        (stolen,) = first.workflow_execution_started_event_attributes.input.payloads
        planted = await keyless.start_workflow(
            names.WORKFLOW_TYPE, RawValue(stolen), id="notification-planted", task_queue=names.TASK_QUEUE
        )

        async def failed() -> Any:
            events = (await planted.fetch_history()).events
            return next(
                (e for e in events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED), None
            )

        event = await eventually(failed)
        failure = event.workflow_task_failed_event_attributes.failure
        assert failure.message == f"Sealed for the workflow '{handle.id}', and refused in any other."
        assert failure.application_failure_info.type == "MisplacedPayload"
        assert len(delivery.provider.calls) == 1
        with pytest.raises(MisplacedPayload):
            await of_workflow(temporal_client, planted.id).decode([stolen], [DeliveryRequest])
        await planted.terminate()
