"""One call of one provider: the message as it goes out, who takes it, and every way in which it may fail."""

import asyncio
import time
from typing import Protocol

import structlog

from activities.attempt_outcome import outcome_of
from activities.files import Contents
from activities.ports import EndpointSecrets, SendMeter
from tidings.domain.attachment import Attachment
from tidings.domain.notification import Attempt, Notification
from tidings.domain.vocabulary import Channel, KeyMode, Outcome
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    StorageUnavailable,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.protocol import Acceptance, OutgoingAttachment, OutgoingMessage, Provider

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

    def retried(self, channel: Channel, provider: str, *, by_hand: bool) -> None:
        """Is not kept."""

    def reached(self, channel: Channel, seconds: float) -> None:
        """Is not kept."""

    def in_doubt(self, channel: Channel, provider: str, code: str) -> None:
        """Is not kept."""

    def misconfigured(self, channel: Channel, provider: str, code: str) -> None:
        """Is not kept."""

    def skipping(self, channel: Channel, provider: str, *, skipped: bool) -> None:
        """Is not kept."""


class ProviderCalls:
    """Calls one of `live`, or one of `sandboxed` for the notification of a test key, which nobody counts."""

    def __init__(
        self,
        live: ProviderSource,
        *,
        sandboxed: ProviderSource | None = None,
        secrets: EndpointSecrets | None = None,
        meter: SendMeter | None = None,
    ) -> None:
        self._sources = {KeyMode.LIVE: live, KeyMode.TEST: sandboxed}
        self._secrets = secrets
        self._meters = {KeyMode.LIVE: meter or NothingCounted(), KeyMode.TEST: NothingCounted()}

    async def message(self, notification: Notification, number: int, contents: Contents) -> OutgoingMessage:
        """The message of attempt `number`. Raises SendFailure where it cannot go out whole and signed."""
        return OutgoingMessage(
            notification_id=notification.id,
            channel=notification.channel,
            recipient=notification.recipient,
            subject=notification.subject,
            body=notification.body,
            html=notification.html,
            metadata=notification.metadata,
            tags=list(notification.tags),
            created_at=notification.created_at,
            number=number,
            priority=notification.priority,
            expires_at=notification.expires_at,
            attachments=[_outgoing(attachment, contents) for attachment in notification.attachments],
            data=notification.data,
            collapse_key=notification.collapse_key,
            signing_secrets=await self._signing_secrets(notification),
        )

    async def make(
        self, provider: str, message: OutgoingMessage, mode: KeyMode, limit: float
    ) -> Acceptance | SendFailure:
        """Call the provider, once. What it says comes back as a value, whatever it is; `limit` in seconds."""
        since = time.monotonic()
        answer = await self._answer(provider, message, mode, limit)
        seconds = time.monotonic() - since
        self._meters[mode].called(message.channel, provider, outcome_of(answer), seconds)
        if isinstance(answer, SendFailure):
            self.raise_alarm(provider, message.channel, mode, answer)
        return answer

    def count(self, notification: Notification, attempt: Attempt, *, by_hand: bool, first: bool) -> None:
        """Count what a finished attempt says beside its call. `first`: nobody has accepted it before."""
        meter, channel = self._meters[notification.mode], notification.channel
        if attempt.number > 1:
            meter.retried(channel, attempt.provider, by_hand=by_hand)
        if attempt.outcome is Outcome.UNKNOWN and attempt.error is not None:
            meter.in_doubt(channel, attempt.provider, attempt.error.code)
        if attempt.outcome is Outcome.ACCEPTED and first and attempt.finished_at is not None:
            due = max(notification.created_at, notification.send_at or notification.created_at)
            meter.reached(channel, (attempt.finished_at - due).total_seconds())

    def raise_alarm(self, provider: str, channel: Channel, mode: KeyMode, failure: SendFailure) -> None:
        """Tell the operator of a fault of our set-up: recipient and caller can do nothing about it."""
        if isinstance(failure, ProviderMisconfigured):
            self._meters[mode].misconfigured(channel, provider, failure.code)
            log.error("provider_misconfigured", provider=provider, code=failure.code)

    async def _answer(
        self, provider: str, message: OutgoingMessage, mode: KeyMode, limit: float
    ) -> Acceptance | SendFailure:
        try:
            called = self._provider(provider, message.channel, mode)
            async with asyncio.timeout(limit):
                return await called.send(message)
        except SendFailure as failure:
            return failure
        except TimeoutError:
            return UnknownOutcome("timeout", f"The provider had not answered after {limit:g} s.")
        except Exception:
            # A fault of ours: where it struck is not known here, so neither is the outcome.
            log.exception("provider_fault", notification_id=str(message.notification_id), provider=provider)
            return UnknownOutcome("provider_fault", "The provider adapter failed; see its log.")

    def _provider(self, name: str, channel: Channel, mode: KeyMode) -> Provider:
        source = self._sources[mode]
        if source is None:
            raise ProviderMisconfigured("no_sandbox", "this worker has no sandbox for test notifications")
        return source.get(name, channel)

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


def _outgoing(attachment: Attachment, contents: Contents) -> OutgoingAttachment:
    content = contents.get(attachment.sha256)
    if content is None:
        raise PermanentFailure("attachment_missing", "The content of an attachment is no longer kept.")
    return OutgoingAttachment(
        filename=attachment.filename,
        content_type=attachment.content_type,
        content=content,
        content_id=attachment.content_id,
    )
