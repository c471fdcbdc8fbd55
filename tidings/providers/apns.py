"""`apns`: push messages to Apple devices by the Apple Push Notification service: HTTP/2, signed tokens.

Requests: https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns,
reasons: https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns,
tokens: https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns.

Our key goes as `apns-id`, which names a message and keeps nobody from sending it twice. It is the collapse id
too, unless the caller gives one: on the device the second replaces the first.
"""

import ssl
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import quote

from pydantic import Field, SecretStr

from tidings.domain.receipt import SuppressionReason
from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure, SetupError, TransientFailure
from tidings.providers import push, throwaway_key
from tidings.providers.api_answer import json_object
from tidings.providers.http2_call import Http2Client, require_http2
from tidings.providers.http_call import HttpAnswer
from tidings.providers.http_outcome import TOO_SOON, failure_for, retry_after
from tidings.providers.jwt_signer import JwtSigner, key_text
from tidings.providers.protocol import Acceptance, OutgoingMessage
from tidings.providers.token_cache import Token, TokenCache
from tidings.providers.wording import shown
from tidings.settings import ProviderSettings, Settings

ERRORS: dict[str, type[SendFailure]] = {
    # 400
    "BadCollapseId": PermanentFailure,
    "BadDeviceToken": PermanentFailure,
    "BadExpirationDate": PermanentFailure,
    "BadMessageId": PermanentFailure,
    "BadPriority": PermanentFailure,
    "BadTopic": ProviderMisconfigured,
    "DeviceTokenNotForTopic": PermanentFailure,
    "DuplicateHeaders": PermanentFailure,
    "IdleTimeout": TransientFailure,
    "InvalidPushType": PermanentFailure,
    "MissingDeviceToken": PermanentFailure,
    "MissingTopic": ProviderMisconfigured,
    "PayloadEmpty": PermanentFailure,
    "TopicDisallowed": ProviderMisconfigured,
    # 403
    "BadCertificate": ProviderMisconfigured,
    "BadCertificateEnvironment": ProviderMisconfigured,
    "BadEnvironmentKeyIdInToken": ProviderMisconfigured,
    "ExpiredProviderToken": ProviderMisconfigured,
    "Forbidden": ProviderMisconfigured,
    "InvalidProviderToken": ProviderMisconfigured,
    "MissingProviderToken": ProviderMisconfigured,
    "UnrelatedKeyIdInToken": ProviderMisconfigured,
    # 404, 405
    "BadPath": PermanentFailure,
    "MethodNotAllowed": PermanentFailure,
    # 410
    "ExpiredToken": PermanentFailure,
    "Unregistered": PermanentFailure,
    # 413
    "PayloadTooLarge": PermanentFailure,
    # 429
    "TooManyProviderTokenUpdates": TransientFailure,
    "TooManyRequests": TransientFailure,
    # 500, 503
    "InternalServerError": TransientFailure,
    "ServiceUnavailable": TransientFailure,
    "Shutdown": TransientFailure,
}
"""What each reason means. `ExpiredProviderToken` passes if the token was not new, for the next attempt gets
another; of a new one it says that our clock is wrong."""

GONE = frozenset({"ExpiredToken", "Unregistered"})
"""The reasons of 410: the app is no longer on that device."""

_TOKEN_EXPIRED = "apns_ExpiredProviderToken"  # noqa: S105
_TOKEN_SECONDS = 40 * 60
"""APNs takes a token for an hour, and a new one no sooner than 20 minutes after the last."""
_YOUNGEST_SECONDS = 20 * 60


class ApnsSettings(Settings):
    """The Apple Push Notification service."""

    apns_key: SecretStr | None = None
    """The signing key (`.p8`): the PEM text itself, or the path of the file that holds it."""
    apns_key_id: str | None = None
    """The signing key's id, ten characters."""
    apns_team_id: str | None = None
    """The developer team's id, ten characters."""
    apns_topic: str | None = Field(default=None, pattern="^[!-~]+$")
    """The app's bundle id."""
    apns_url: str = "https://api.push.apple.com"
    """For development builds `https://api.sandbox.push.apple.com`."""


class ApnsProvider:
    """Sends to one app of one team. Raises SetupError on settings that cannot work together.

    `tls` stands in for the system's certificates; `clock`, in seconds since the epoch, is what tokens go by.
    """

    name = "apns"

    def __init__(
        self,
        settings: ProviderSettings,
        own: ApnsSettings,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = own.apns_url.rstrip("/")
        self._topic = own.apns_topic or ""
        self._client = Http2Client(settings, tls)
        self._tokens = _tokens(own, clock)

    @classmethod
    def build(cls, settings: ProviderSettings) -> Self:
        """With its own settings from the environment."""
        return cls(settings, ApnsSettings.load())

    @classmethod
    def sandboxed(cls, settings: ProviderSettings) -> Self:
        """For the sandbox, signed by a key of this process's own. Raises SetupError without the extra."""
        own = ApnsSettings.load()
        there = {
            "apns_key": SecretStr(throwaway_key.elliptic("TIDINGS_APNS_KEY")),
            "apns_key_id": "SANDBOX",
            "apns_team_id": "SANDBOX",
            "apns_topic": own.apns_topic or "invalid.tidings.sandbox",
            "apns_url": settings.sandbox_url,
        }
        return cls(settings, own.model_copy(update=there))

    @property
    def missing(self) -> str | None:
        """The setting without which nothing can be sent."""
        return None if self._tokens is not None else "TIDINGS_APNS_KEY"

    async def send(self, message: OutgoingMessage) -> Acceptance:
        """Hand the message over. The reference is the `apns-id`, which is our key."""
        if self._tokens is None:
            raise ProviderMisconfigured("apns_not_configured", "TIDINGS_APNS_KEY is not set")
        token = await self._tokens.get()
        answer = await self._client.post(
            f"{self._url}/3/device/{quote(message.recipient, safe='')}",
            push.compact_json(content(message)),
            {"authorization": f"bearer {token}", **headers(message, self._topic)},
        )
        failure = failure_in(answer)
        if failure is None:
            return Acceptance(reference=answer.headers.get("apns-id") or message.key)
        if failure.code == _TOKEN_EXPIRED and self._tokens.refused(token):
            raise TransientFailure(failure.code, failure.message)
        raise failure

    async def check(self) -> str:
        """Sign a token and open a connection. Apple looks at tokens only with a message, and none is sent."""
        if self._tokens is None:
            raise ProviderMisconfigured("apns_not_configured", "TIDINGS_APNS_KEY is not set")
        await self._tokens.get()
        await self._client.get(f"{self._url}/")
        return "the key signs, and APNs answers; Apple looks at tokens only with a message"

    async def aclose(self) -> None:
        """Close pooled connections."""
        if self._tokens is not None:
            await self._tokens.aclose()
        await self._client.aclose()


def headers(message: OutgoingMessage, topic: str) -> dict[str, str]:
    """The request's headers, without the token."""
    found = {
        "content-type": "application/json",
        "apns-id": message.key,
        "apns-topic": topic,
        "apns-push-type": "alert",
        "apns-priority": "10" if message.priority in push.AT_ONCE else "5",
        "apns-collapse-id": push.replacement_key(message),
    }
    if message.expires_at is not None:
        found["apns-expiration"] = str(int(message.expires_at.timestamp()))
    return found


def content(message: OutgoingMessage) -> dict[str, Any]:
    """The payload: the metadata's entries beside Apple's own, which is called `aps`."""
    shown_as = {"title": message.subject, "body": message.body}
    alert = {name: value for name, value in shown_as.items() if value}
    apple: dict[str, Any] = {"alert": alert}
    if message.priority in push.AT_ONCE:
        apple["sound"] = "default"
    return {**push.data(message), "aps": apple}


def failure_in(answer: HttpAnswer) -> SendFailure | None:
    """The failure that APNs' answer stands for, or None for 2xx."""
    if 200 <= answer.status < 300:
        return None
    reason = _reason(answer.text)
    kind = ERRORS.get(reason)
    if kind is None:
        return failure_for(answer.status, answer.headers, answer.text)
    message = shown(f"HTTP {answer.status}: {reason}")
    if kind is TransientFailure:
        wait = retry_after(answer.headers.get("Retry-After"))
        return TransientFailure(f"apns_{reason}", message, wait, of_message=answer.status in TOO_SOON)
    if reason in GONE:
        return PermanentFailure(f"apns_{reason}", message, suppresses=SuppressionReason.GONE)
    return kind(f"apns_{reason}", message)


def _reason(text: str) -> str:
    reason = json_object(text).get("reason")
    return reason if isinstance(reason, str) else ""


def _tokens(own: ApnsSettings, clock: Callable[[], float]) -> TokenCache | None:
    """The tokens of the key in the settings; None if there is no key."""
    if own.apns_key is None:
        return None
    for name in ("apns_key_id", "apns_team_id", "apns_topic"):
        if not getattr(own, name):
            raise SetupError(f"TIDINGS_{name.upper()}: needed with TIDINGS_APNS_KEY. Set it.")
    require_http2("TIDINGS_APNS_KEY")
    key = key_text(own.apns_key, "-----BEGIN", "TIDINGS_APNS_KEY")
    signer = JwtSigner(key, "ES256", own.apns_key_id, "TIDINGS_APNS_KEY")

    async def issue() -> Token:
        return Token(signer.sign({"iss": own.apns_team_id, "iat": int(clock())}), _TOKEN_SECONDS)

    return TokenCache(issue, youngest=_YOUNGEST_SECONDS, clock=clock)
