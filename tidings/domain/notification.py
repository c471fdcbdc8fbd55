"""A notification: what was submitted, and the state delivery has brought it to."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tidings.domain.attachment import Attachment
from tidings.domain.vocabulary import Channel, Guarantee, KeyMode, Outcome, Priority, Status


class Notification(BaseModel):
    """One message to one recipient over one channel, as accepted. It never changes."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    tenant: str
    mode: KeyMode = KeyMode.LIVE
    """That of the key it was submitted with: `test` is delivered into the sandbox, whatever is set up."""
    channel: Channel
    recipient: str
    subject: str | None = None
    body: str
    html: str | None = None
    metadata: dict[str, Any] | None = None
    tags: list[str] = []
    priority: Priority = Priority.NORMAL
    guarantee: Guarantee = Guarantee.AT_LEAST_ONCE
    attachments: list[Attachment] = []
    """Email only. Their contents are stored apart."""
    data: dict[str, str] | None = None
    """Push only: what goes to the app; None: the metadata does."""
    collapse_key: str | None = None
    """Push only: a message replaces an earlier one with the same key on the device."""
    provider: str | None = None
    """The provider the caller pinned, or None for the channel's route."""
    send_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    created_at: AwareDatetime
    idempotency_key: str | None = None
    """The caller's Idempotency-Key, if one came along; `id` was derived from it then."""
    fingerprint: str | None = None
    """What a later submission under the same key is compared with: SHA-256 of the body, in hex."""
    schedule_id: UUID | None = None
    """The schedule that fired it, or None for a notification of its own."""


class DeliveryError(BaseModel):
    """Why an attempt or a notification failed, in words safe to show to its owner."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str


class Attempt(BaseModel):
    """One call of one provider, numbered 1, 2, 3 … without gaps. `outcome` is None while it runs."""

    model_config = ConfigDict(frozen=True)

    number: int
    provider: str
    outcome: Outcome | None = None
    error: DeliveryError | None = None
    provider_reference: str | None = None
    misconfigured: bool = False
    """Our own set-up of the provider was refused, not the message: another provider may take it."""
    retry_after: float | None = None
    """Seconds the provider asked us to wait after `finished_at`."""
    response: str | None = None
    """The beginning of a webhook target's answer, accepted or not; None if there was none."""
    started_at: AwareDatetime
    finished_at: AwareDatetime | None = None


class DeliveryState(BaseModel):
    """The half of a notification that changes. The workflow owns it; `revision` orders its versions.

    Every store keeps the version with the highest revision, so a late write changes nothing.
    """

    model_config = ConfigDict(frozen=True)

    status: Status = Status.PENDING
    revision: int = 0
    attempt_count: int = 0
    automatic_attempts: int = 0
    """How many of the attempts count against the retry schedule's budget: all but those made by hand."""
    provider: str | None = None
    provider_reference: str | None = None
    error: DeliveryError | None = None
    next_attempt_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    """No attempt begins at or after this time. A `retry` may move it or take it away."""
    sent_at: AwareDatetime | None = None
    delivered_at: AwareDatetime | None = None
    updated_at: AwareDatetime

    @classmethod
    def initial(cls, notification: Notification) -> Self:
        """The state a notification is accepted with: `scheduled` if it waits for `send_at`."""
        waits = notification.send_at is not None and notification.send_at > notification.created_at
        return cls(
            status=Status.SCHEDULED if waits else Status.PENDING,
            next_attempt_at=notification.send_at if waits else None,
            expires_at=notification.expires_at,
            updated_at=notification.created_at,
        )

    def moved(self, status: Status, at: datetime, **changes: Any) -> Self:
        """The next version: a new status and a new revision. `next_attempt_at` is unset unless given."""
        changes.setdefault("next_attempt_at", None)
        return self.model_copy(
            update={"status": status, "revision": self.revision + 1, "updated_at": at, **changes}
        )

    def sending(self, number: int, provider: str, at: datetime, *, automatic: bool = True) -> Self:
        """The state while attempt `number` is under way; an `automatic` one counts against the budget."""
        spent = self.automatic_attempts + (1 if automatic else 0)
        return self.moved(
            Status.SENDING, at, attempt_count=number, automatic_attempts=spent, provider=provider
        )

    def accepted(self, attempt: Attempt) -> Self:
        """The state after a provider accepted the message. `sent_at` is set once."""
        at = attempt.finished_at or attempt.started_at
        return self.moved(
            Status.SENT,
            at,
            error=None,
            provider=attempt.provider,
            provider_reference=attempt.provider_reference,
            sent_at=self.sent_at or at,
        )
