"""`ses`: SES's events, event publishing's and feedback notifications alike, as SNS posts them.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html (event publishing),
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html (feedback notifications),
https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html (how long SNS tries).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

import structlog

from tidings.domain.notification import DeliveryError
from tidings.domain.providers import NOTIFICATION_HEADER
from tidings.domain.receipt import Receipt, ReceiptKind, SuppressionReason
from tidings.errors import ForgedCallback, MalformedCallback
from tidings.providers.callbacks.content import (
    json_object,
    member,
    notification_id,
    reason,
    time_of_text,
    word,
)
from tidings.providers.callbacks.protocol import CallbackRequest
from tidings.providers.callbacks.sns_calls import HttpSnsCalls, SnsCalls
from tidings.providers.callbacks.sns_message import (
    NOTIFICATION,
    SUBSCRIPTION,
    SnsMessage,
    is_certificate_address,
    is_confirmation_address,
    verifier,
)
from tidings.providers.ses import NOTIFICATION_TAG, SesSettings
from tidings.settings import ProviderSettings

log = structlog.get_logger(__name__)

_CLOCKS_APART = timedelta(minutes=5)
_OLDEST = timedelta(hours=1) + _CLOCKS_APART
"""SNS tries an HTTP endpoint for at most 3,600 s, and its time stays that of the first try."""
_CERTIFICATES = 8
_GREETING = "Successfully validated SNS topic"
"""What SES publishes, as plain text, when a topic is set up for its events."""

Meaning = tuple[ReceiptKind, DeliveryError | None, SuppressionReason | None]


@dataclass(slots=True)
class SesCallbacks:
    """Reads one event per request, and confirms the subscriptions of allowed topics."""

    own: SesSettings
    calls: SnsCalls
    name: str = "ses"
    _verifiers: OrderedDict[str, Callable[[SnsMessage, datetime], bool]] = field(default_factory=OrderedDict)
    _fetching: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def build(cls, settings: ProviderSettings) -> Self:
        """With its own settings from the environment."""
        return cls(SesSettings.load(), HttpSnsCalls(settings))

    async def read(self, request: CallbackRequest, now: datetime) -> list[Receipt]:
        """The receipt in it, or none."""
        message = await self._checked(request, now)
        if message.type == SUBSCRIPTION:
            await self._confirm(message)
        if message.type != NOTIFICATION or message.text.startswith(_GREETING):
            return []
        event = json_object(message.text)
        if event is None:
            raise MalformedCallback("ses: the message is no JSON object")
        found = _receipt(self.name, message, event, now)
        return [found] if found is not None else []

    async def aclose(self) -> None:
        """Close pooled connections."""
        await self.calls.aclose()

    async def _checked(self, request: CallbackRequest, now: datetime) -> SnsMessage:
        """The message, once its signature is found to be SNS's. What is cheap to see is looked at first."""
        if not self.own.ses_topics:
            raise ForgedCallback("ses: TIDINGS_SES_TOPICS is not set")
        message = SnsMessage.parse(request.body)
        if message.topic not in self.own.ses_topics:
            raise ForgedCallback("ses: the topic is none of TIDINGS_SES_TOPICS")
        if not -_CLOCKS_APART <= now - message.at <= _OLDEST:
            raise ForgedCallback("ses: published too long ago, or in the future")
        if not is_certificate_address(message.certificate_url):
            raise ForgedCallback("ses: the certificate's address is not one of SNS")
        if not await self._verified(message, now):
            raise ForgedCallback("ses: the signature is wrong")
        return message

    async def _verified(self, message: SnsMessage, now: datetime) -> bool:
        url = message.certificate_url
        if url not in self._verifiers:
            # One at a time: a flood of made-up addresses makes no flood of requests.
            async with self._fetching:
                if url not in self._verifiers:
                    verify = _verifier_of(await self.calls.get(url))
                    if not verify(message, now):
                        # Kept is what proved right: another region's certificate is to displace none.
                        return False
                    self._verifiers[url] = verify
                    if len(self._verifiers) > _CERTIFICATES:
                        self._verifiers.popitem(last=False)
                    return True
        return self._verifiers[url](message, now)

    async def _confirm(self, message: SnsMessage) -> None:
        if not is_confirmation_address(message.subscribe_url, message.topic):
            raise ForgedCallback("ses: the address to confirm at is not one of SNS")
        await self.calls.get(message.subscribe_url)
        log.info("ses_topic_confirmed", topic=message.topic)


def _verifier_of(pem: bytes) -> Callable[[SnsMessage, datetime], bool]:
    try:
        return verifier(pem)
    except ValueError as error:
        raise ForgedCallback("ses: no certificate at the address that it names") from error


def _receipt(provider: str, message: SnsMessage, event: dict[str, Any], now: datetime) -> Receipt | None:
    kind = event.get("eventType", event.get("notificationType"))
    identifier = _notification(event)
    if not isinstance(kind, str) or kind not in EVENTS or identifier is None:
        return None
    read, name = EVENTS[kind]
    meaning = read(member(event, name))
    if meaning is None:
        return None
    at = time_of_text(member(event, name).get("timestamp")) or message.at
    return Receipt(
        provider=provider,
        event_id=message.id,
        notification_id=identifier,
        provider_reference=word(member(event, "mail").get("messageId")),
        kind=meaning[0],
        error=meaning[1],
        suppresses=meaning[2],
        occurred_at=min(at, now),
    )


def _notification(event: dict[str, Any]) -> UUID | None:
    """By the tag, which event publishing gives back, or else by the mail's own header."""
    mail = member(event, "mail")
    tagged = member(mail, "tags").get(NOTIFICATION_TAG)
    if isinstance(tagged, list) and len(tagged) == 1:
        return notification_id(tagged[0])
    headers = mail.get("headers")
    values = [
        header.get("value")
        for header in (headers if isinstance(headers, list) else [])
        if isinstance(header, dict) and str(header.get("name")).lower() == NOTIFICATION_HEADER.lower()
    ]
    return notification_id(values[0]) if len(values) == 1 else None


def _delivered(_delivery: dict[str, Any]) -> Meaning:
    return ReceiptKind.DELIVERED, None, None


def _bounced(bounce: dict[str, Any]) -> Meaning:
    kind, more = word(bounce.get("bounceType")) or "Undetermined", word(bounce.get("bounceSubType"))
    code = "_".join(["ses_bounce", kind, *([more] if more else [])])
    recipients = bounce.get("bouncedRecipients")
    first = recipients[0] if isinstance(recipients, list) and recipients else None
    said = first.get("diagnosticCode") or first.get("status") if isinstance(first, dict) else None
    gone = SuppressionReason.HARD_BOUNCE if kind == "Permanent" else None
    return ReceiptKind.FAILED, reason(code, said), gone


def _complained(complaint: dict[str, Any]) -> Meaning | None:
    feedback = word(complaint.get("complaintFeedbackType"))
    if feedback == "not-spam":
        # The contrary: somebody took the mail out of a spam folder.
        return None
    error = reason("ses_complaint", feedback or "the recipient marked the mail as spam")
    return ReceiptKind.NOTED, error, SuppressionReason.COMPLAINT


def _rejected(reject: dict[str, Any]) -> Meaning:
    return ReceiptKind.FAILED, reason("ses_reject", reject.get("reason")), None


def _not_rendered(failure: dict[str, Any]) -> Meaning:
    return ReceiptKind.FAILED, reason("ses_rendering_failure", failure.get("errorMessage")), None


EVENTS: dict[str, tuple[Callable[[dict[str, Any]], Meaning | None], str]] = {
    "Delivery": (_delivered, "delivery"),
    "Bounce": (_bounced, "bounce"),
    "Complaint": (_complained, "complaint"),
    "Reject": (_rejected, "reject"),
    "Rendering Failure": (_not_rendered, "failure"),
}
"""How events are read, and under which name they tell of themselves. All others settle nothing."""
