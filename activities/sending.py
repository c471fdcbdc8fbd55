"""Send: one attempt, one call of one provider, and never two for the same attempt number.

The attempt is in the database before the provider is called. A run that finds it there already, because
the worker of an earlier run died, does not call the provider again: it reports what the earlier run left,
and where that run left nothing, that nobody can know.

A run that is too early asks Temporal to be run again when it is time: waiting so costs no history, and while
it waits no worker has it, so that the workflow can take it back at once.
"""

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.ports import DeliveryLog, SendMeter
from activities.provider_watch import Choice, NobodySkipped, ProviderChooser
from activities.under_way import UnderWay
from tidings.domain.decision import state_after
from tidings.domain.notification import Attempt, DeliveryError, DeliveryState
from tidings.domain.receipt import SuppressionReason
from tidings.domain.record import BegunAttempt
from tidings.domain.suppression import Suppression, error_for
from tidings.domain.vocabulary import Channel, Outcome, Status
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    StorageUnavailable,
    TransientFailure,
    UnknownOutcome,
)
from tidings.messages.delivery import SendReport, SendRequest
from tidings.providers.protocol import Acceptance, OutgoingMessage, Provider

BEGIN_LIMIT = timedelta(minutes=5)
"""How long one run tries to begin. Only this run knows that it has not called anybody yet: a statement of
its that was lost on the way may still take effect, and the next run could not tell that from a call."""

_BEGIN_PAUSE = 1.0
"""Seconds between two tries."""

log = structlog.get_logger(__name__)


class ProviderSource(Protocol):
    """Where the provider of an attempt comes from."""

    def get(self, name: str, channel: Channel) -> Provider:
        """Raises ProviderMisconfigured if there is none of that name for the channel."""
        ...


class NothingCounted:
    """A meter that nobody reads."""

    def called(self, channel: Channel, provider: str, outcome: Outcome, seconds: float) -> None:
        """Is not kept."""

    def misconfigured(self, channel: Channel, provider: str, code: str) -> None:
        """Is not kept."""

    def skipping(self, channel: Channel, provider: str, *, skipped: bool) -> None:
        """Is not kept."""


class SendActivities:
    """Calls providers. By default each attempt calls the one it is meant for, and nothing is counted."""

    def __init__(
        self,
        delivery_log: DeliveryLog,
        providers: ProviderSource,
        chooser: ProviderChooser | None = None,
        meter: SendMeter | None = None,
    ) -> None:
        self._log = delivery_log
        self._providers = providers
        self._chooser = chooser or NobodySkipped()
        self._meter = meter or NothingCounted()

    @activity.defn(name="send")
    async def send(self, request: SendRequest) -> SendReport:
        """Make the attempt and report its outcome; a provider's refusal is a report, not an error.

        Raises ApplicationError (`NotDue`) before `due`, and StorageUnavailable if the attempt could not be
        begun: the provider was not called then.
        """
        clock = _Clock()
        if request.due is not None and clock.now() < request.due:
            raise ApplicationError(
                f"not before {request.due:%Y-%m-%d %H:%M:%S} UTC",
                type="NotDue",
                next_retry_delay=request.due - clock.now(),
                category=ApplicationErrorCategory.BENIGN,
            )
        if _is_expired(request, clock):
            return SendReport(attempt=None, state=request.state, recorded=False)
        return await UnderWay().finish(lambda under_way: self._attempt(request, clock, under_way))

    async def _attempt(self, request: SendRequest, clock: "_Clock", under_way: UnderWay) -> SendReport:
        choice = await self._chooser.choose(request)
        with contextlib.ExitStack() as uncalled:
            uncalled.callback(self._chooser.dropped, choice)
            return await self._attempt_by(choice, request, clock, under_way, uncalled)

    async def _attempt_by(
        self,
        choice: Choice,
        request: SendRequest,
        clock: "_Clock",
        under_way: UnderWay,
        uncalled: contextlib.ExitStack,
    ) -> SendReport:
        attempt = Attempt(number=request.number, provider=choice.provider, started_at=clock.now())
        sending = request.state.sending(
            attempt.number, attempt.provider, attempt.started_at, automatic=request.terms.automatic
        )
        begun = await self._begin(request.notification_id, attempt, sending, under_way)
        if begun.permitted and _is_expired(request, clock):
            # Beginning took that long: the number is used, but nobody was called.
            late = TransientFailure("expired", "It expired before the provider could be called.")
            attempt = _failed(attempt, late, clock.now())
        elif begun.permitted:
            uncalled.pop_all()
            attempt = await self._call(request, choice, attempt, begun, clock)
        elif begun.earlier is not None:
            attempt = settled(begun.earlier)
            # The run that began it may have found others skipped.
            sending = sending.model_copy(update={"provider": attempt.provider})
        elif begun.suppression is not None:
            return await self._refuse(request, begun.suppression, clock)
        else:
            return SendReport(attempt=None, state=begun.state, recorded=True)
        passed_over = self._chooser.passed_over(choice, request.terms.route)
        terms = request.terms.model_copy(update={"passed_over": passed_over})
        state = state_after(sending, attempt, terms)
        recorded = await self._record(request, state, attempt)
        return SendReport(attempt=attempt, state=state, recorded=recorded)

    async def _refuse(self, request: SendRequest, met: Suppression, clock: "_Clock") -> SendReport:
        """The end without an attempt: the recipient is on the suppression list."""
        # The revision that the attempt would have had is passed over: somebody may have been told of it.
        before = request.state.model_copy(update={"revision": request.state.revision + 1})
        state = before.moved(Status.FAILED, clock.now(), error=error_for(met))
        return SendReport(attempt=None, state=state, recorded=await self._record(request, state, None))

    async def _record(self, request: SendRequest, state: DeliveryState, attempt: Attempt | None) -> bool:
        """Whether it is recorded. Whatever keeps it from that must not hide an outcome: it would be sent
        again."""
        try:
            await self._log.record(request.notification_id, state, attempt)
        except Exception as error:
            log.warning(
                "outcome_not_recorded", notification_id=str(request.notification_id), error=repr(error)
            )
            return False
        return True

    async def _suppress(self, request: SendRequest, attempt: Attempt, failure: SendFailure) -> None:
        """Put a recipient that is gone on the list. Should that fail, the next message learns it again."""
        reason = failure.suppresses if isinstance(failure, PermanentFailure) else None
        if reason is None:
            return
        try:
            await self._log.suppress(request.notification_id, SuppressionReason(reason), attempt.provider)
        except Exception as error:
            log.warning("not_suppressed", notification_id=str(request.notification_id), error=repr(error))

    async def _begin(
        self, notification_id: UUID, attempt: Attempt, sending: DeliveryState, under_way: UnderWay
    ) -> BegunAttempt:
        info = activity.info()
        claim = f"{info.workflow_run_id}/{info.activity_id}/{info.attempt}"
        deadline = time.monotonic() + BEGIN_LIMIT.total_seconds()
        while True:
            try:
                return await self._log.begin(notification_id, attempt, sending, claim)
            except StorageUnavailable:
                if time.monotonic() + _BEGIN_PAUSE > deadline or activity.is_worker_shutdown():
                    raise
            # In vain so far: here, and only here, the attempt may still be given up.
            await under_way.pause(_BEGIN_PAUSE)

    async def _call(
        self, request: SendRequest, choice: Choice, attempt: Attempt, begun: BegunAttempt, clock: "_Clock"
    ) -> Attempt:
        notification = begun.notification
        message = OutgoingMessage(
            notification_id=notification.id,
            channel=notification.channel,
            recipient=notification.recipient,
            subject=notification.subject,
            body=notification.body,
            html=notification.html,
            metadata=notification.metadata,
            tags=list(notification.tags),
            created_at=notification.created_at,
            number=request.number,
            priority=notification.priority,
            expires_at=notification.expires_at,
        )
        since = time.monotonic()
        failure: SendFailure | None = None
        acceptance = Acceptance()
        try:
            provider = self._providers.get(attempt.provider, notification.channel)
            async with asyncio.timeout(request.timeout):
                acceptance = await provider.send(message)
        except SendFailure as raised:
            failure = raised
        except TimeoutError:
            failure = UnknownOutcome("timeout", f"The provider had not answered after {request.timeout:g} s.")
        except Exception:
            # A fault of ours: where it struck is not known here, so neither is the outcome.
            log.exception("provider_fault", notification_id=str(notification.id), provider=attempt.provider)
            failure = UnknownOutcome("provider_fault", "The provider adapter failed; see its log.")
        self._chooser.ended(choice, failure)
        if failure is None:
            attempt = _accepted(attempt, acceptance, clock.now())
        else:
            attempt = _failed(attempt, failure, clock.now())
            await self._suppress(request, attempt, failure)
        self._count(notification.channel, attempt, failure, time.monotonic() - since)
        return attempt

    def _count(self, channel: Channel, attempt: Attempt, failure: SendFailure | None, seconds: float) -> None:
        if attempt.outcome is not None:
            self._meter.called(channel, attempt.provider, attempt.outcome, seconds)
        if isinstance(failure, ProviderMisconfigured):
            # For the operator: the recipient and the caller can do nothing about it.
            self._meter.misconfigured(channel, attempt.provider, failure.code)
            log.error("provider_misconfigured", provider=attempt.provider, code=failure.code)


class _Clock:
    """Temporal's clock: what is due is decided by one clock, whichever machine the worker runs on."""

    def __init__(self) -> None:
        self._handed_over = activity.info().started_time
        self._since = time.monotonic()

    def now(self) -> datetime:
        """Now, in UTC."""
        return self._handed_over + timedelta(seconds=time.monotonic() - self._since)


def _is_expired(request: SendRequest, clock: _Clock) -> bool:
    expires_at = request.state.expires_at
    return expires_at is not None and expires_at <= clock.now()


def settled(earlier: Attempt) -> Attempt:
    """What an earlier run of an attempt came to; `unknown` if it began and was never heard of again."""
    if earlier.outcome is not None:
        return earlier
    error = DeliveryError(
        code="worker_lost",
        message="The worker ended during the attempt: the provider may or may not have taken the message.",
    )
    update = {"outcome": Outcome.UNKNOWN, "error": error, "finished_at": datetime.now(UTC)}
    return earlier.model_copy(update=update)


def _accepted(attempt: Attempt, acceptance: Acceptance, at: datetime) -> Attempt:
    return attempt.model_copy(
        update={
            "outcome": Outcome.ACCEPTED,
            "provider_reference": acceptance.reference,
            "finished_at": at,
        }
    )


def _failed(attempt: Attempt, failure: SendFailure, at: datetime) -> Attempt:
    outcomes = {TransientFailure: Outcome.TRANSIENT, PermanentFailure: Outcome.PERMANENT}
    outcome = next((to for kind, to in outcomes.items() if isinstance(failure, kind)), Outcome.UNKNOWN)
    wait = failure.retry_after if isinstance(failure, TransientFailure) else None
    return attempt.model_copy(
        update={
            "outcome": outcome,
            "misconfigured": isinstance(failure, ProviderMisconfigured),
            "error": DeliveryError(code=failure.code, message=failure.message),
            "retry_after": wait.total_seconds() if wait is not None else None,
            "finished_at": at,
        }
    )
