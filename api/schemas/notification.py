"""Notifications as callers get them."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.fields import UtcTime
from tidings.domain.notification import Attempt, DeliveryError, Notification
from tidings.domain.receipt import Receipt, ReceiptKind
from tidings.domain.record import NotificationRecord
from tidings.domain.sms_segments import SmsEncoding, sms_segments
from tidings.domain.vocabulary import Channel, KeyMode, Outcome, Priority, Status


class _View(BaseModel):
    # Everything is given, null included, so that the schema says so.
    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class ErrorView(_View):
    """Why it failed: a stable code and words safe to show."""

    code: str
    message: str

    @classmethod
    def of(cls, error: DeliveryError | None) -> Self | None:
        """The error, if there is one."""
        return None if error is None else cls(code=error.code, message=error.message)


class WorkflowView(_View):
    """The workflow that delivers it, and its page in the Temporal Web UI."""

    id: str
    url: str


class SegmentsView(_View):
    """A text message as carriers count it, and charge for it."""

    count: int
    encoding: SmsEncoding
    characters: int

    @classmethod
    def of(cls, notification: Notification) -> Self | None:
        """The count, if it is a text message."""
        if notification.channel is not Channel.SMS:
            return None
        segments = sms_segments(notification.body)
        return cls(count=segments.count, encoding=segments.encoding, characters=len(notification.body))


class AttachmentView(_View):
    """A file that goes with an e-mail, without its content."""

    filename: str
    content_type: str
    size: int = Field(description="In bytes.")
    sha256: str
    content_id: str | None


class AttemptView(_View):
    """One call of one provider. `outcome` is null while it runs."""

    number: int
    provider: str
    outcome: Outcome | None
    error: ErrorView | None
    provider_reference: str | None
    response: str | None = Field(
        description="The first 1,024 bytes of a webhook target's answer; null where there was none."
    )
    started_at: UtcTime
    finished_at: UtcTime | None

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """The attempt as its caller sees it."""
        return cls(
            number=attempt.number,
            provider=attempt.provider,
            outcome=attempt.outcome,
            error=ErrorView.of(attempt.error),
            provider_reference=attempt.provider_reference,
            response=attempt.response,
            started_at=attempt.started_at,
            finished_at=attempt.finished_at,
        )


class ReceiptView(_View):
    """A provider's later word. `noted` changes no status: a complaint says that the mail had arrived."""

    provider: str
    kind: ReceiptKind
    error: ErrorView | None
    provider_reference: str | None
    occurred_at: UtcTime

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """The receipt as its notification's owner sees it."""
        return cls(
            provider=receipt.provider,
            kind=receipt.kind,
            error=ErrorView.of(receipt.error),
            provider_reference=receipt.provider_reference,
            occurred_at=receipt.occurred_at,
        )


class NotificationView(_View):
    """A notification and where it stands."""

    id: str
    mode: KeyMode = Field(description="`test` for a notification of a test key: it goes to the sandbox.")
    channel: Channel
    recipient: str
    subject: str | None
    status: Status
    priority: Priority
    tags: list[str]
    metadata: dict[str, Any] | None
    attachments: list[AttachmentView]
    data: dict[str, str] | None
    collapse_key: str | None
    segments: SegmentsView | None = Field(description="Of an SMS; null for other channels.")
    provider: str | None = Field(description="The provider of the last attempt, or the one pinned.")
    provider_reference: str | None = Field(description="The provider's own id of the message.")
    error: ErrorView | None
    attempt_count: int
    next_attempt_at: UtcTime | None
    send_at: UtcTime | None
    expires_at: UtcTime | None
    created_at: UtcTime
    sent_at: UtcTime | None
    delivered_at: UtcTime | None
    updated_at: UtcTime
    schedule_id: str | None = Field(description="The schedule that fired it, if one did.")
    workflow: WorkflowView

    @classmethod
    def of(cls, record: NotificationRecord, workflow: WorkflowView, **more: Any) -> Self:
        """The record as its owner sees it."""
        notification, state = record.notification, record.state
        return cls(
            id=str(notification.id),
            mode=notification.mode,
            channel=notification.channel,
            recipient=notification.recipient,
            subject=notification.subject,
            status=state.status,
            priority=notification.priority,
            tags=notification.tags,
            metadata=notification.metadata,
            attachments=[AttachmentView(**dict(each)) for each in notification.attachments],
            data=notification.data,
            collapse_key=notification.collapse_key,
            segments=SegmentsView.of(notification),
            provider=state.provider or notification.provider,
            provider_reference=state.provider_reference,
            error=ErrorView.of(state.error),
            attempt_count=state.attempt_count,
            next_attempt_at=state.next_attempt_at,
            send_at=notification.send_at,
            expires_at=state.expires_at,
            created_at=notification.created_at,
            sent_at=state.sent_at,
            delivered_at=state.delivered_at,
            updated_at=state.updated_at,
            schedule_id=str(notification.schedule_id) if notification.schedule_id else None,
            workflow=workflow,
            **more,
        )


class NotificationDetails(NotificationView):
    """A notification with its body, every attempt and every receipt."""

    body: str
    attempts: list[AttemptView]
    receipts: list[ReceiptView]

    @classmethod
    def of(cls, record: NotificationRecord, workflow: WorkflowView, **more: Any) -> Self:
        """The record with its attempts and receipts."""
        attempts = [AttemptView.of(attempt) for attempt in record.attempts]
        receipts = [ReceiptView.of(receipt) for receipt in record.receipts]
        body = record.notification.body
        return super().of(record, workflow, body=body, attempts=attempts, receipts=receipts, **more)
