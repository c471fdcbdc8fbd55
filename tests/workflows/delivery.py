"""A worker with the real workflow and activities, scripted providers and a log in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from activities.memory_log import InMemoryDeliveryLog
from activities.ports import DeliveryLog, ReceiptLog
from activities.provider_calls import ProviderCalls, ProviderSource
from activities.recording import RecordingActivities
from activities.sending import SendActivities
from tests.support import eventually
from tests.workers import at_work
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Notification
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.vocabulary import Channel, Status
from tidings.errors import SendFailure
from tidings.messages.delivery import DeliveryPlan, DeliveryRequest, DeliveryResult, StatusReport
from tidings.providers.protocol import Acceptance, OutgoingMessage
from tidings.temporal import names
from tidings.temporal.start_options import start_options
from workflows.deliver_notification import DeliverNotification
from workflows.record_receipt import RecordReceipt

Handle = WorkflowHandle[Any, DeliveryResult]

HOURS = RetrySchedule(attempts=3, first=36_000, factor=1, cap=36_000, jitter=0)
"""Whatever waits for its second attempt waits for as long as a test needs, on a busy machine, too."""


class ScriptedProvider:
    """Answers each call with the next of a list of errors (None: accepted); the last one repeats."""

    name = "smtp"

    def __init__(self, script: Iterable[SendFailure | None]) -> None:
        self.script = list(script)
        self.calls: list[OutgoingMessage] = []
        self.gate: asyncio.Event | None = None
        """If set, a call waits for it: the time in which an attempt is under way."""
        self.called = asyncio.Event()

    async def send(self, message: OutgoingMessage) -> Acceptance:
        """Do as the script says."""
        self.calls.append(message)
        self.called.set()
        if self.gate is not None:
            await self.gate.wait()
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if answer is not None:
            raise answer
        return Acceptance(reference=f"reference-{len(self.calls)}")

    async def aclose(self) -> None:
        """Nothing is held."""

    def get(self, name: str, channel: Channel) -> "ScriptedProvider":
        """It is every provider."""
        return self


class Delivery:
    """What a test of one notification's life holds in its hands."""

    def __init__(
        self,
        client: Client,
        provider: ScriptedProvider,
        log: InMemoryDeliveryLog,
        store: DeliveryLog | None = None,
    ) -> None:
        self.client = client
        self.provider = provider
        self.log = log
        self.store = store or log
        self.providers: ProviderSource = provider

    async def start(self, **fields: Any) -> tuple[Notification, Handle]:
        """Start the workflow of an email notification with these fields."""
        now = datetime.now(UTC)
        given = {"id": new_id(), "tenant": "acme", "channel": "email", "recipient": "ada@example.com"}
        notification = Notification.model_validate(
            {"subject": "Hello", "body": "Hello, Ada", "created_at": now, **given, **fields}
        )
        handle = await self.client.start_workflow(
            names.WORKFLOW_TYPE,
            DeliveryRequest(notification=notification),
            result_type=DeliveryResult,
            **start_options(notification),
        )
        return notification, handle

    async def status(self, handle: Handle) -> StatusReport:
        """Ask the workflow."""
        report: StatusReport = await handle.query(names.QUERY_STATUS, result_type=StatusReport)
        return report

    async def reaches(self, handle: Handle, status: Status) -> None:
        """Wait until the workflow says so and the log has it."""

        async def there() -> bool:
            report = await self.status(handle)
            return report.status is status and report.recorded

        await eventually(there)

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Run the worker that sends, for the block."""
        activities = SendActivities(self.store, ProviderCalls(self.providers))
        worker = Worker(self.client, task_queue=names.send_queue(Channel.EMAIL), activities=[activities.send])
        async with at_work(worker):
            yield

    def outcomes(self, notification_id: UUID) -> list[tuple[int, str | None]]:
        """The recorded attempts as (number, outcome)."""
        return [(attempt.number, attempt.outcome) for attempt in self.log.attempts(notification_id)]


@contextlib.asynccontextmanager
async def delivery_worker(
    client: Client,
    script: Iterable[SendFailure | None] = (None,),
    *,
    retry: RetrySchedule | None = None,
    retry_window: float = 3_600,
    log: InMemoryDeliveryLog | None = None,
    store: DeliveryLog | None = None,
    receipts: ReceiptLog | None = None,
    sends: bool = True,
    attempt_timeout: float = 30,
    providers: ProviderSource | None = None,
    **plan_fields: Any,
) -> AsyncIterator[Delivery]:
    """Run workers for the block, with a provider that follows the script.

    `log`: one from an earlier block; `store`, `receipts`: what to write to instead of it. Without `sends`
    nobody sends.
    `plan_fields`: more of the plan, such as `route`.
    """
    delivery = Delivery(client, ScriptedProvider(script), log or InMemoryDeliveryLog(), store)
    delivery.providers = providers or delivery.provider
    plan = DeliveryPlan(
        retry=retry or RetrySchedule(attempts=4, first=10, factor=2, cap=60, jitter=0),
        attempt_timeout=attempt_timeout,
        retry_window=retry_window,
        **{"route": ["smtp"]} | plan_fields,
    )
    recording = RecordingActivities(delivery.store, receipts or delivery.log, lambda notification: plan)
    records = Worker(
        client,
        task_queue=names.TASK_QUEUE,
        workflows=[DeliverNotification, RecordReceipt],
        activities=[recording.persist, recording.record, recording.withdraw, recording.receive],
    )
    async with at_work(records):
        if not sends:
            yield delivery
            return
        async with delivery.sending():
            yield delivery


async def happened(handle: Handle, event_type: EventType.ValueType) -> bool:
    """Whether the history has an event of that kind."""
    return event_type in [event.event_type async for event in handle.fetch_history_events()]
