"""One notification from acceptance to its end. Every wait is here, so that a signal acts at once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from activities.recording import RecordingActivities
    from activities.sending import BEGIN_LIMIT, SendActivities
    from tidings.domain.notification import Attempt, DeliveryError, DeliveryState, Notification
    from tidings.domain.vocabulary import Guarantee, Outcome, Status
    from tidings.messages.delivery import (
        DeliveryPlan,
        DeliveryRequest,
        DeliveryResult,
        PersistRequest,
        RecordRequest,
        SendReport,
        SendRequest,
        SignalNote,
        StatusReport,
    )
    from tidings.temporal import names
    from workflows.trace import details

Request = TypeVar("Request", bound=BaseModel)
Answer = TypeVar("Answer")

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""How long a worker may be silent during a send before another takes over."""

MARGIN = timedelta(seconds=30)
"""What an attempt may take beside beginning and calling; a dead worker is noticed by its heartbeats."""

_QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=3)
_QUICK_LIMIT = timedelta(seconds=5)
"""Well below the workflow task timeout (10 s), so that trying locally costs no events of its own."""
_STEADY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))


@workflow.defn(name=names.WORKFLOW_TYPE)
class DeliverNotification:
    """Persists the notification, sends it until it is decided, and keeps the record true."""

    @workflow.init
    def __init__(self, request: DeliveryRequest) -> None:
        self._notification: Notification = request.notification
        self._state = DeliveryState.initial(request.notification)
        self._recorded = False
        self._expires_at: datetime | None = request.notification.expires_at
        self._attempts: list[Attempt] = []
        self._automatic_attempts = 0
        self._cancel_requested = False
        self._retry_requested = False

    @workflow.run
    async def run(self, request: DeliveryRequest) -> DeliveryResult:
        """Carry the notification to its end. Temporal's own cancellation is taken as the signal `cancel`."""
        delivery = asyncio.create_task(self._carry())
        while True:
            try:
                return await asyncio.shield(delivery)
            except asyncio.CancelledError:
                if delivery.done():
                    raise
                self._cancel_requested = True

    @workflow.signal(name=names.SIGNAL_CANCEL)
    def cancel(self, note: SignalNote | None = None) -> None:
        """Stop before the next attempt. Too late once a provider has accepted the message."""
        self._cancel_requested = True

    @workflow.signal(name=names.SIGNAL_RETRY)
    def retry(self, note: SignalNote | None = None) -> None:
        """Try again now: cuts a backoff short, revives `failed`, `unknown` and `expired`."""
        self._retry_requested = True
        if self._state.status.is_parked:
            # A `cancel` from before had nothing to stop; one that comes after this has.
            self._cancel_requested = False

    @workflow.query(name=names.QUERY_STATUS)
    def status(self) -> StatusReport:
        """Where the notification stands."""
        return StatusReport(
            status=self._state.status,
            attempt_count=self._state.attempt_count,
            next_attempt_at=self._state.next_attempt_at,
            state=self._state,
            recorded=self._recorded,
        )

    async def _carry(self) -> DeliveryResult:
        plan = await self._durably(
            RecordingActivities.persist,
            PersistRequest(notification=self._notification, state=self._state),
        )
        self._recorded = True
        self._show()
        await self._wait_for_send_at()
        # A `retry` that came before there was anything to retry asks for nothing.
        self._retry_requested = False
        await self._deliver(plan)
        while self._state.status.is_parked and await self._retried_within(plan.retry_window):
            await self._deliver(plan)
        return DeliveryResult(state=self._state)

    async def _wait_for_send_at(self) -> None:
        send_at = self._notification.send_at
        if send_at is not None and send_at > workflow.now():
            await self._wait(
                lambda: self._cancel_requested,
                until=min(send_at, self._expires_at or send_at),
                summary=f"scheduled for {send_at:%Y-%m-%d %H:%M:%S} UTC",
            )

    async def _deliver(self, plan: DeliveryPlan) -> None:
        """Attempt after attempt, until a status that is final."""
        while True:
            by_hand, self._retry_requested = self._retry_requested, False
            if self._cancel_requested:
                await self._stop(Status.CANCELLED)
            elif self._expires_at is not None and self._expires_at <= workflow.now():
                await self._stop(Status.EXPIRED)
            else:
                attempt = await self._attempt(plan)
                self._automatic_attempts += 0 if by_hand else 1
                await self._decide(attempt, plan)
            if self._state.status.is_final:
                return

    async def _attempt(self, plan: DeliveryPlan) -> Attempt:
        number = self._state.attempt_count + 1
        provider = self._notification.provider or plan.route[0]
        self._state = self._state.sending(number, provider, workflow.now())
        self._show()
        report: SendReport = await workflow.execute_activity_method(
            SendActivities.send,
            SendRequest(
                notification_id=self._notification.id,
                number=number,
                provider=provider,
                state=self._state,
                timeout=plan.attempt_timeout,
            ),
            task_queue=names.send_queue(self._notification.channel),
            start_to_close_timeout=timedelta(seconds=plan.attempt_timeout) + BEGIN_LIMIT + MARGIN,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            # Retried only where the provider was not called: the activity sees to that.
            retry_policy=_STEADY,
            summary=f"attempt {number} by {provider}",
        )
        self._attempts.append(report.attempt)
        if report.attempt.outcome is Outcome.ACCEPTED:
            self._state = self._state.accepted(report.attempt)
            self._recorded = report.recorded
        return report.attempt

    async def _decide(self, attempt: Attempt, plan: DeliveryPlan) -> None:
        # A `retry` that came during the attempt asked for no more than was under way.
        self._retry_requested = False
        if attempt.outcome is Outcome.ACCEPTED:
            await self._publish(attempt)
        elif attempt.outcome is Outcome.UNKNOWN and self._parks_when_unknown():
            await self._move(Status.UNKNOWN, attempt, error=attempt.error)
        elif self._cancel_requested:
            await self._stop(Status.CANCELLED, attempt)
        elif attempt.outcome is Outcome.PERMANENT:
            await self._move(Status.FAILED, attempt, error=attempt.error)
        else:
            await self._back_off(attempt, plan)

    def _parks_when_unknown(self) -> bool:
        # After a `cancel` nothing more is sent, and `cancelled` would claim that nothing was.
        return self._notification.guarantee is Guarantee.AT_MOST_ONCE or self._cancel_requested

    async def _stop(self, status: Status, attempt: Attempt | None = None) -> None:
        """End as `status`, which says that nothing went out, or as `unknown` if an attempt may have."""
        doubtful = [made for made in self._attempts if made.outcome is Outcome.UNKNOWN]
        if doubtful:
            await self._move(Status.UNKNOWN, attempt, error=doubtful[-1].error)
        else:
            await self._move(status, attempt, error=attempt.error if attempt else self._state.error)

    async def _back_off(self, attempt: Attempt, plan: DeliveryPlan) -> None:
        delay = plan.retry.delay_after(
            self._automatic_attempts, workflow.random().random(), attempt.retry_after
        )
        if delay is None:
            await self._move(Status.FAILED, attempt, error=attempt.error)
            return
        due = workflow.now() + timedelta(seconds=delay)
        expires_first = self._expires_at is not None and self._expires_at <= due
        await self._move(
            Status.RETRYING, attempt, error=attempt.error, next_attempt_at=None if expires_first else due
        )
        reason = attempt.error.code if attempt.error else attempt.outcome
        await self._wait(
            lambda: self._cancel_requested or self._retry_requested,
            until=min(due, self._expires_at or due),
            summary=f"backoff until {due:%Y-%m-%d %H:%M:%S} UTC after {reason}",
        )

    async def _retried_within(self, window: float) -> bool:
        """Wait, parked, for a `retry` by hand. A `cancel` has nothing to stop here."""
        until = workflow.now() + timedelta(seconds=window)
        await self._wait(
            lambda: self._retry_requested,
            until=until,
            summary=f"{self._state.status}: can be retried until {until:%Y-%m-%d %H:%M:%S} UTC",
        )
        if self._retry_requested and self._expires_at is not None and self._expires_at <= workflow.now():
            # Whoever retries a notification after its time wants it sent all the same.
            self._expires_at = None
        return self._retry_requested

    async def _wait(self, condition: Callable[[], bool], *, until: datetime, summary: str) -> None:
        seconds = (until - workflow.now()).total_seconds()
        if seconds <= 0 or condition():
            return
        try:
            await workflow.wait_condition(condition, timeout=seconds, timeout_summary=summary)
        except TimeoutError:
            return

    async def _move(
        self,
        status: Status,
        attempt: Attempt | None = None,
        *,
        error: DeliveryError | None = None,
        next_attempt_at: datetime | None = None,
    ) -> None:
        self._state = self._state.moved(status, workflow.now(), error=error, next_attempt_at=next_attempt_at)
        self._recorded = False
        await self._publish(attempt)

    async def _publish(self, attempt: Attempt | None) -> None:
        """Bring the search attribute, the details in the Web UI and the database up to the state."""
        status = self._state.status.value
        if workflow.info().typed_search_attributes.get(names.NOTIFICATION_STATUS) != status:
            workflow.upsert_search_attributes([names.NOTIFICATION_STATUS.value_set(status)])
        self._show()
        if not self._recorded:
            await self._durably(
                RecordingActivities.record,
                RecordRequest(notification_id=self._notification.id, state=self._state, attempt=attempt),
            )
            self._recorded = True

    def _show(self) -> None:
        workflow.set_current_details(details(self._state, self._attempts))

    async def _durably(
        self, step: Callable[[RecordingActivities, Request], Awaitable[Answer]], request: Request
    ) -> Answer:
        """Run a step of the record until it is done: here and now if the database answers, else for as
        long as it takes, as an activity whose retries cost no history."""
        try:
            return await workflow.execute_local_activity_method(
                step, request, schedule_to_close_timeout=_QUICK_LIMIT, retry_policy=_QUICK
            )
        except FailureError:  # of a local activity the SDK raises the bare cause
            return await workflow.execute_activity_method(
                step, request, start_to_close_timeout=timedelta(seconds=30), retry_policy=_STEADY
            )
