"""What the API, the workflow and its activities say to one another. One model in, one out."""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tidings.domain.notification import Attempt, DeliveryState, Notification
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.vocabulary import Status


class Message(BaseModel):
    """Base: a value, not a place."""

    model_config = ConfigDict(frozen=True)


class DeliveryRequest(Message):
    """Starts the workflow `DeliverNotification`."""

    notification: Notification


class DeliveryResult(Message):
    """What the workflow ends with: the state it leaves the notification in."""

    state: DeliveryState


class PersistRequest(Message):
    """Puts a notification into the database, once, however often it is asked."""

    notification: Notification
    state: DeliveryState


class DeliveryPlan(Message):
    """How the worker that persisted the notification means to deliver it. Times in seconds."""

    route: list[str]
    retry: RetrySchedule
    attempt_timeout: float
    """The longest one call of a provider may take."""
    retry_window: float
    """How long the workflow stays open for a `retry` by hand after the last failure."""


class SendRequest(Message):
    """One attempt. `state` is the notification's state while the attempt is under way."""

    notification_id: UUID
    number: int
    provider: str
    state: DeliveryState
    timeout: float
    """Seconds the provider call may take."""


class SendReport(Message):
    """What became of the attempt; `recorded` if the database already has the state that follows from it."""

    attempt: Attempt
    recorded: bool


class RecordRequest(Message):
    """Brings the database up to a state of the notification, and to the attempt that led there."""

    notification_id: UUID
    state: DeliveryState
    attempt: Attempt | None = None


class SignalNote(Message):
    """The optional argument of the signals `cancel` and `retry`."""

    reason: str | None = None


class StatusReport(Message):
    """The answer of the query `status`: the workflow's own view, ahead of the database if they differ."""

    status: Status
    attempt_count: int
    next_attempt_at: AwareDatetime | None
    state: DeliveryState
    recorded: bool
    """Whether the database has this state already."""
