"""What a run knows of its notification, and where it is made known: database, search attribute, details."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.recording import RecordingActivities
    from tidings.domain.notification import Attempt, DeliveryState
    from tidings.domain.vocabulary import Outcome, Status
    from tidings.messages.delivery import (
        SHOWN_ATTEMPTS,
        DeliveryPlan,
        DeliveryRequest,
        PersistRequest,
        RecordRequest,
        SendRequest,
        WithdrawRequest,
    )
    from tidings.temporal import names
    from workflows.story.page import SHOWN_SIGNALS, Trace, details
    from workflows.story.steps import step_summary

Request = TypeVar("Request", PersistRequest, RecordRequest, WithdrawRequest)
Answer = TypeVar("Answer")

STEADY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))
"""How activities are retried that must come through."""

_QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=3)
_QUICK_LIMIT = timedelta(seconds=5)
"""Well below the workflow task timeout (10 s), so that trying locally costs no events of its own."""


class Journal:
    """The notification's state and its last attempts and signals, in this run and for all to see."""

    def __init__(self, request: DeliveryRequest) -> None:
        carried = request.carried
        self._notification = request.notification
        self.state = request.state or DeliveryState.initial(request.notification)
        # A namespace that lost the attribute shows none, not even on replay of what it had once: whoever
        # started this run gave it this status.
        self._begun_as = self.state.status.value
        self.recorded = carried is not None
        """Whether the database has this state."""
        self.attempts: list[Attempt] = carried.attempts if carried else []
        self.doubt = carried.doubt if carried else None
        """Why the message may have gone out already, if nobody can know."""
        self.signals: list[str] = carried.signals if carried else []
        self.under_way: SendRequest | None = None
        """The attempt that is due, or will be."""

    async def persist(self) -> DeliveryPlan:
        """Put the notification into the database; go on from what was there already."""
        self.show()
        request = PersistRequest(notification=self._notification, state=self.state)
        known = await self._durably(RecordingActivities.persist, request)
        # An earlier run may have brought it further than whoever started this one knew.
        self.state, self.attempts, self.doubt = known.state, known.attempts, known.doubt
        self.recorded = True
        return known.plan

    async def look_up(self) -> None:
        """Go on from what the database knows: a receipt may have brought it further."""
        await self.persist()

    async def adopt(self, state: DeliveryState, *, recorded: bool, attempt: Attempt | None = None) -> None:
        """Take over a state, and the attempt that led there, and make it known."""
        self.state, self.recorded = state, recorded
        await self.publish(attempt)

    async def publish(self, attempt: Attempt | None = None) -> None:
        """Bring the search attribute, the details in the Web UI and the database up to the state."""
        status = self.state.status.value
        known = workflow.info().typed_search_attributes.get(names.NOTIFICATION_STATUS, self._begun_as)
        if known != status and self.state.status is not Status.SENDING:
            workflow.upsert_search_attributes([names.NOTIFICATION_STATUS.value_set(status)])
        self.show()
        if not self.recorded:
            request = RecordRequest(notification_id=self._notification.id, state=self.state, attempt=attempt)
            await self._durably(RecordingActivities.record, request)
            self.recorded = True
            self.show()

    async def withdraw(self, number: int, ended: DeliveryState) -> Attempt | None:
        """Record the end before attempt `number`. The attempt if it has begun after all: no end then."""
        request = WithdrawRequest(notification_id=self._notification.id, number=number, state=ended)
        return (await self._durably(RecordingActivities.withdraw, request)).attempt

    def ended(self, status: Status) -> DeliveryState:
        """The end as `status`, which says that nothing went out, or as `unknown` if an attempt may have.

        Its revision is the one after next: the next would have been that of an attempt, and somebody who
        asked in the meantime may have been told of it.
        """
        state = self.state.model_copy(update={"revision": self.state.revision + 1})
        if self.doubt is not None:
            return state.moved(Status.UNKNOWN, workflow.now(), error=self.doubt)
        return state.moved(status, workflow.now())

    def remember(self, attempt: Attempt) -> None:
        """Keep a finished attempt in mind."""
        self.attempts = [*self.attempts, attempt][-SHOWN_ATTEMPTS:]
        if attempt.outcome is Outcome.UNKNOWN:
            self.doubt = attempt.error

    @property
    def last_attempt(self) -> Attempt | None:
        """The attempt before the next."""
        return self.attempts[-1] if self.attempts else None

    def note(self, signal: str) -> None:
        """Keep a line about a signal in mind, and show it."""
        self.signals = [*self.signals, signal][-SHOWN_SIGNALS:]
        self.show()

    def expire_at(self, at: datetime | None) -> None:
        """Move `expires_at`, or take it away (None). The next change of state records it."""
        self.state = self.state.model_copy(update={"expires_at": at})

    def show(self) -> None:
        """Bring the details in the Web UI up to date."""
        trace = Trace(
            id=str(self._notification.id),
            queue=names.send_queue(self._notification.channel),
            state=self.state,
            attempts=self.attempts,
            under_way=self.under_way,
            signals=self.signals,
            recorded=self.recorded,
        )
        workflow.set_current_details(details(trace))

    async def _durably(
        self, step: Callable[[RecordingActivities, Request], Awaitable[Answer]], request: Request
    ) -> Answer:
        """Run a step of the record until it is done: here and now if the database answers, else for as
        long as it takes, as an activity whose retries cost no history."""
        try:
            return await workflow.execute_local_activity_method(
                step,
                request,
                schedule_to_close_timeout=_QUICK_LIMIT,
                retry_policy=_QUICK,
                summary=step_summary(request),
            )
        except FailureError:  # of a local activity the SDK raises the bare cause
            return await workflow.execute_activity_method(
                step,
                request,
                start_to_close_timeout=timedelta(seconds=30),
                retry_policy=STEADY,
                summary=step_summary(request, patiently=True),
            )
