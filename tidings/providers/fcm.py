"""`fcm`: push messages to Android, web and Apple devices by Firebase Cloud Messaging, HTTP v1.

Error codes: https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode and, where an answer has none of
those, the canonical ones of https://cloud.google.com/apis/design/errors. Waits:
https://firebase.google.com/docs/cloud-messaging/scale-fcm.

FCM has no way to tell that a message came before: what is sent twice arrives twice. Our key goes as the tag
(Android) and collapse id (Apple) under which a device shows it, so that the second replaces the first.
"""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from pydantic import SecretStr

from tidings.domain.receipt import SuppressionReason
from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure, TransientFailure
from tidings.providers import push, throwaway_key
from tidings.providers.fcm_token import ServiceAccount, ServiceAccountTokens
from tidings.providers.http_call import HttpAnswer, open_session, post
from tidings.providers.http_outcome import TOO_SOON, failure_for, retry_after
from tidings.providers.jwt_signer import key_text
from tidings.providers.protocol import Acceptance, OutgoingMessage
from tidings.providers.token_cache import TokenCache
from tidings.providers.wording import shown
from tidings.settings import ProviderSettings, Settings

ID_FIELD = "tidings_id"
"""The data entry that carries the notification's id to the app."""

ERRORS: dict[str, type[SendFailure]] = {
    # FCM's own.
    "UNSPECIFIED_ERROR": TransientFailure,
    "INVALID_ARGUMENT": PermanentFailure,
    "UNREGISTERED": PermanentFailure,
    "SENDER_ID_MISMATCH": PermanentFailure,
    "QUOTA_EXCEEDED": TransientFailure,
    "UNAVAILABLE": TransientFailure,
    "INTERNAL": TransientFailure,
    "THIRD_PARTY_AUTH_ERROR": ProviderMisconfigured,
    # Canonical ones.
    "CANCELLED": TransientFailure,
    "UNKNOWN": TransientFailure,
    "DEADLINE_EXCEEDED": TransientFailure,
    "NOT_FOUND": PermanentFailure,
    "ALREADY_EXISTS": PermanentFailure,
    "PERMISSION_DENIED": ProviderMisconfigured,
    "UNAUTHENTICATED": ProviderMisconfigured,
    "RESOURCE_EXHAUSTED": TransientFailure,
    "FAILED_PRECONDITION": ProviderMisconfigured,
    "ABORTED": TransientFailure,
    "OUT_OF_RANGE": PermanentFailure,
    "UNIMPLEMENTED": ProviderMisconfigured,
    "DATA_LOSS": TransientFailure,
}
"""What each code means. `UNAUTHENTICATED` passes if the token was not new: the next attempt gets another."""

GONE = frozenset({"UNREGISTERED"})
"""The app is no longer on that device: its token stays bad."""

WAITS = {"QUOTA_EXCEEDED": timedelta(minutes=1), "RESOURCE_EXHAUSTED": timedelta(minutes=1)}
"""The least wait that Google asks for where an answer names none."""

_TOKEN_REFUSED = "fcm_UNAUTHENTICATED"  # noqa: S105
_SETTING = "TIDINGS_FCM_SERVICE_ACCOUNT"
_URL_SETTING = "TIDINGS_FCM_URL"
_YOUNGEST_SECONDS = 60
"""A token that is refused sooner was never good."""
_LONGEST_TTL = timedelta(weeks=4)
_ANSWER_BYTES = 16_384


class FcmSettings(Settings):
    """Firebase Cloud Messaging."""

    fcm_service_account: SecretStr | None = None
    """The service account's key: the JSON itself, or the path of the file that holds it."""
    fcm_project: str | None = None
    """The Firebase project, if it is not the service account's."""
    fcm_url: str = "https://fcm.googleapis.com"
    fcm_token_url: str | None = None
    """The token endpoint, if it is not the one the service account's key names."""


class FcmProvider:
    """Speaks to one Firebase project. Raises SetupError on a service account's key that cannot work.

    `clock`, in seconds since the epoch, is what tokens go by.
    """

    name = "fcm"

    def __init__(
        self, settings: ProviderSettings, own: FcmSettings, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._tokens: TokenCache | None = None
        self._url = ""
        if own.fcm_service_account is not None:
            account = ServiceAccount.parse(key_text(own.fcm_service_account, "{", _SETTING), _SETTING)
            source = ServiceAccountTokens(account, own.fcm_token_url, self._opened, clock, _SETTING)
            self._tokens = TokenCache(source.fetch, youngest=_YOUNGEST_SECONDS, clock=clock)
            project = quote(own.fcm_project or account.project_id, safe="")
            self._url = f"{own.fcm_url.rstrip('/')}/v1/projects/{project}/messages:send"

    @classmethod
    def build(cls, settings: ProviderSettings) -> Self:
        """With its own settings from the environment."""
        return cls(settings, FcmSettings.load())

    @classmethod
    def sandboxed(cls, settings: ProviderSettings) -> Self:
        """For the sandbox, signed by a key of this process's own. Raises SetupError without the extra."""
        sandbox = f"{settings.sandbox_url.rstrip('/')}/fcm"
        account = {
            "type": "service_account",
            "project_id": "sandbox",
            "client_email": "nobody@sandbox.invalid",
            "private_key": throwaway_key.rsa(_SETTING),
        }
        there = {
            "fcm_service_account": SecretStr(json.dumps(account)),
            "fcm_project": None,
            "fcm_url": sandbox,
            "fcm_token_url": f"{sandbox}/token",
        }
        return cls(settings, FcmSettings.load().model_copy(update=there))

    @property
    def missing(self) -> str | None:
        """The setting without which nothing can be sent."""
        return None if self._tokens is not None else _SETTING

    async def send(self, message: OutgoingMessage) -> Acceptance:
        """Hand the message over. The reference is FCM's name for it, `projects/…/messages/…`."""
        if self._tokens is None:
            raise ProviderMisconfigured("fcm_not_configured", f"{_SETTING} is not set")
        token = await self._tokens.get()
        headers = {"Content-Type": "application/json; charset=utf-8", "Authorization": f"Bearer {token}"}
        body = push.compact_json({"message": content(message)})
        answer = await post(self._opened(), self._url, body, headers, answer_bytes=_ANSWER_BYTES)
        failure = failure_in(answer)
        if failure is not None:
            if failure.code == _TOKEN_REFUSED and self._tokens.refused(token):
                raise TransientFailure(failure.code, failure.message)
            raise failure
        name = _object(answer.text).get("name")
        return Acceptance(reference=name if isinstance(name, str) else None)

    async def check(self) -> str:
        """Fetch an access token for the service account."""
        if self._tokens is None:
            raise ProviderMisconfigured("fcm_not_configured", f"{_SETTING} is not set")
        await self._tokens.get()
        return "Google gave the service account an access token"

    async def aclose(self) -> None:
        """Close pooled connections."""
        if self._tokens is not None:
            await self._tokens.aclose()
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session(self._settings)
        return self._session


def content(message: OutgoingMessage) -> dict[str, Any]:
    """The message as FCM takes it: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages.

    Metadata becomes `data`, whose values are strings: what is none goes as JSON.
    """
    at_once = message.priority in push.AT_ONCE
    replaces = push.replacement_key(message)
    apple = {"apns-priority": "10" if at_once else "5", "apns-collapse-id": replaces}
    web = {"Urgency": "high" if at_once else "low"}
    android: dict[str, Any] = {
        "priority": "HIGH" if at_once else "NORMAL",
        "notification": {"tag": replaces},
    }
    if (key := push.collapse_key(message)) is not None:
        # Never our own id: FCM keeps four keys for a device that is away, and drops what has others.
        android["collapseKey"] = key
    if message.expires_at is not None and (left := push.time_to_live(message)) is not None:
        seconds = int(min(left, _LONGEST_TTL).total_seconds())
        android["ttl"] = f"{seconds}s"
        apple["apns-expiration"] = str(int(message.expires_at.timestamp()))
        web["TTL"] = str(seconds)
    shown_as = {"title": message.subject, "body": message.body}
    return {
        "token": message.recipient,
        "notification": {name: value for name, value in shown_as.items() if value},
        "data": {name: _text(value) for name, value in push.data(message).items()} | {ID_FIELD: message.key},
        "android": android,
        "apns": {"headers": apple} | ({"payload": {"aps": {"sound": "default"}}} if at_once else {}),
        "webpush": {"headers": web},
    }


def failure_in(answer: HttpAnswer) -> SendFailure | None:
    """The failure that FCM's answer stands for, or None for 2xx."""
    if 200 <= answer.status < 300:
        return None
    error = _object(_object(answer.text).get("error"))
    code = _code(error, answer.status)
    kind = ERRORS.get(code)
    if kind is None:
        plain = failure_for(answer.status, answer.headers, answer.text)
        if answer.status == 404 and not error:
            # Nothing of Google's answers like that: our URL leads elsewhere.
            return ProviderMisconfigured("http_404", shown(f"no FCM at {_URL_SETTING}: {answer.text}"))
        return plain
    message = shown(f"{code}: {error.get('message') or ''}{_violations(error)}")
    if kind is TransientFailure:
        wait = retry_after(answer.headers.get("Retry-After")) or WAITS.get(code)
        return TransientFailure(f"fcm_{code}", message, wait, of_message=answer.status in TOO_SOON)
    if code in GONE:
        return PermanentFailure(f"fcm_{code}", message, suppresses=SuppressionReason.GONE)
    return kind(f"fcm_{code}", message)


def _code(error: dict[str, Any], status: int) -> str:
    """FCM's own code if there is one, else the canonical one."""
    for detail in _details(error):
        if isinstance(code := detail.get("errorCode"), str):
            return code
    code = error.get("status")
    if isinstance(code, str):
        return code
    return "UNAUTHENTICATED" if status == 401 else ""


def _violations(error: dict[str, Any]) -> str:
    """The fields that FCM names, if it does."""
    found = [
        f"; {violation.get('field')}: {violation.get('description')}"
        for detail in _details(error)
        for violation in detail.get("fieldViolations") or []
        if isinstance(violation, dict)
    ]
    return "".join(found)


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    details = error.get("details")
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _object(found: object) -> dict[str, Any]:
    """The JSON object that a text holds or a value is, else an empty one."""
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            return {}
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else push.compact_json(value).decode()
