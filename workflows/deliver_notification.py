"""One notification from acceptance to its end. Every wait can be cut short here, so a signal acts at once.

Each status has one way on:

- `pending`, `scheduled`: wait for `send_at`, then attempt
- `retrying`: attempt, not before `next_attempt_at`
- `sending`: only where a run takes over from one that was ended amid an attempt: ask what became of it
- `failed`, `unknown`, `expired`: wait for a `retry`, as long as the retry window is
- `sent`, `delivered`, `cancelled`: the end
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, FailureError

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from activities.recording import RecordingActivities
    from activities.sending import BEGIN_LIMIT, SendActivities
    from tidings.domain.decision import Terms, state_after
    from tidings.domain.notification import Attempt, DeliveryState
    from tidings.domain.vocabulary import Outcome, Status
    from tidings.messages.delivery import (
        SHOWN_ATTEMPTS,
        Carried,
        DeliveryPlan,
        DeliveryRequest,
        DeliveryResult,
        PersistRequest,
        RecordRequest,
        SendReport,
        SendRequest,
        SignalNote,
        StatusReport,
        WithdrawRequest,
    )
    from tidings.temporal import names
    from workflows.trace import SHOWN_SIGNALS, attempt_summary, details, signal_line

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
        carried = request.carried
        self._notification = request.notification
        self._state = request.state or DeliveryState.initial(request.notification)
        self._recorded = carried is not None
        self._plan: DeliveryPlan | None = carried.plan if carried else None
        self._attempts: list[Attempt] = carried.attempts if carried else []
        self._doubt = carried.doubt if carried else None
        self._signals: list[str] = carried.signals if carried else []
        self._cancel_requested = carried.cancel_requested if carried else False
        self._retry_requested = carried.retry_requested if carried else None
        self._parked_until = carried.parked_until if carried else None
        self._next: SendRequest | None = None
        self._expiry: asyncio.Task[None] | None = None

    @workflow.run
    async def run(self, request: DeliveryRequest) -> DeliveryResult:
        """Carry the notification to its end. Temporal's own cancellation is taken as the signal `cancel`."""
        delivery = asyncio.create_task(self._carry())
        while not delivery.done():
            try:
                await asyncio.shield(delivery)
            except asyncio.CancelledError:
                if delivery.done():
                    raise
                self._cancel_requested = True
        if plan := delivery.result():
            workflow.continue_as_new(self._handed_over(plan))
        return DeliveryResult(state=self._state)

    @workflow.signal(name=names.SIGNAL_CANCEL)
    def cancel(self, note: SignalNote | None = None) -> None:
        """Stop before the next attempt. Too late once a provider has accepted the message."""
        self._cancel_requested = True
        self._note(names.SIGNAL_CANCEL, note)

    @workflow.signal(name=names.SIGNAL_RETRY)
    def retry(self, note: SignalNote | None = None) -> None:
        """Try again now: cuts a backoff short, revives `failed`, `unknown` and `expired`."""
        self._retry_requested = note or SignalNote()
        if self._state.status.is_parked:
            # A `cancel` from before had nothing to stop; one that comes after this has.
            self._cancel_requested = False
        self._note(names.SIGNAL_RETRY, note)

    @workflow.query(name=names.QUERY_STATUS)
    def status(self) -> StatusReport:
        """Where the notification stands. An attempt that is due counts as under way."""
        state = self._state
        if self._next is not None:
            due = self._next.due or state.updated_at
            with workflow.unsafe.sandbox_unrestricted():
                # A query may look at the wall clock: `workflow.now()` is the time of the last event.
                is_due = self._next.due is None or due <= datetime.now(UTC)
            if is_due:
                state = state.sending(self._next.number, self._next.provider, due)
        return StatusReport(
            status=state.status,
            attempt_count=state.attempt_count,
            next_attempt_at=state.next_attempt_at,
            state=state,
            recorded=self._recorded,
        )

    async def _carry(self) -> DeliveryPlan | None:
        """Go on until the end. The plan if a new run is to go on, because the history has grown long."""
        plan = self._plan or await self._persist()
        await self._publish(None)
        while not self._is_full():
            match self._state.status:
                case Status.PENDING | Status.SCHEDULED:
                    if await self._wait_for_send_at():
                        await self._attempt(plan)
                case Status.RETRYING:
                    if self._state.next_attempt_at is not None or await self._wait_for_expiry():
                        await self._attempt(plan, due=self._state.next_attempt_at)
                case Status.SENDING:
                    await self._attempt(plan, number=self._state.attempt_count)
                case status if status.is_parked:
                    if await self._retried(plan):
                        await self._attempt(plan)
                    elif not self._is_full():
                        return None
                case _:
                    return None
        return plan

    async def _persist(self) -> DeliveryPlan:
        known = await self._durably(
            RecordingActivities.persist, PersistRequest(notification=self._notification, state=self._state)
        )
        # An earlier run may have brought it further than whoever started this one knew.
        self._state, self._attempts, self._doubt = known.state, known.attempts, known.doubt
        self._recorded = True
        return known.plan

    async def _wait_for_send_at(self) -> bool:
        """Whether its time has come, or a `cancel` has; False if this run has to end first."""
        send_at = self._notification.send_at
        if send_at is not None and not await self._wait(
            lambda: self._cancel_requested,
            until=min(send_at, self._state.expires_at or send_at),
            summary=f"scheduled for {send_at:%Y-%m-%d %H:%M:%S} UTC",
        ):
            return False
        # A `retry` that came before there was anything to retry asks for nothing.
        self._retry_requested = None
        return True

    async def _attempt(
        self, plan: DeliveryPlan, *, number: int | None = None, due: datetime | None = None
    ) -> None:
        """One attempt, or the end that comes before it: cancelled, expired, or this run's own."""
        number, again = number or self._state.attempt_count + 1, number is not None
        by_hand = False
        while not self._is_full():
            if self._take_retry():
                due, by_hand = None, True
            if self._cancel_requested and not again:
                return await self._stop(Status.CANCELLED)
            if self._is_expired() and not again:
                return await self._stop(Status.EXPIRED)
            request = self._send_request(plan, number, due, automatic=not (by_hand or again))
            report = await self._send(request)
            if report is not None:
                return await self._adopt(report)
            # No worker has it any more; one that died may have begun it.
            if self._cancel_requested or self._is_expired():
                return await self._withdraw(request)
        return None

    def _send_request(
        self, plan: DeliveryPlan, number: int, due: datetime | None, *, automatic: bool
    ) -> SendRequest:
        return SendRequest(
            notification_id=self._notification.id,
            number=number,
            provider=self._notification.provider or plan.route[0],
            state=self._state,
            terms=Terms(
                retry=plan.retry,
                guarantee=self._notification.guarantee,
                automatic=automatic,
                spread=workflow.random().random(),
            ),
            due=due,
            timeout=plan.attempt_timeout,
        )

    async def _send(self, request: SendRequest) -> SendReport | None:
        """What became of the attempt. None if it was taken back before a worker had reported anything."""
        self._next = request
        self._show()
        sending = workflow.start_activity_method(
            SendActivities.send,
            request,
            task_queue=names.send_queue(self._notification.channel),
            start_to_close_timeout=timedelta(seconds=request.timeout) + BEGIN_LIMIT + MARGIN,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            # Retried only where the provider was not called: the activity sees to that.
            retry_policy=_STEADY,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=attempt_summary(request),
        )

        def cut_short() -> bool:
            early = request.due is not None and self._retry_requested is not None
            return early or self._cancel_requested or self._is_expired() or self._is_full()

        self._watch_expiry()
        await workflow.wait_condition(lambda: sending.done() or cut_short())
        if not sending.done():
            # Takes it back from the queue at once. An attempt under way is not broken off by it.
            sending.cancel()
        try:
            return await sending
        except ActivityError:
            return None
        finally:
            self._next = None

    async def _adopt(self, report: SendReport) -> None:
        """Go on from what the attempt has led to."""
        self._state, self._recorded = report.state, report.recorded
        # A `retry` that came meanwhile asked for no more than was under way.
        self._retry_requested = None
        if report.attempt is None:
            # None was made: it was too late for one, or the database knew better and has its say.
            if not report.recorded:
                await self._stop(Status.EXPIRED)
            else:
                await self._publish(None)
            return
        self._remember(report.attempt)
        if self._cancel_requested and self._state.status in (Status.RETRYING, Status.FAILED):
            await self._stop(Status.CANCELLED, report.attempt)
        else:
            await self._publish(report.attempt)

    async def _withdraw(self, request: SendRequest) -> None:
        """End before the attempt, unless a worker that died had begun it: then nobody can know."""
        ended = self._ended(Status.CANCELLED if self._cancel_requested else Status.EXPIRED)
        found = await self._durably(
            RecordingActivities.withdraw,
            WithdrawRequest(notification_id=request.notification_id, number=request.number, state=ended),
        )
        if found.attempt is None:
            return await self._adopt(SendReport(attempt=None, state=ended, recorded=True))
        sending = self._state.sending(
            request.number, request.provider, workflow.now(), automatic=request.terms.automatic
        )
        state = state_after(sending, found.attempt, request.terms)
        return await self._adopt(SendReport(attempt=found.attempt, state=state, recorded=False))

    async def _stop(self, status: Status, attempt: Attempt | None = None) -> None:
        self._state, self._recorded = self._ended(status), False
        await self._publish(attempt)

    def _ended(self, status: Status) -> DeliveryState:
        """The end as `status`, which says that nothing went out, or as `unknown` if an attempt may have."""
        if self._doubt is not None:
            return self._state.moved(Status.UNKNOWN, workflow.now(), error=self._doubt)
        return self._state.moved(status, workflow.now())

    def _remember(self, attempt: Attempt) -> None:
        self._attempts = [*self._attempts, attempt][-SHOWN_ATTEMPTS:]
        if attempt.outcome is Outcome.UNKNOWN:
            self._doubt = attempt.error

    async def _wait_for_expiry(self) -> bool:
        """Wait in `retrying` without a next attempt: it would come too late. False if this run has to end."""
        until = self._state.expires_at or workflow.now()
        return await self._wait(
            lambda: self._cancel_requested or self._retry_requested is not None,
            until=until,
            summary=f"no attempt fits before it expires at {until:%Y-%m-%d %H:%M:%S} UTC",
        )

    async def _retried(self, plan: DeliveryPlan) -> bool:
        """Wait, parked, for a `retry` by hand; False when the window is over."""
        until = self._parked_until or workflow.now() + timedelta(seconds=plan.retry_window)
        self._parked_until = until
        await self._wait(
            lambda: self._retry_requested is not None,
            until=until,
            summary=f"{self._state.status}: can be retried until {until:%Y-%m-%d %H:%M:%S} UTC",
        )
        if self._retry_requested is None:
            return False
        self._parked_until = None
        if self._is_expired():
            # Whoever retries a notification after its time wants it sent all the same.
            self._set_expiry(None)
        return True

    def _take_retry(self) -> bool:
        """Whether a `retry` was asked for, with the other `expires_at` it may have brought."""
        note, self._retry_requested = self._retry_requested, None
        if note is not None and note.expires_at is not None:
            self._set_expiry(note.expires_at)
        return note is not None

    def _set_expiry(self, at: datetime | None) -> None:
        self._state = self._state.model_copy(update={"expires_at": at})
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _is_expired(self) -> bool:
        return self._state.expires_at is not None and self._state.expires_at <= workflow.now()

    def _watch_expiry(self) -> None:
        """Have the workflow woken when the notification expires: one timer, however many attempts."""
        if self._expiry is None and self._state.expires_at is not None and not self._is_expired():
            left = self._state.expires_at - workflow.now()
            self._expiry = asyncio.create_task(workflow.sleep(left, summary="expires"))

    def _is_full(self) -> bool:
        """Whether the history has grown so long that a new run should go on."""
        return workflow.info().is_continue_as_new_suggested()

    async def _wait(self, condition: Callable[[], bool], *, until: datetime, summary: str) -> bool:
        """Whether `condition` or `until` has come; False if this run has to end first."""
        left = (until - workflow.now()).total_seconds()
        if left <= 0 or condition():
            return True
        try:
            await workflow.wait_condition(
                lambda: condition() or self._is_full(), timeout=left, timeout_summary=summary
            )
        except TimeoutError:
            return True
        return condition()

    async def _publish(self, attempt: Attempt | None) -> None:
        """Bring the search attribute, the details in the Web UI and the database up to the state."""
        status = self._state.status.value
        known = workflow.info().typed_search_attributes.get(names.NOTIFICATION_STATUS)
        if known != status and self._state.status is not Status.SENDING:
            workflow.upsert_search_attributes([names.NOTIFICATION_STATUS.value_set(status)])
        self._show()
        if not self._recorded:
            await self._durably(
                RecordingActivities.record,
                RecordRequest(notification_id=self._notification.id, state=self._state, attempt=attempt),
            )
            self._recorded = True

    def _note(self, signal: str, note: SignalNote | None) -> None:
        line = signal_line(workflow.now(), signal, note)
        self._signals = [*self._signals, line][-SHOWN_SIGNALS:]
        self._show()

    def _show(self) -> None:
        workflow.set_current_details(details(self._state, self._attempts, self._next, self._signals))

    def _handed_over(self, plan: DeliveryPlan) -> DeliveryRequest:
        return DeliveryRequest(
            notification=self._notification,
            state=self._state,
            carried=Carried(
                plan=plan,
                attempts=self._attempts,
                doubt=self._doubt,
                signals=self._signals,
                cancel_requested=self._cancel_requested,
                retry_requested=self._retry_requested,
                parked_until=self._parked_until,
            ),
        )

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
