"""What the API, the workflow and its activities say to one another. One model in, one out."""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tidings.domain.decision import Terms
from tidings.domain.notification import Attempt, DeliveryError, DeliveryState, Notification
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.vocabulary import Channel, Status

SHOWN_ATTEMPTS = 20
"""How many attempts the workflow keeps in mind, for the details in the Web UI; the database has all."""


class Message(BaseModel):
    """Base: a value, not a place."""

    model_config = ConfigDict(frozen=True)


class TenantMessage(Message):
    """A message that knows whose it is: it is sealed for that tenant, and so is what comes of it."""

    @property
    def tenant(self) -> str:
        """The tenant."""
        raise NotImplementedError


class DeliveryPlan(Message):
    """How the worker that persisted the notification means to deliver it. Times in seconds."""

    route: list[str]
    """Providers in order."""
    fails_over_at_once: bool = False
    """Whether the next provider takes over a passing failure at once."""
    retry: RetrySchedule
    attempt_timeout: float
    """The longest one call of a provider may take."""
    retry_window: float
    """How long the workflow stays open for a `retry` by hand after the last failure."""


class SignalNote(Message):
    """The optional argument of the signals `cancel` and `retry`."""

    reason: str | None = None
    """Shown in the trace."""
    expires_at: AwareDatetime | None = None
    """`retry` only: no attempt begins at or after this time, whatever the notification said before."""
    after: int | None = None
    """`retry` only: whoever asks knows how the attempt of this number ended, and means one after it."""


class Carried(Message):
    """What one run of the workflow hands to the next beside the state (continue-as-new)."""

    plan: DeliveryPlan
    attempts: list[Attempt]
    """The last ones, for the details in the Web UI."""
    doubt: DeliveryError | None
    signals: list[str]
    cancel_requested: bool
    retry_requested: SignalNote | None
    parked_until: AwareDatetime | None


class DeliveryRequest(TenantMessage):
    """Starts the workflow `DeliverNotification`."""

    notification: Notification
    state: DeliveryState | None = None
    """Where an earlier run has brought the notification; None for a new one."""
    carried: Carried | None = None

    @property
    def tenant(self) -> str:
        """The notification's."""
        return self.notification.tenant


class DeliveryResult(Message):
    """What the workflow ends with: the state it leaves the notification in."""

    state: DeliveryState


class PersistRequest(TenantMessage):
    """Puts a notification into the database, once, however often it is asked."""

    notification: Notification
    state: DeliveryState

    @property
    def tenant(self) -> str:
        """The notification's."""
        return self.notification.tenant


class Persisted(Message):
    """The plan, and what the database knew of the notification: `state` is the one asked for if it is new."""

    plan: DeliveryPlan
    state: DeliveryState
    attempts: list[Attempt] = []
    """The last ones."""
    doubt: DeliveryError | None = None
    """Why it may have gone out already, if an attempt ended as `unknown`."""


class SendRequest(Message):
    """One attempt. `state` is the notification's state before it."""

    notification_id: UUID
    number: int
    provider: str
    """Who is to send; another of the route where this one is skipped."""
    state: DeliveryState
    terms: Terms
    attachment_bytes: int = 0
    """The size of the files that have to be there before the attempt begins."""
    due: AwareDatetime | None = None
    """Not before this time; None: now."""
    timeout: float
    """Seconds the provider call may take."""
    channel: Channel | None = None
    """Whose providers may take one another's place; None: no other is chosen, nor is it watched how it fares.
    So it is with test notifications: the sandbox says nothing of the real ones."""
    last: Attempt | None = None
    """The attempt before."""


class SendReport(Message):
    """What became of the attempt, and the state that follows; `recorded` if the database has that already.

    `attempt` is None if none was made: `expires_at` had passed, or the database knew better.
    """

    attempt: Attempt | None
    state: DeliveryState
    recorded: bool


class WithdrawRequest(Message):
    """Brings the database to `state` unless attempt `number` has begun, and bars that attempt."""

    notification_id: UUID
    number: int
    state: DeliveryState


class WithdrawReport(Message):
    """`attempt` is what was found instead, if it had begun: the state is not reached then."""

    attempt: Attempt | None


class RecordRequest(Message):
    """Brings the database up to a state of the notification, and to the attempt that led there."""

    notification_id: UUID
    state: DeliveryState
    attempt: Attempt | None = None


class StatusReport(Message):
    """The answer of the query `status`: the workflow's own view, ahead of the database if they differ."""

    status: Status
    attempt_count: int
    next_attempt_at: AwareDatetime | None
    state: DeliveryState
    recorded: bool
    """Whether the database has this state already."""
