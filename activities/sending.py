"""Send: one attempt, one call of one provider, and never two for the same attempt number.

The attempt is in the database before the provider is called. A run that finds it there already, because
the worker of an earlier run died, does not call the provider again: it reports what the earlier run left,
and where that run left nothing, that nobody can know.

A run that is too early asks Temporal to be run again when it is time: waiting so costs no history, and while
it waits no worker has it, so that the workflow can take it back at once.
"""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.ports import DeliveryLog, EndpointSecrets
from activities.under_way import UnderWay
from tidings.domain.decision import state_after
from tidings.domain.notification import Attempt, DeliveryError, DeliveryState, Notification
from tidings.domain.record import BegunAttempt
from tidings.domain.vocabulary import Channel, KeyMode, Outcome
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    StorageUnavailable,
    TransientFailure,
    UnknownOutcome,
)
from tidings.messages.delivery import SendReport, SendRequest
from tidings.providers.protocol import OutgoingMessage, Provider

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


class SendActivities:
    """Calls providers: one of `providers`, or one of `sandboxed` for notifications of test keys."""

    def __init__(
        self,
        delivery_log: DeliveryLog,
        providers: ProviderSource,
        sandboxed: ProviderSource | None = None,
        secrets: EndpointSecrets | None = None,
    ) -> None:
        self._log = delivery_log
        self._secrets = secrets
        self._providers = {KeyMode.LIVE: providers, KeyMode.TEST: sandboxed}

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
        attempt = Attempt(number=request.number, provider=request.provider, started_at=clock.now())
        sending = request.state.sending(
            attempt.number, attempt.provider, attempt.started_at, automatic=request.terms.automatic
        )
        begun = await self._begin(request.notification_id, attempt, sending, under_way)
        if begun.permitted and _is_expired(request, clock):
            # Beginning took that long: the number is used, but nobody was called.
            late = TransientFailure("expired", "It expired before the provider could be called.")
            attempt = _failed(attempt, late, clock.now())
        elif begun.permitted:
            attempt = await self._call(request, attempt, begun, clock)
        elif begun.earlier is not None:
            attempt = settled(begun.earlier)
        else:
            return SendReport(attempt=None, state=begun.state, recorded=True)
        state = state_after(sending, attempt, request.terms)
        recorded = True
        try:
            await self._log.record(request.notification_id, state, attempt)
        except Exception as error:
            # Whatever the cause, an error here must not hide an outcome: it would be sent again.
            log.warning(
                "outcome_not_recorded", notification_id=str(request.notification_id), error=repr(error)
            )
            recorded = False
        return SendReport(attempt=attempt, state=state, recorded=recorded)

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

    def _provider(self, name: str, notification: Notification) -> Provider:
        source = self._providers[notification.mode]
        if source is None:
            raise ProviderMisconfigured("no_sandbox", "this worker has no sandbox for test notifications")
        return source.get(name, notification.channel)

    async def _signing_secrets(self, notification: Notification) -> tuple[str, ...]:
        if self._secrets is None or notification.channel is not Channel.WEBHOOK:
            return ()
        if notification.mode is KeyMode.TEST:
            return ()
        try:
            return await self._secrets.of(notification.tenant, notification.recipient)
        except StorageUnavailable as error:
            # Unsigned or signed by another secret, the receiver would refuse it, perhaps for good.
            raise TransientFailure(
                "secrets_unavailable", "the endpoint's secret cannot be known now"
            ) from error

    async def _call(
        self, request: SendRequest, attempt: Attempt, begun: BegunAttempt, clock: "_Clock"
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
        try:
            provider = self._provider(request.provider, notification)
            message = replace(message, signing_secrets=await self._signing_secrets(notification))
            async with asyncio.timeout(request.timeout):
                acceptance = await provider.send(message)
        except SendFailure as failure:
            if isinstance(failure, ProviderMisconfigured):
                # For the operator: the recipient and the caller can do nothing about it.
                log.error("provider_misconfigured", provider=request.provider, code=failure.code)
            return _failed(attempt, failure, clock.now())
        except TimeoutError:
            late = UnknownOutcome("timeout", f"The provider had not answered after {request.timeout:g} s.")
            return _failed(attempt, late, clock.now())
        except Exception:
            # A fault of ours: where it struck is not known here, so neither is the outcome.
            log.exception("provider_fault", notification_id=str(notification.id), provider=request.provider)
            fault = UnknownOutcome("provider_fault", "The provider adapter failed; see its log.")
            return _failed(attempt, fault, clock.now())
        return attempt.model_copy(
            update={
                "outcome": Outcome.ACCEPTED,
                "provider_reference": acceptance.reference,
                "response": acceptance.response,
                "finished_at": clock.now(),
            }
        )


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
            "response": failure.response,
            "finished_at": at,
        }
    )
