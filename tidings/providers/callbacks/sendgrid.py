"""`sendgrid`: the signed Event Webhook, many events in one request.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
(the signature), https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event (the events).
"""

from base64 import b64decode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Self

import structlog
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tidings.domain.notification import DeliveryError
from tidings.domain.receipt import Receipt, ReceiptKind, SuppressionReason
from tidings.errors import ForgedCallback, MalformedCallback, SetupError
from tidings.providers.callbacks.content import (
    json_value,
    notification_id,
    reason,
    signature,
    time_of_seconds,
    word,
)
from tidings.providers.callbacks.protocol import CallbackRequest
from tidings.providers.sendgrid import NOTIFICATION_ARGUMENT, SendgridSettings
from tidings.settings import ProviderSettings

log = structlog.get_logger(__name__)

SIGNATURE_HEADER = "x-twilio-email-event-webhook-signature"
TIMESTAMP_HEADER = "x-twilio-email-event-webhook-timestamp"
MOST_EVENTS = 5_000
"""SendGrid sends at most 768 KB at once: that is fewer, and what has more is not from there."""

_CLOCKS_APART = timedelta(minutes=5)

Meaning = tuple[ReceiptKind, DeliveryError | None, SuppressionReason | None]

DROPPED: dict[str, SuppressionReason] = {
    "bounced address": SuppressionReason.HARD_BOUNCE,
    "invalid": SuppressionReason.HARD_BOUNCE,
    "spam reporting address": SuppressionReason.COMPLAINT,
    "unsubscribed address": SuppressionReason.OPT_OUT,
}
"""What it says of the recipient that SendGrid itself did not send, by the documented values of `reason`."""


def _delivered(_event: dict[str, Any]) -> Meaning:
    return ReceiptKind.DELIVERED, None, None


def _bounced(event: dict[str, Any]) -> Meaning:
    # `blocked` is a refusal of this mail or of its sender, not of the recipient.
    what = "bounce" if event.get("type") == "bounce" else "blocked"
    status = word(event.get("status"))
    code = f"sendgrid_{what}_{status}" if status else f"sendgrid_{what}"
    gone = SuppressionReason.HARD_BOUNCE if what == "bounce" else None
    return ReceiptKind.FAILED, reason(code, event.get("reason")), gone


def _dropped(event: dict[str, Any]) -> Meaning:
    said = event.get("reason")
    suppresses = DROPPED.get(said.strip().lower()) if isinstance(said, str) else None
    return ReceiptKind.FAILED, reason("sendgrid_dropped", said), suppresses


def _complained(_event: dict[str, Any]) -> Meaning:
    error = reason("sendgrid_spamreport", "the recipient marked the mail as spam")
    return ReceiptKind.NOTED, error, SuppressionReason.COMPLAINT


def _unsubscribed(event: dict[str, Any]) -> Meaning:
    error = reason(f"sendgrid_{event['event']}", "the recipient unsubscribed")
    return ReceiptKind.NOTED, error, SuppressionReason.OPT_OUT


EVENTS: dict[str, Callable[[dict[str, Any]], Meaning]] = {
    "delivered": _delivered,
    "bounce": _bounced,
    "dropped": _dropped,
    "spamreport": _complained,
    "unsubscribe": _unsubscribed,
    "group_unsubscribe": _unsubscribed,
}
"""What events mean. All others (processed, deferred, open, click, …) settle nothing."""


class SendgridCallbacks:
    """Reads many events per request. Raises SetupError if the key is none."""

    name = "sendgrid"

    def __init__(self, own: SendgridSettings) -> None:
        self._oldest = timedelta(seconds=own.sendgrid_webhook_age)
        self._verify = _verifier(own.sendgrid_webhook_key) if own.sendgrid_webhook_key else None

    @classmethod
    def build(cls, _settings: ProviderSettings) -> Self:
        """With its own settings from the environment."""
        return cls(SendgridSettings.load())

    async def read(self, request: CallbackRequest, now: datetime) -> list[Receipt]:
        """The receipts in it. An event that cannot be read is left out and harms no other."""
        self._check(request, now)
        try:
            events = json_value(request.body)
        except ValueError as error:
            raise MalformedCallback("sendgrid: the body is no JSON") from error
        if not isinstance(events, list) or len(events) > MOST_EVENTS:
            raise MalformedCallback(f"sendgrid: the body is no list of at most {MOST_EVENTS:,} events")
        return [found for found in (self._receipt(event, now) for event in events) if found is not None]

    async def aclose(self) -> None:
        """There is nothing to close."""

    def _check(self, request: CallbackRequest, now: datetime) -> None:
        if self._verify is None:
            raise ForgedCallback("sendgrid: TIDINGS_SENDGRID_WEBHOOK_KEY is not set")
        given = signature(request.headers.get(SIGNATURE_HEADER))
        timestamp = request.headers.get(TIMESTAMP_HEADER, "")
        seconds = (
            int(timestamp) if timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 15 else None
        )
        signed_at = time_of_seconds(seconds)
        if given is None or signed_at is None:
            raise ForgedCallback("sendgrid: a header of the signature is missing or no such header")
        if not -_CLOCKS_APART <= now - signed_at <= self._oldest:
            raise ForgedCallback("sendgrid: signed too long ago, or in the future")
        if not self._verify(given, timestamp.encode() + request.body):
            raise ForgedCallback(f"sendgrid: {SIGNATURE_HEADER} is wrong")

    def _receipt(self, event: Any, now: datetime) -> Receipt | None:
        kind = event.get("event") if isinstance(event, dict) else None
        if not isinstance(kind, str) or kind not in EVENTS:
            return None
        identifier = notification_id(event.get(NOTIFICATION_ARGUMENT))
        if identifier is None:
            return None
        event_id, at = word(event.get("sg_event_id")), time_of_seconds(event.get("timestamp"))
        if event_id is None or at is None:
            log.warning("callback_event_left_out", provider=self.name, notification_id=str(identifier))
            return None
        meaning, error, suppresses = EVENTS[kind](event)
        # `X-Message-Id`, then which of SendGrid's machines had it.
        reference = (word(event.get("sg_message_id")) or "").partition(".")[0]
        return Receipt(
            provider=self.name,
            event_id=event_id,
            notification_id=identifier,
            provider_reference=reference or None,
            kind=meaning,
            error=error,
            suppresses=suppresses,
            occurred_at=min(at, now),
        )


def _verifier(text: str) -> Callable[[bytes, bytes], bool]:
    """Checks signatures with this key."""
    try:
        key = load_der_public_key(b64decode(text, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise SetupError(
            "TIDINGS_SENDGRID_WEBHOOK_KEY: not the verification key that SendGrid shows (P-256, base64)."
        )
    checked = key

    def verify(given: bytes, signed: bytes) -> bool:
        try:
            checked.verify(given, signed, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    return verify
