"""Send: one attempt, one call of one provider, and never two for the same attempt number.

The attempt is in the database before the provider is called. A run that finds it there already, because
the worker of an earlier run died, does not call the provider again: it reports what the earlier run left,
and where that run left nothing, that nobody can know.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from temporalio import activity

from activities.ports import DeliveryLog
from tidings.domain.notification import Attempt, DeliveryError
from tidings.domain.record import BegunAttempt
from tidings.domain.vocabulary import Channel, Outcome
from tidings.errors import (
    PermanentFailure,
    SendFailure,
    StorageUnavailable,
    TransientFailure,
    UnknownOutcome,
)
from tidings.messages.delivery import SendReport, SendRequest
from tidings.providers.protocol import OutgoingMessage, Provider

HEARTBEAT_EVERY = timedelta(seconds=3)
"""Well below the heartbeat timeout that the workflow sets, so that one late beat is no death."""

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
    """Calls providers."""

    def __init__(self, delivery_log: DeliveryLog, providers: ProviderSource) -> None:
        self._log = delivery_log
        self._providers = providers

    @activity.defn(name="send")
    async def send(self, request: SendRequest) -> SendReport:
        """Make the attempt and report its outcome; a provider's refusal is a report, not an error.

        Raises StorageUnavailable if the attempt could not be begun; the provider was not called then.
        """
        attempt = Attempt(number=request.number, provider=request.provider, started_at=_now())
        async with _heartbeats():
            begun = await self._begin(request, attempt)
            if begun.earlier is not None:
                return SendReport(attempt=_settled(begun.earlier), recorded=begun.recorded)
            attempt = await self._call(request, attempt, begun)
            return SendReport(attempt=attempt, recorded=await self._keep(request, attempt))

    async def _begin(self, request: SendRequest, attempt: Attempt) -> BegunAttempt:
        info = activity.info()
        claim = f"{info.workflow_run_id}/{info.activity_id}/{info.attempt}"
        deadline = time.monotonic() + BEGIN_LIMIT.total_seconds()
        while True:
            try:
                return await self._log.begin(request.notification_id, attempt, request.state, claim)
            except StorageUnavailable:
                if time.monotonic() + _BEGIN_PAUSE > deadline or activity.is_worker_shutdown():
                    raise
            await asyncio.sleep(_BEGIN_PAUSE)

    async def _call(self, request: SendRequest, attempt: Attempt, begun: BegunAttempt) -> Attempt:
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
        )
        try:
            provider = self._providers.get(request.provider, notification.channel)
            async with asyncio.timeout(request.timeout):
                acceptance = await provider.send(message)
        except SendFailure as failure:
            return _failed(attempt, failure)
        except TimeoutError:
            late = UnknownOutcome("timeout", f"The provider had not answered after {request.timeout:g} s.")
            return _failed(attempt, late)
        except Exception:
            # A fault of ours: where it struck is not known here, so neither is the outcome.
            log.exception("provider_fault", notification_id=str(notification.id), provider=request.provider)
            return _failed(
                attempt, UnknownOutcome("provider_fault", "The provider adapter failed; see its log.")
            )
        return attempt.model_copy(
            update={
                "outcome": Outcome.ACCEPTED,
                "provider_reference": acceptance.reference,
                "finished_at": _now(),
            }
        )

    async def _keep(self, request: SendRequest, attempt: Attempt) -> bool:
        """Write the outcome down at once. False if the database would not: the workflow sees to it then."""
        accepted = attempt.outcome is Outcome.ACCEPTED
        state = request.state.accepted(attempt) if accepted else request.state
        try:
            await self._log.record(request.notification_id, state, attempt)
        except Exception as error:
            # Whatever the cause, an error here must not hide an outcome: it would be sent again.
            log.warning(
                "outcome_not_recorded", notification_id=str(request.notification_id), error=repr(error)
            )
            return False
        return accepted


def _now() -> datetime:
    return datetime.now(UTC)


def _settled(earlier: Attempt) -> Attempt:
    """What an earlier run of this attempt came to; `unknown` if it began and was never heard of again."""
    if earlier.outcome is not None:
        return earlier
    error = DeliveryError(
        code="worker_lost",
        message="The worker ended during the attempt: the provider may or may not have taken the message.",
    )
    return earlier.model_copy(update={"outcome": Outcome.UNKNOWN, "error": error, "finished_at": _now()})


def _failed(attempt: Attempt, failure: SendFailure) -> Attempt:
    outcomes = {TransientFailure: Outcome.TRANSIENT, PermanentFailure: Outcome.PERMANENT}
    outcome = next((to for kind, to in outcomes.items() if isinstance(failure, kind)), Outcome.UNKNOWN)
    wait = failure.retry_after if isinstance(failure, TransientFailure) else None
    return attempt.model_copy(
        update={
            "outcome": outcome,
            "error": DeliveryError(code=failure.code, message=failure.message),
            "retry_after": wait.total_seconds() if wait is not None else None,
            "finished_at": _now(),
        }
    )


@contextlib.asynccontextmanager
async def _heartbeats() -> AsyncIterator[None]:
    """Tell Temporal that this worker lives while the block runs."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(HEARTBEAT_EVERY.total_seconds())

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
