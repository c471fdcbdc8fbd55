"""One notification from acceptance to its end. Every wait can be cut short here, so a signal acts at once.

Each status has one way on:

- `pending`, `scheduled`: wait for `send_at`, then attempt
- `retrying`: attempt, not before `next_attempt_at`
- `sending`: only where a run takes over from one that was ended amid an attempt: ask what became of it
- `failed`, `unknown`, `expired`: wait for a `retry`, as long as the retry window is
- `sent`, `delivered`, `cancelled`: the end
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.beginning import BEGIN_LIMIT
    from activities.sending import SendActivities
    from tidings.domain.decision import Terms, state_after
    from tidings.domain.route import provider_after
    from tidings.domain.vocabulary import KeyMode, Status
    from tidings.messages.delivery import (
        Carried,
        DeliveryPlan,
        DeliveryRequest,
        DeliveryResult,
        SendReport,
        SendRequest,
        SignalNote,
        StatusReport,
    )
    from tidings.temporal import names
    from tidings.temporal.encryption.clear_text import InClear
    from workflows.journal import STEADY, Journal
    from workflows.story.page import refused_retry_line, signal_line, unknown_signal_line
    from workflows.story.steps import (
        attempt_summary,
        expiry_summary,
        no_attempt_fits_summary,
        parked_summary,
        send_at_summary,
    )

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""How long a worker may be silent during a send before another takes over."""

MARGIN = timedelta(seconds=30)
"""What an attempt may take beside beginning and calling; a dead worker is noticed by its heartbeats."""

_NO_ARGUMENT = RawValue(Payload())


@workflow.defn(name=names.WORKFLOW_TYPE)
class DeliverNotification:
    """Persists the notification, sends it until it is decided, and keeps the record true."""

    @workflow.init
    def __init__(self, request: DeliveryRequest) -> None:
        carried = request.carried
        self._notification = request.notification
        self._journal = Journal(request)
        self._plan: DeliveryPlan | None = carried.plan if carried else None
        self._cancel_requested = carried.cancel_requested if carried else False
        self._retry_requested = carried.retry_requested if carried else None
        self._parked_until = carried.parked_until if carried else None
        self._window_is_over = False
        self._receipt_came = False
        self._expiry: asyncio.Task[None] | None = None

    @workflow.run
    async def run(self, request: DeliveryRequest) -> DeliveryResult:
        """Carry the notification to its end. Temporal's own cancellation is taken as the signal `cancel`."""
        delivery = asyncio.create_task(self._carry())
        while not delivery.done():
            try:
                await asyncio.shield(delivery)
            except asyncio.CancelledError:
                self._cancel_requested = True
        if plan := delivery.result():
            workflow.continue_as_new(self._handed_over(plan))
        return DeliveryResult(state=self._journal.state)

    @workflow.signal(name=names.SIGNAL_CANCEL)
    def cancel(self, argument: RawValue = _NO_ARGUMENT) -> None:
        """Stop before the next attempt. Too late once a provider has accepted the message."""
        # Whoever wants it stopped means it, whatever else was said.
        self._cancel_requested = True
        self._journal.note(signal_line(workflow.now(), names.SIGNAL_CANCEL, _understood(argument)))

    @workflow.signal(name=names.SIGNAL_RETRY)
    def retry(self, argument: RawValue = _NO_ARGUMENT) -> None:
        """Try again now: cuts a backoff short, revives `failed`, `unknown` and `expired`."""
        note = _understood(argument)
        if note is None or (note.expires_at is not None and note.expires_at <= workflow.now()):
            # It might be sent later than whoever signalled this wants it sent at all.
            self._journal.note(refused_retry_line(workflow.now(), note))
            return
        self._retry_requested = note
        if self._journal.state.status.is_parked:
            # A `cancel` from before had nothing to stop; one that comes after this has.
            self._cancel_requested = False
        self._journal.note(signal_line(workflow.now(), names.SIGNAL_RETRY, note))

    @workflow.signal(name=names.SIGNAL_RECEIPT)
    def receipt(self, argument: RawValue = _NO_ARGUMENT) -> None:
        """The database has a provider's later word: look there before anything else is done."""
        self._receipt_came = True

    @workflow.signal(dynamic=True)
    def other(self, name: str, _arguments: Sequence[RawValue]) -> None:
        """A signal we do not know, such as a misspelt one: said so in the trace, and of no effect."""
        self._journal.note(unknown_signal_line(workflow.now(), name))

    @workflow.query(name=names.QUERY_STATUS)
    def status(self) -> StatusReport:
        """Where the notification stands. An attempt that is due counts as under way."""
        state, attempt = self._journal.state, self._journal.under_way
        if attempt is not None:
            due = attempt.due or state.updated_at
            with workflow.unsafe.sandbox_unrestricted():
                # A query may look at the wall clock: `workflow.now()` is the time of the last event.
                is_due = due <= datetime.now(UTC)
            if is_due or attempt.due is None:
                state = state.sending(attempt.number, attempt.provider, due)
        return StatusReport(
            status=state.status,
            attempt_count=state.attempt_count,
            next_attempt_at=state.next_attempt_at,
            state=state,
            recorded=self._journal.recorded,
        )

    async def _carry(self) -> DeliveryPlan | None:
        """Go on until the end. The plan if a new run is to go on, because the history has grown long."""
        plan = self._plan or await self._journal.persist()
        await self._journal.publish()
        while True:
            if self._receipt_came:
                self._receipt_came = False
                await self._journal.look_up()
                await self._journal.publish()
                continue  # another may have come meanwhile
            if self._has_ended():
                return None
            if self._is_full():
                return plan
            await self._go_on(plan)

    def _has_ended(self) -> bool:
        status = self._journal.state.status
        return status.is_final and (self._window_is_over or not status.is_parked)

    async def _go_on(self, plan: DeliveryPlan) -> None:
        """From one status towards the next."""
        state = self._journal.state
        match state.status:
            case Status.PENDING | Status.SCHEDULED:
                if await self._wait_for_send_at():
                    await self._attempt(plan)
            case Status.RETRYING:
                if state.next_attempt_at is not None or await self._wait_for_expiry():
                    await self._attempt(plan, due=state.next_attempt_at)
            case Status.SENDING:
                # The worker of the run before may still be at it: it is given its time.
                due = state.updated_at + timedelta(seconds=plan.attempt_timeout) + HEARTBEAT_TIMEOUT
                await self._attempt(plan, number=state.attempt_count, due=due)
            case _:
                if await self._wait_for_retry(plan):
                    await self._attempt(plan)

    async def _wait_for_send_at(self) -> bool:
        """Whether its time has come, or a `cancel` has; False if something else has to be seen to first."""
        send_at = self._notification.send_at
        if send_at is not None and not await self._wait(
            lambda: self._cancel_requested,
            until=min(send_at, self._journal.state.expires_at or send_at),
            summary=send_at_summary(send_at),
        ):
            return False
        # A `retry` that came before there was anything to retry asks for nothing.
        self._retry_requested = None
        return True

    async def _wait_for_expiry(self) -> bool:
        """Wait in `retrying` without a next attempt: it would come too late. False if this run has to end."""
        until = self._journal.state.expires_at or workflow.now()
        return await self._wait(
            lambda: self._cancel_requested or self._retry_requested is not None,
            until=until,
            summary=no_attempt_fits_summary(until),
        )

    async def _wait_for_retry(self, plan: DeliveryPlan) -> bool:
        """Wait, parked, for a `retry` by hand. A `cancel` has nothing to stop here."""
        until = self._parked_until or workflow.now() + timedelta(seconds=plan.retry_window)
        self._parked_until = until
        waited = await self._wait(
            lambda: self._retry_requested is not None,
            until=until,
            summary=parked_summary(self._journal.state.status, until),
        )
        if self._retry_requested is None:
            self._window_is_over = waited
            return False
        self._parked_until = None
        if self._is_expired():
            # Whoever retries a notification after its time wants it sent all the same.
            self._set_expiry(None)
        return True

    async def _attempt(
        self, plan: DeliveryPlan, *, number: int | None = None, due: datetime | None = None
    ) -> None:
        """One attempt, or the end that comes before it: cancelled, expired, or this run's own."""
        # A `number` is given for one that has begun already: it only wants to be asked for.
        begun, number = number is not None, number or self._journal.state.attempt_count + 1
        while not self._is_full() and (begun or not self._receipt_came):
            by_hand = not begun and self._retry_requested is not None
            if by_hand:
                due = None
                self._grant_expiry()
            if not begun and (self._cancel_requested or self._is_expired()):
                self._retry_requested = None
                return await self._journal.adopt(self._journal.ended(self._stopped_as()), recorded=False)
            request = self._send_request(plan, number, due, automatic=not (by_hand or begun))
            report = await self._send(request, to_the_end=begun)
            if report is not None:
                return await self._adopt(report)
            # No worker has it any more; one that died may have begun it.
            if not begun and (self._cancel_requested or self._is_expired()):
                return await self._withdraw(request)
        return None

    def _stopped_as(self) -> Status:
        return Status.CANCELLED if self._cancel_requested else Status.EXPIRED

    def _send_request(
        self, plan: DeliveryPlan, number: int, due: datetime | None, *, automatic: bool
    ) -> SendRequest:
        return SendRequest(
            notification_id=self._notification.id,
            number=number,
            provider=provider_after(plan.route, self._journal.last_attempt),
            state=self._journal.state,
            terms=Terms(
                retry=plan.retry,
                guarantee=self._notification.guarantee,
                route=plan.route,
                fails_over_at_once=plan.fails_over_at_once,
                automatic=automatic,
                spread=workflow.random().random(),
            ),
            attachment_bytes=sum(attachment.size for attachment in self._notification.attachments),
            due=due,
            timeout=plan.attempt_timeout,
            channel=self._notification.channel if self._notification.mode is KeyMode.LIVE else None,
            last=self._journal.last_attempt,
        )

    async def _send(self, request: SendRequest, *, to_the_end: bool) -> SendReport | None:
        """What became of the attempt. None if it was taken back before a worker had reported anything.

        `to_the_end`: it is not taken back for a signal, nor for its time.
        """
        self._journal.under_way = request
        self._journal.show()
        sending = workflow.start_activity_method(
            SendActivities.send,
            request,
            task_queue=names.send_queue(self._notification.channel),
            start_to_close_timeout=timedelta(seconds=request.timeout) + BEGIN_LIMIT + MARGIN,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            # Retried only where the provider was not called: the activity sees to that.
            retry_policy=STEADY,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=attempt_summary(request),
        )
        self._watch_expiry()
        await workflow.wait_condition(
            lambda: sending.done() or self._is_full() or (not to_the_end and self._cuts_short(request))
        )
        if not sending.done():
            # Takes it back from the queue at once. An attempt under way is not broken off by it.
            sending.cancel()
        try:
            return await sending
        except ActivityError:
            return None
        finally:
            self._journal.under_way = None

    def _cuts_short(self, request: SendRequest) -> bool:
        early = request.due is not None and self._retry_requested is not None
        return early or self._cancel_requested or self._receipt_came or self._is_expired()

    async def _adopt(self, report: SendReport) -> None:
        """Go on from what the attempt has led to."""
        note = self._retry_requested
        if report.attempt is None or note is None or (note.after or 0) < report.attempt.number:
            # A `retry` that came meanwhile asked for no more than was under way.
            self._retry_requested = None
        state, recorded = report.state, report.recorded
        if report.attempt is not None:
            self._journal.remember(report.attempt)
        came_too_late = report.attempt is None and state.revision == self._journal.state.revision
        self._journal.state = state
        if came_too_late:
            state = self._journal.ended(Status.EXPIRED)
        elif self._cancel_requested and state.status in (Status.RETRYING, Status.FAILED):
            state, recorded = self._journal.ended(Status.CANCELLED), False
        await self._journal.adopt(state, recorded=recorded, attempt=report.attempt)

    async def _withdraw(self, request: SendRequest) -> None:
        """End before the attempt, unless a worker that died had begun it: then nobody can know."""
        ended = self._journal.ended(self._stopped_as())
        attempt = await self._journal.withdraw(request.number, ended)
        if attempt is None:
            return await self._adopt(SendReport(attempt=None, state=ended, recorded=True))
        sending = self._journal.state.sending(
            request.number, attempt.provider, workflow.now(), automatic=request.terms.automatic
        )
        state = state_after(sending, attempt, request.terms)
        return await self._adopt(SendReport(attempt=attempt, state=state, recorded=False))

    def _grant_expiry(self) -> None:
        """Take over the other `expires_at` that a `retry` may have brought."""
        note = self._retry_requested
        if note is not None and note.expires_at not in (None, self._journal.state.expires_at):
            self._set_expiry(note.expires_at)

    def _set_expiry(self, at: datetime | None) -> None:
        self._journal.expire_at(at)
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _is_expired(self) -> bool:
        expires_at = self._journal.state.expires_at
        return expires_at is not None and expires_at <= workflow.now()

    def _watch_expiry(self) -> None:
        """Have the workflow woken when the notification expires: one timer, however many attempts."""
        expires_at = self._journal.state.expires_at
        if self._expiry is None and expires_at is not None and not self._is_expired():
            left = expires_at - workflow.now()
            self._expiry = asyncio.create_task(workflow.sleep(left, summary=expiry_summary(expires_at)))

    def _is_full(self) -> bool:
        """Whether the history has grown so long that a new run should go on."""
        return workflow.info().is_continue_as_new_suggested()

    async def _wait(self, condition: Callable[[], bool], *, until: datetime, summary: InClear) -> bool:
        """Whether `condition` or `until` has come; False if a receipt has, or this run has to end first."""
        left = (until - workflow.now()).total_seconds()
        if left <= 0 or condition():
            return True
        try:
            await workflow.wait_condition(
                lambda: condition() or self._receipt_came or self._is_full(),
                timeout=left,
                timeout_summary=summary,
            )
        except TimeoutError:
            return True
        return condition()

    def _handed_over(self, plan: DeliveryPlan) -> DeliveryRequest:
        return DeliveryRequest(
            notification=self._notification,
            state=self._journal.state,
            carried=Carried(
                plan=plan,
                attempts=self._journal.attempts,
                doubt=self._journal.doubt,
                signals=self._journal.signals,
                cancel_requested=self._cancel_requested,
                retry_requested=self._retry_requested,
                parked_until=self._parked_until,
            ),
        )


def _understood(argument: RawValue) -> SignalNote | None:
    """A signal's argument: none, a note, or the reason alone. None if it is neither."""
    if argument is _NO_ARGUMENT:
        return SignalNote()
    try:
        given = workflow.payload_converter().from_payload(argument.payload)
        return SignalNote.model_validate({"reason": given} if isinstance(given, str) else given or {})
    except Exception:  # whatever the converter makes of what somebody typed
        return None
