"""`webpush`: push messages to browsers, at the push service that each subscription names.

Requests: RFC 8030; encryption: RFC 8291; who we are: RFC 8292. Apple's reasons:
https://developer.apple.com/documentation/usernotifications/sending-web-push-notifications-in-web-apps-and-browsers.

The endpoint is a caller's input like a webhook's URL: the same rules say where it may lead. Our key goes as
the topic unless the caller gives one: of two with one topic that wait for a browser, only the later arrives.
"""

import base64
import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Self

import aiohttp
from pydantic import Field, SecretStr

from tidings.domain.receipt import SuppressionReason
from tidings.domain.vocabulary import Priority
from tidings.domain.web_push import WebPushSubscription
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    SetupError,
    TransientFailure,
)
from tidings.providers import push
from tidings.providers.api_answer import json_object
from tidings.providers.http_call import HttpAnswer, open_connector, open_session, post
from tidings.providers.http_outcome import TOO_SOON, failure_for, retry_after
from tidings.providers.protocol import Acceptance, OutgoingMessage
from tidings.providers.vapid import Vapid
from tidings.providers.web_push_encryption import LARGEST_CONTENT, encrypted
from tidings.providers.webhook_target import CheckedResolver, CheckedSockets, Lookup, TargetPolicy
from tidings.providers.wording import shown
from tidings.settings import ProviderSettings, Settings

_TOO_MUCH = 406
"""Microsoft: we send too much."""

ERRORS: dict[int, type[SendFailure]] = {
    400: PermanentFailure,
    401: ProviderMisconfigured,  # our token: not taken, or of another key than the subscription's
    403: ProviderMisconfigured,  # the same, by other services
    404: PermanentFailure,  # no such subscription, or no longer
    _TOO_MUCH: TransientFailure,
    410: PermanentFailure,  # unsubscribed
    413: PermanentFailure,  # too large
    429: TransientFailure,  # too many (RFC 8030, 8.4)
    500: TransientFailure,
    502: TransientFailure,
    503: TransientFailure,
    504: TransientFailure,
}
"""What each status means; the others mean what they mean to a webhook (`http_outcome`)."""

REASONS: dict[str, type[SendFailure]] = {
    "BadJwtToken": ProviderMisconfigured,
    "ExpiredJwtToken": ProviderMisconfigured,
    "VapidPkHashMismatch": ProviderMisconfigured,
}
"""Apple's words for what is not the message's fault, whatever the status."""

GONE = frozenset({404, 410})

URGENCY = {
    Priority.CRITICAL: "high",
    Priority.HIGH: "high",
    Priority.NORMAL: "normal",
    Priority.LOW: "low",
    Priority.BULK: "very-low",
}
"""RFC 8030, 5.3: what a browser on a weak battery is woken for."""

ID_FIELD = "tidings_id"
"""The data entry that carries the notification's id to the page."""

LONGEST_TTL = timedelta(weeks=4)

_KEY, _SUBJECT = "TIDINGS_WEBPUSH_PRIVATE_KEY", "TIDINGS_WEBPUSH_SUBJECT"
_TOPIC_CHARACTERS = 32


class WebpushSettings(Settings):
    """Web Push."""

    webpush_private_key: SecretStr | None = None
    """The VAPID private key: 32 bytes in base64url, a PEM text, or the path of a PEM file."""
    webpush_subject: str | None = Field(default=None, pattern=r"^(mailto:[^@\s]+@\S+|https://\S+)$")
    """Whom a push service may turn to: `mailto:` or `https:`."""


class WebpushProvider:
    """Sends to browsers that subscribed with one VAPID key. Raises SetupError on settings that cannot work.

    `lookup` and `sockets` stand in for name resolution and for the connection's socket; `clock`, in seconds
    since the epoch, is what tokens go by.
    """

    name = "webpush"

    def __init__(
        self,
        settings: ProviderSettings,
        own: WebpushSettings,
        *,
        lookup: Lookup | None = None,
        sockets: aiohttp.SocketFactoryType | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        policy = TargetPolicy(settings.webhook_allowed_networks)
        self._resolver = CheckedResolver(policy, lookup)
        self._sockets = sockets or CheckedSockets(policy)
        self._session: aiohttp.ClientSession | None = None
        self._vapid: Vapid | None = None
        if own.webpush_private_key is not None:
            if own.webpush_subject is None:
                raise SetupError(f"{_SUBJECT}: needed with {_KEY}. Set it.")
            self._vapid = Vapid(own.webpush_private_key, own.webpush_subject, _KEY, clock)

    @classmethod
    def build(cls, settings: ProviderSettings) -> Self:
        """With its own settings from the environment."""
        return cls(settings, WebpushSettings.load())

    @property
    def missing(self) -> str | None:
        """The setting without which nothing can be sent."""
        return None if self._vapid is not None else _KEY

    async def send(self, message: OutgoingMessage) -> Acceptance:
        """POST once. The reference is the message's own address at the push service, if it gives one."""
        if self._vapid is None:
            raise ProviderMisconfigured("webpush_not_configured", f"{_KEY} is not set")
        try:
            # Accepted long ago, perhaps, and by other rules.
            to = WebPushSubscription.parse(message.recipient)
        except ValueError as error:
            raise PermanentFailure("webpush_recipient_invalid", shown(f"the recipient {error}")) from error
        body = content(message)
        if len(body) > LARGEST_CONTENT:
            raise PermanentFailure(
                "webpush_too_large", f"{len(body)} bytes as JSON: push services take {LARGEST_CONTENT}"
            )
        try:
            sealed = encrypted(body, to)
        except ValueError as error:
            raise PermanentFailure("webpush_recipient_invalid", "keys.p256dh is no public key") from error
        sent_with = {"Authorization": self._vapid.authorization(to.endpoint), **headers(message)}
        answer = await post(self._opened(), to.endpoint, sealed, sent_with)
        failure = failure_in(answer)
        if failure is not None:
            raise failure
        address = answer.headers.get("Location")
        return Acceptance(reference=shown(address) if address else None)

    async def check(self) -> str:
        """The key was read when this was built; there is nobody to ask before a browser subscribes."""
        return "the VAPID key can be read"

    async def aclose(self) -> None:
        """Close pooled connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session(self._settings, open_connector(self._resolver, self._sockets))
        return self._session


def content(message: OutgoingMessage) -> bytes:
    """What the page's service worker reads: `event.data.json()`."""
    shown_as = {"title": message.subject, "body": message.body}
    return push.compact_json(
        {name: value for name, value in shown_as.items() if value}
        | {"data": {**push.data(message), ID_FIELD: message.key}, "tag": push.replacement_key(message)}
    )


def headers(message: OutgoingMessage) -> dict[str, str]:
    """The request's headers, without the token."""
    left = push.time_to_live(message)
    kept = LONGEST_TTL if left is None else min(left, LONGEST_TTL)
    return {
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
        "TTL": str(int(kept.total_seconds())),
        "Urgency": URGENCY[message.priority],
        "Topic": _topic(message),
    }


def failure_in(answer: HttpAnswer) -> SendFailure | None:
    """The failure that a push service's answer stands for, or None for 2xx."""
    plain = failure_for(answer.status, answer.headers, answer.text)
    if plain is None:
        return None
    kind = REASONS.get(_reason(answer.text)) or ERRORS.get(answer.status) or type(plain)
    code = f"webpush_{answer.status}"
    if kind is TransientFailure:
        wait = retry_after(answer.headers.get("Retry-After"))
        too_soon = answer.status in TOO_SOON | {_TOO_MUCH}
        return TransientFailure(code, plain.message, wait, of_message=too_soon)
    if answer.status in GONE:
        return PermanentFailure("webpush_gone", plain.message, suppresses=SuppressionReason.GONE)
    return kind(code, plain.message)


def _topic(message: OutgoingMessage) -> str:
    """At most 32 characters of base64url (RFC 8030, 5.4): what was equal stays equal."""
    digest = hashlib.sha256(push.replacement_key(message).encode()).digest()
    return base64.urlsafe_b64encode(digest)[:_TOPIC_CHARACTERS].decode()


def _reason(text: str) -> str:
    reason = json_object(text).get("reason")
    return reason if isinstance(reason, str) else ""
