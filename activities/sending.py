"""Send: one attempt, one call of one provider, and never two for the same attempt number.

The attempt is in the database before the provider is called. A run that finds it there already, because
the worker of an earlier run died, does not call the provider again: it reports what the earlier run left,
and where that run left nothing, that nobody can know.

Files that go with the message are loaded before the attempt begins: a database that is away costs none.

A run that is too early asks Temporal to be run again when it is time: waiting so costs no history, and while
it waits no worker has it, so that the workflow can take it back at once.
"""

import contextlib
from functools import partial

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.attempt_outcome import failed, finished, settled
from activities.attempt_span import attempt_span, note_answer
from activities.beginning import Beginning
from activities.files import NO_FILES, Contents, Files
from activities.ports import DeliveryLog
from activities.provider_calls import ProviderCalls
from activities.provider_watch import Choice, NobodySkipped, ProviderChooser
from activities.temporal_clock import TemporalClock
from activities.under_way import UnderWay
from tidings.domain.decision import state_after
from tidings.domain.notification import Attempt, DeliveryState, Notification
from tidings.domain.receipt import SuppressionReason
from tidings.domain.suppression import Suppression, error_for
from tidings.domain.vocabulary import Status
from tidings.errors import PermanentFailure, SendFailure, TransientFailure
from tidings.messages.delivery import SendReport, SendRequest
from tidings.providers.protocol import Acceptance
from tidings.temporal.failures import FailureType

log = structlog.get_logger(__name__)


class SendActivities:
    """Makes attempts. By default each calls the provider that it is meant for."""

    def __init__(
        self,
        delivery_log: DeliveryLog,
        calls: ProviderCalls,
        *,
        chooser: ProviderChooser | None = None,
        files: Files | None = None,
    ) -> None:
        self._log = delivery_log
        self._calls = calls
        self._chooser = chooser or NobodySkipped()
        self._files = files or Files()

    @activity.defn(name="send")
    async def send(self, request: SendRequest) -> SendReport:
        """Make the attempt and report its outcome; a provider's refusal is a report, not an error.

        Raises ApplicationError (`NotDue`) before `due` or (`NoRoom`) while other files fill the memory, and
        StorageUnavailable if the attempt could not be begun: the provider was not called then.
        """
        clock = TemporalClock()
        if request.due is not None and clock.now() < request.due:
            raise ApplicationError(
                f"not before {request.due:%Y-%m-%d %H:%M:%S} UTC",
                type=FailureType.NOT_DUE,
                next_retry_delay=request.due - clock.now(),
                category=ApplicationErrorCategory.BENIGN,
            )
        if clock.has_passed(request.state.expires_at):
            return _too_late(request)
        with self._files.room(request.attachment_bytes):
            return await UnderWay().finish(
                lambda under_way: self._attempt(request, clock, Beginning(under_way))
            )

    async def _attempt(self, request: SendRequest, clock: TemporalClock, beginning: Beginning) -> SendReport:
        contents = NO_FILES
        if request.attachment_bytes:
            contents = await beginning.tried(partial(self._files.load, request.notification_id))
            if clock.has_passed(request.state.expires_at):
                return _too_late(request)
        choice = await self._chooser.choose(request)
        with contextlib.ExitStack() as uncalled:
            uncalled.callback(self._chooser.dropped, choice)
            return await self._attempt_by(choice, request, clock, beginning, contents, uncalled)

    async def _attempt_by(
        self,
        choice: Choice,
        request: SendRequest,
        clock: TemporalClock,
        beginning: Beginning,
        contents: Contents,
        uncalled: contextlib.ExitStack,
    ) -> SendReport:
        attempt = Attempt(number=request.number, provider=choice.provider, started_at=clock.now())
        sending = request.state.sending(
            attempt.number, attempt.provider, attempt.started_at, automatic=request.terms.automatic
        )
        begin = partial(self._log.begin, request.notification_id, attempt, sending, _claim())
        begun = await beginning.tried(begin)
        if begun.permitted and clock.has_passed(request.state.expires_at):
            # Beginning took that long: the number is used, but nobody was called.
            late = TransientFailure("expired", "It expired before the provider could be called.")
            attempt = failed(attempt, late, clock.now())
        elif begun.permitted:
            answer = await self._called(choice, request, begun.notification, contents, uncalled)
            attempt = finished(attempt, answer, clock.now())
            self._count(request, begun.notification, attempt)
            await self._suppress(request, attempt, answer)
        elif begun.earlier is not None:
            attempt = settled(begun.earlier)
            if begun.earlier.outcome is None:
                # The run that began it died before it could count anything.
                self._count(request, begun.notification, attempt)
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

    async def _called(
        self,
        choice: Choice,
        request: SendRequest,
        notification: Notification,
        contents: Contents,
        uncalled: contextlib.ExitStack,
    ) -> Acceptance | SendFailure:
        """The provider's answer, or why it could not even be called."""
        with attempt_span(choice.provider, notification, request.number) as span:
            try:
                message = await self._calls.message(notification, request.number, contents)
            except SendFailure as failure:
                self._calls.raise_alarm(choice.provider, notification.channel, notification.mode, failure)
                note_answer(span, failure)
                return failure
            uncalled.pop_all()
            answer = await self._calls.make(choice.provider, message, notification.mode, request.timeout)
            note_answer(span, answer)
        self._chooser.ended(choice, answer if isinstance(answer, SendFailure) else None)
        return answer

    def _count(self, request: SendRequest, notification: Notification, attempt: Attempt) -> None:
        by_hand, first = not request.terms.automatic, request.state.sent_at is None
        self._calls.count(notification, attempt, by_hand=by_hand, first=first)

    async def _refuse(self, request: SendRequest, met: Suppression, clock: TemporalClock) -> SendReport:
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
                "outcome_not_recorded", notification_id=str(request.notification_id), error=_named(error)
            )
            return False
        return True

    async def _suppress(
        self, request: SendRequest, attempt: Attempt, answer: Acceptance | SendFailure
    ) -> None:
        """Put a recipient that is gone on the list. Should that fail, the next message learns it again."""
        reason = answer.suppresses if isinstance(answer, PermanentFailure) else None
        if reason is None:
            return
        try:
            await self._log.suppress(request.notification_id, SuppressionReason(reason), attempt.provider)
        except Exception as error:
            log.warning("not_suppressed", notification_id=str(request.notification_id), error=_named(error))


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _too_late(request: SendRequest) -> SendReport:
    return SendReport(attempt=None, state=request.state, recorded=False)


def _claim() -> str:
    """Who begins: this run of the activity, and no other."""
    info = activity.info()
    return f"{info.workflow_run_id}/{info.activity_id}/{info.attempt}"
