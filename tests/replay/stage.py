"""Where a scenario plays: one notification, real workers on a real Temporal server, a scripted provider."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.memory_log import InMemoryDeliveryLog
from activities.provider_calls import ProviderCalls
from activities.recording import RecordingActivities
from activities.sending import SendActivities
from tests.replay.replaying import WORKFLOWS
from tests.support import eventually
from tests.workers import at_work
from tests.workflows.delivery import Handle, ScriptedProvider
from tidings.domain.notification import Notification
from tidings.domain.record import NotificationRecord
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.vocabulary import Channel, Status
from tidings.errors import PermanentFailure, SendFailure, TransientFailure, UnknownOutcome
from tidings.messages.delivery import DeliveryPlan, DeliveryResult, StatusReport
from tidings.temporal import names
from tidings.temporal.notifications import NotificationWorkflows

BUSY = TransientFailure("smtp_451", "try again later")
REFUSED = PermanentFailure("smtp_550", "no such mailbox")
LOST = UnknownOutcome("connection_lost", "the line broke after the message had gone out")

QUICK = RetrySchedule(attempts=7, first=0.05, factor=1, cap=1, jitter=0)
"""Delays that a recording can wait for."""
SLOW = RetrySchedule(attempts=7, first=3_600, factor=1, cap=3_600, jitter=0)
"""Delays that only a signal, or the expiry, ends within a recording."""


class Stage:
    """One notification's, named after its scenario. All recordings of a scenario have the same ids."""

    def __init__(self, client: Client, name: str) -> None:
        self.client = client
        self.notifications = NotificationWorkflows(client, "http://127.0.0.1:8233")
        self.log = InMemoryDeliveryLog()
        self.provider = ScriptedProvider([None])
        self.notification = Notification(
            id=uuid5(NAMESPACE_URL, f"https://example.com/scenarios/{name}"),
            tenant="acme",
            channel=Channel.EMAIL,
            recipient="ada@example.com",
            subject="Hello",
            body="Hello, Ada",
            created_at=datetime.now(UTC),
        )
        self.handle: Handle = client.get_workflow_handle(
            names.workflow_id(self.notification.id), result_type=DeliveryResult
        )

    @contextlib.asynccontextmanager
    async def records(self, *, retry: RetrySchedule = QUICK, retry_window: float = 60) -> AsyncIterator[None]:
        """A worker of workflows and records for the block."""
        plan = DeliveryPlan(route=["smtp"], retry=retry, attempt_timeout=2, retry_window=retry_window)
        recording = RecordingActivities(self.log, self.log, lambda notification: plan)
        worker = Worker(
            self.client,
            task_queue=names.TASK_QUEUE,
            workflows=WORKFLOWS,
            activities=[recording.persist, recording.record, recording.withdraw, recording.receive],
        )
        async with at_work(worker):
            yield

    @contextlib.asynccontextmanager
    async def sends(self, script: Iterable[SendFailure | None] = (None,)) -> AsyncIterator[ScriptedProvider]:
        """A worker of sends for the block, with a provider that follows the script."""
        self.provider = ScriptedProvider(script)
        worker = Worker(
            self.client,
            task_queue=names.send_queue(self.notification.channel),
            activities=[SendActivities(self.log, ProviderCalls(self.provider)).send],
        )
        async with at_work(worker):
            yield self.provider

    @contextlib.asynccontextmanager
    async def workers(
        self,
        script: Iterable[SendFailure | None] = (None,),
        *,
        retry: RetrySchedule = QUICK,
        retry_window: float = 60,
    ) -> AsyncIterator[ScriptedProvider]:
        """Workers of every kind for the block."""
        async with self.records(retry=retry, retry_window=retry_window), self.sends(script) as provider:
            yield provider

    async def start(self, **fields: Any) -> None:
        """Start the notification's workflow, with these fields changed: once on each server."""
        self.notification = self.notification.model_copy(update=fields)
        assert await self.notifications.find(None, self.notification.id) is None
        await self.notifications.start(self.notification)

    async def revive(self) -> None:
        """Retry by hand from the database, whether or not a workflow is there to take the signal."""
        state = self.log.state(self.notification.id)
        await self.notifications.retry(NotificationRecord(notification=self.notification, state=state))

    async def status(self) -> StatusReport:
        """Ask the workflow."""
        report: StatusReport = await self.handle.query(names.QUERY_STATUS, result_type=StatusReport)
        return report

    async def reaches(self, status: Status, *, recorded: bool = True) -> None:
        """Wait until the workflow stands there, and whether the database has that is as said."""

        async def there() -> bool:
            report = await self.status()
            return report.status is status and report.recorded is recorded

        await eventually(there)

    async def happens(self, condition: Callable[[HistoryEvent], bool], count: int = 1) -> None:
        """Wait until the history has `count` events that fulfil the condition."""

        async def happened() -> bool:
            events = [event async for event in self.handle.fetch_history_events()]
            return sum(condition(event) for event in events) >= count

        await eventually(happened)

    async def signal_until(self, signal: str, condition: Callable[[HistoryEvent], bool]) -> None:
        """Send one signal after another until the first run has an event that fulfils the condition."""
        run = await self.run(1)

        async def happened() -> bool:
            await self.handle.signal(signal)
            return any([condition(event) async for event in run.fetch_history_events()])

        await eventually(happened)

    async def ends(self, status: Status) -> None:
        """Wait for the end of the workflow, the last run's, and see that it is this one."""
        async with asyncio.timeout(30):
            reached = (await self.handle.result()).state.status
        assert reached is status, f"{reached} instead of {status}"

    async def run(self, number: int) -> Handle:
        """The handle of the n-th run, from 1, of those that handed over to one another."""
        run_id = (await self.handle.describe()).raw_description.workflow_execution_info.first_run_id
        for _ in range(number - 1):
            run = self.client.get_workflow_handle(self.handle.id, run_id=run_id)
            *_, last = [event async for event in run.fetch_history_events()]
            run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        return self.client.get_workflow_handle(self.handle.id, run_id=run_id)

    async def clean_up(self) -> None:
        """End what is open, so that no later scenario's worker picks it up."""
        with contextlib.suppress(RPCError):
            await self.client.get_workflow_handle(self.handle.id).terminate()


@dataclass(frozen=True)
class Scenario:
    """One path through a workflow: `play` takes it, and answers with the run whose history is kept.

    `hands_over`: on a server that soon suggests to continue as new.
    """

    play: Callable[[Stage], Coroutine[Any, Any, WorkflowHandle[Any, Any]]]
    hands_over: bool = False

    @property
    def name(self) -> str:
        """The name of its history."""
        return self.play.__name__

    async def history(self, client: Client) -> WorkflowHistory:
        """Play it on this client's server, and fetch the history."""
        stage = Stage(client, self.name)
        try:
            handle = await self.play(stage)
            return await handle.fetch_history()
        finally:
            await stage.clean_up()


def soon(seconds: float) -> datetime:
    """So many seconds from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def is_cancel_requested(event: HistoryEvent) -> bool:
    """Whether the workflow has asked to take an activity back."""
    return event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED


def is_handed_over(event: HistoryEvent) -> bool:
    """Whether a new run goes on."""
    return event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW


def is_scheduled(activity: str) -> Callable[[HistoryEvent], bool]:
    """Whether an event schedules this activity on a task queue."""
    return lambda event: event.activity_task_scheduled_event_attributes.activity_type.name == activity
