"""What Amazon SNS posts to an HTTPS endpoint, and its signature, versions 1 (SHA-1) and 2 (SHA-256).

https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html (the fields),
https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html (what is signed, and by whom).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

from tidings.errors import ForgedCallback
from tidings.providers.callbacks.content import json_object, signature, time_of_text

NOTIFICATION = "Notification"
SUBSCRIPTION = "SubscriptionConfirmation"

_SIGNED: dict[str, tuple[str, ...]] = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    **dict.fromkeys(
        (SUBSCRIPTION, "UnsubscribeConfirmation"),
        ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    ),
}
"""The fields that are signed, in their order. A subject need not be there."""

_HOST = re.compile(r"https://sns\.[a-z0-9-]{3,40}\.amazonaws\.com(\.cn)?(?=[/?])")
_CERTIFICATE_PATH = re.compile(r"/SimpleNotificationService-[0-9A-Za-z]{1,64}\.pem")
"""Any other path of these hosts may be an API's, which puts a caller's words into its answer."""
_ONE_LINE = re.compile(r"[ -~]{1,2048}")


class SignatureVersion(StrEnum):
    """Which hash is signed."""

    SHA1 = "1"
    SHA256 = "2"


@dataclass(frozen=True, slots=True)
class SnsMessage:
    """A message whose form is right; nothing says yet that it is SNS's."""

    type: str
    id: str
    topic: str
    text: str
    at: datetime
    subscribe_url: str
    signed: bytes
    signature: bytes
    version: SignatureVersion
    certificate_url: str

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Raises ForgedCallback for what SNS does not send."""
        fields = json_object(body)
        if fields is None:
            raise ForgedCallback("sns: the body is no JSON object")
        kind = fields.get("Type")
        if not isinstance(kind, str) or kind not in _SIGNED:
            raise ForgedCallback("sns: no such type of message")
        names = [name for name in _SIGNED[kind] if name != "Subject" or name in fields]
        for name in (*names, "SignatureVersion", "SigningCertURL"):
            _check(name, fields.get(name))
        at, given = time_of_text(fields["Timestamp"]), signature(_text(fields.get("Signature")))
        if at is None or given is None or fields["SignatureVersion"] not in set(SignatureVersion):
            raise ForgedCallback("sns: the time or the signature is no such thing")
        signed = "".join(f"{name}\n{fields[name]}\n" for name in names)
        return cls(
            type=kind,
            id=fields["MessageId"],
            topic=fields["TopicArn"],
            text=fields["Message"],
            at=at,
            subscribe_url=fields.get("SubscribeURL", "") if kind == SUBSCRIPTION else "",
            signed=signed.encode("utf-8", "surrogatepass"),
            signature=given,
            version=SignatureVersion(fields["SignatureVersion"]),
            certificate_url=fields["SigningCertURL"],
        )


def _check(name: str, value: Any) -> None:
    """The message itself may be of many lines; no other field, or one could pass for two."""
    fits = isinstance(value, str) and (name in ("Message", "Subject") or _ONE_LINE.fullmatch(value))
    if not fits or (name == "Subject" and len(value.splitlines()) > 1):
        raise ForgedCallback(f"sns: {name} is missing or no such thing")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def is_certificate_address(url: str) -> bool:
    """Whether only SNS can have put there what is there."""
    return _CERTIFICATE_PATH.fullmatch(_at_sns(url) or "") is not None


def is_confirmation_address(url: str, topic: str) -> bool:
    """Whether a call confirms a subscription to this topic and does nothing else."""
    path, _, query = (_at_sns(url) or "").partition("?")
    found = parse_qs(query, keep_blank_values=True)
    asked = {name: found.get(name) for name in ("Action", "TopicArn")}
    return path in ("", "/") and asked == {"Action": ["ConfirmSubscription"], "TopicArn": [topic]}


def _at_sns(url: str) -> str | None:
    """What follows `https://` and a region's host of SNS, without a port; None for any other address."""
    found = _HOST.match(url)
    return url[found.end() :] if found and url.isprintable() and not set(url) & {"#", "\\", " "} else None


def verifier(pem: bytes) -> Callable[[SnsMessage, datetime], bool]:
    """Checks signatures by this certificate, as long as it is valid.

    Raises ValueError if this is no certificate with an RSA key.
    """
    certificate = load_pem_x509_certificate(pem)
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise ValueError("no RSA key")
    # SNS signs with SHA-1 unless the topic says otherwise.
    hashes = {SignatureVersion.SHA1: SHA1, SignatureVersion.SHA256: SHA256}

    def verify(message: SnsMessage, now: datetime) -> bool:
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return False
        try:
            key.verify(message.signature, message.signed, PKCS1v15(), hashes[message.version]())
        except InvalidSignature:
            return False
        return True

    return verify
