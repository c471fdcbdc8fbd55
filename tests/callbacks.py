"""Callbacks as the providers sign them, with keys of tests: requests for the readers, or for the API."""

import base64
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tidings.errors import ForgedCallback
from tidings.providers.callbacks import sendgrid, twilio
from tidings.providers.callbacks.protocol import CallbackRequest
from tidings.providers.callbacks.sendgrid import SendgridCallbacks
from tidings.providers.callbacks.ses import SesCallbacks
from tidings.providers.callbacks.twilio import TwilioCallbacks
from tidings.providers.sendgrid import NOTIFICATION_ARGUMENT, SendgridSettings
from tidings.providers.ses import NOTIFICATION_TAG, SesSettings
from tidings.providers.twilio import TwilioSettings

PUBLIC_URL = "https://notify.example.com"
TWILIO_TOKEN = "12345678901234567890123456789012"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:ses-events"
CERTIFICATE_URL = f"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{'0a' * 16}.pem"
FORM = "application/x-www-form-urlencoded"


def callback_settings() -> dict[str, str]:
    """Environment variables under which the readers take what is signed here."""
    return {
        "TIDINGS_PUBLIC_URL": PUBLIC_URL,
        "TIDINGS_TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
        "TIDINGS_SENDGRID_WEBHOOK_KEY": sendgrid_key()[1],
        "TIDINGS_SES_TOPICS": TOPIC,
    }


def twilio_reader(token: str | None = TWILIO_TOKEN) -> TwilioCallbacks:
    return TwilioCallbacks(TwilioSettings(_env_file=None, twilio_auth_token=token))


def sendgrid_reader(**given: Any) -> SendgridCallbacks:
    defaults = {"sendgrid_webhook_key": sendgrid_key()[1]}
    return SendgridCallbacks(SendgridSettings(_env_file=None, **{**defaults, **given}))


def ses_reader(calls: "ServedSns | None" = None, topics: str = TOPIC) -> SesCallbacks:
    return SesCallbacks(SesSettings(_env_file=None, ses_topics=topics), calls or ServedSns())


def twilio_callback(
    notification: UUID | str,
    status: str = "delivered",
    *,
    url: str | None = None,
    signed_url: str | None = None,
    token: str = TWILIO_TOKEN,
    **given: str,
) -> CallbackRequest:
    """A status callback; `given` are more of its parameters, or others."""
    url = url or f"{PUBLIC_URL}/v1/callbacks/twilio?notification={notification}"
    form = {
        "AccountSid": "AC" + "a" * 32,
        "ApiVersion": "2010-04-01",
        "From": "+14155552345",
        "MessageSid": "SM" + "b" * 32,
        "MessageStatus": status,
        "SmsSid": "SM" + "b" * 32,
        "SmsStatus": status,
        "To": "+14155550100",
    } | given
    signature = twilio.signature_of(token.encode(), signed_url or url, list(form.items())).decode()
    return _request(url, urlencode(form).encode(), {twilio.SIGNATURE_HEADER: signature, "content-type": FORM})


def twilio_json_callback(
    notification: UUID, content: bytes, *, token: str = TWILIO_TOKEN, digest: str | None = None
) -> CallbackRequest:
    """A callback whose body is signed by its hash in the URL."""
    digest = digest or hashlib.sha256(content).hexdigest()
    url = f"{PUBLIC_URL}/v1/callbacks/twilio?notification={notification}&bodySHA256={digest}"
    signature = twilio.signature_of(token.encode(), url, []).decode()
    return _request(url, content, {twilio.SIGNATURE_HEADER: signature, "content-type": "application/json"})


@functools.cache
def sendgrid_key(number: int = 1) -> tuple[Any, str]:
    """A key pair as SendGrid makes them, one for each number: private, and public as it is shown."""
    del number
    private = ec.generate_private_key(ec.SECP256R1())
    return private, public_text(private)


def public_text(private: Any) -> str:
    """The public key as DER in base64."""
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def sendgrid_event(notification: UUID | str, event: str = "delivered", **given: Any) -> dict[str, Any]:
    """One event as SendGrid writes them; what is given as None is left out."""
    made = {
        "email": "ada@example.com",
        "timestamp": int(datetime.now(UTC).timestamp()),
        "event": event,
        "sg_event_id": base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("="),
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        NOTIFICATION_ARGUMENT: str(notification),
    } | given
    return {name: value for name, value in made.items() if value is not None}


def sendgrid_callback(
    *events: dict[str, Any], now: datetime | None = None, key: Any = None
) -> CallbackRequest:
    """One request with these events."""
    return sendgrid_signed(json.dumps(events, indent=1).encode(), now=now, key=key)


def sendgrid_signed(body: bytes, *, now: datetime | None = None, key: Any = None) -> CallbackRequest:
    """Any body, properly signed."""
    private = key or sendgrid_key()[0]
    timestamp = str(int((now or datetime.now(UTC)).timestamp()))
    signature = base64.b64encode(private.sign(timestamp.encode() + body, ECDSA(SHA256()))).decode()
    headers = {
        sendgrid.SIGNATURE_HEADER: signature,
        sendgrid.TIMESTAMP_HEADER: timestamp,
        "content-type": "application/json",
    }
    return _request(f"{PUBLIC_URL}/v1/callbacks/sendgrid", body, headers)


def ses_event(notification: UUID | str, event: str = "Delivery", **given: Any) -> dict[str, Any]:
    """One event as event publishing writes them; `given` are the parts that tell of it."""
    return {
        "eventType": event,
        "mail": {
            "timestamp": "2026-03-04T05:06:07.000Z",
            "messageId": "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
            "destination": ["ada@example.com"],
            "tags": {NOTIFICATION_TAG: [str(notification)], "ses:configuration-set": ["tidings"]},
        },
    } | given


@functools.cache
def sns_certificate(number: int = 1, days: int = 2) -> tuple[Any, bytes]:
    """A private key and a certificate for it in PEM, one for each number, valid for as many days."""
    del number
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + timedelta(days=days)) - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
        .sign(private, SHA256())
    )
    return private, made.public_bytes(Encoding.PEM)


def sns_fields(kind: str = "Notification", **given: str | None) -> dict[str, str]:
    """The unsigned fields of a message; what is given as None is left out."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    made: dict[str, str | None] = {
        "Type": kind,
        "MessageId": str(uuid4()),
        "TopicArn": TOPIC,
        "Message": "{}",
        "Timestamp": at,
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
    }
    if kind == "Notification":
        made["UnsubscribeURL"] = "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=x"
    else:
        made["Token"] = "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f7948a98bac386edfe3"
        query = urlencode({"Action": "ConfirmSubscription", "TopicArn": TOPIC, "Token": made["Token"]})
        made["SubscribeURL"] = f"https://sns.eu-west-1.amazonaws.com/?{query}"
    return {name: value for name, value in (made | given).items() if value is not None}


def ses_callback(
    event: Mapping[str, Any] | str | None = None, kind: str = "Notification", *, key: Any = None, **given: Any
) -> CallbackRequest:
    """What SNS posts for an event of SES, or to have a subscription confirmed."""
    text = event if isinstance(event, str) else json.dumps(event or {})
    return sns_request(sns_signed(sns_fields(kind, **{"Message": text, **given}), key))


def sns_signed(fields: dict[str, str], key: Any = None) -> dict[str, str]:
    """The fields with a signature over what is signed of their kind."""
    private = key or sns_certificate()[0]
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if fields["Type"] != "Notification":
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    signed = "".join(f"{name}\n{fields[name]}\n" for name in names if name in fields)
    digest = SHA1() if fields["SignatureVersion"] == "1" else SHA256()  # noqa: S303
    signature = private.sign(signed.encode("utf-8", "surrogatepass"), PKCS1v15(), digest)
    return fields | {"Signature": base64.b64encode(signature).decode()}


def sns_request(fields: dict[str, Any]) -> CallbackRequest:
    """The request that carries these fields."""
    headers = {"content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": str(fields.get("Type"))}
    return _request(f"{PUBLIC_URL}/v1/callbacks/ses", json.dumps(fields, indent=2).encode(), headers)


@dataclass
class ServedSns:
    """The two calls to SNS, answered from here: the certificate's address and confirmations are known."""

    pages: dict[str, bytes] = field(default_factory=lambda: {CERTIFICATE_URL: sns_certificate()[1]})
    called: list[str] = field(default_factory=list)
    error: Exception | None = None
    closed: bool = False

    async def get(self, url: str) -> bytes:
        self.called.append(url)
        if self.error is not None:
            raise self.error
        if url in self.pages or urlsplit(url).query.startswith("Action=ConfirmSubscription&"):
            return self.pages.get(url, b"<ConfirmSubscriptionResponse/>")
        raise ForgedCallback("nothing there")

    async def aclose(self) -> None:
        self.closed = True


def _request(url: str, body: bytes, headers: dict[str, str]) -> CallbackRequest:
    return CallbackRequest(url=url, headers=headers, body=body)
