"""Firebase Cloud Messaging in the sandbox: a token endpoint and `messages:send`, under `/fcm`.

Any service account may sign in; a token is good for an hour, here and nowhere else.
"""

import base64
import json
import time
from collections import OrderedDict
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidings.domain.vocabulary import Channel
from tidings.sandbox.behaviour import Behaviour
from tidings.sandbox.inbox import ReceivedMessage
from tidings.sandbox.reception import Reception, without_secrets

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TOKEN_SECONDS = 3600
_TOKENS_KEPT = 1000
_PAYLOAD_BYTES = 4096
_RESERVED_KEYS = ("from", "message_type")
_RESERVED_PREFIXES = ("google.", "gcm.")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Notification(_Strict):
    title: str = ""
    body: str = ""
    image: str = ""


class _Message(_Strict):
    """`projects.messages` as far as it is looked at; what is inside the platforms' parts is theirs."""

    token: str = Field(min_length=1)
    name: str = ""
    notification: _Notification = _Notification()
    data: dict[str, str] = {}
    android: dict[str, Any] = {}
    apns: dict[str, Any] = {}
    webpush: dict[str, Any] = {}
    fcm_options: dict[str, Any] = {}
    fcmOptions: dict[str, Any] = {}


class _Request(_Strict):
    message: _Message
    validate_only: bool = False
    validateOnly: bool = False


class FcmSandbox:
    """The two endpoints."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._tokens: OrderedDict[str, float] = OrderedDict()

    def routes(self) -> list[web.RouteDef]:
        """To be added to the sandbox's application."""
        return [
            web.post("/fcm/token", self.token),
            web.post("/fcm/v1/projects/{project}/messages:send", self.send),
        ]

    async def token(self, request: web.Request) -> web.Response:
        """Exchange a service account's assertion for a token (RFC 7523). Who signed it is not checked."""
        form = await request.post()
        if form.get("grant_type") != _GRANT:
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        fault = _assertion_fault(str(form.get("assertion", "")))
        if fault is not None:
            return web.json_response({"error": "invalid_grant", "error_description": fault}, status=400)
        token = f"sandbox-{uuid4().hex}"
        self._tokens[token] = time.time() + _TOKEN_SECONDS
        if len(self._tokens) > _TOKENS_KEPT:
            self._tokens.popitem(last=False)
        return web.json_response(
            {"access_token": token, "expires_in": _TOKEN_SECONDS - 1, "token_type": "Bearer"}
        )

    async def send(self, request: web.Request) -> web.Response:
        """Take a message, or refuse it in FCM's words."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or self._tokens.get(token, 0) <= time.time():
            return _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        try:
            sent = _Request.model_validate_json(await request.read()).message
        except ValidationError as error:
            [fault, *_] = error.errors(include_url=False, include_input=False)
            field = ".".join(str(part) for part in fault["loc"])
            return _error(400, "INVALID_ARGUMENT", f"Invalid value at '{field}': {fault['msg']}")
        fault_text = _payload_fault(sent)
        if fault_text is not None:
            return _error(400, "INVALID_ARGUMENT", fault_text, "INVALID_ARGUMENT")
        message = ReceivedMessage(
            channel=Channel.PUSH,
            provider="fcm",
            recipient=sent.token,
            subject=sent.notification.title or None,
            body=sent.notification.body,
            headers=[*_facts(sent), *without_secrets(request.headers.items())],
            notification_id=sent.data.get("tidings_id"),
        )
        match await self._reception.refusal(message):
            case Behaviour.TEMPORARY_FAILURE:
                answer = _error(503, "UNAVAILABLE", "The service is currently unavailable.", "UNAVAILABLE")
                answer.headers["Retry-After"] = "1"
                return answer
            case Behaviour.PERMANENT_FAILURE:
                return _error(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED")
            case Behaviour.HANG:
                raise web.HTTPServiceUnavailable
            case _:
                name = f"projects/{request.match_info['project']}/messages/{uuid4().hex}"
                return web.json_response({"name": name})


def _facts(sent: _Message) -> list[tuple[str, str]]:
    """What the page shows of a message besides its text."""
    parts = {"data": sent.data, "android": sent.android, "apns": sent.apns, "webpush": sent.webpush}
    return [(name, json.dumps(part, ensure_ascii=False)) for name, part in parts.items() if part]


def _payload_fault(sent: _Message) -> str | None:
    for name in sent.data:
        if name in _RESERVED_KEYS or name.startswith(_RESERVED_PREFIXES):
            return f"Invalid data payload key: {name}"
    size = len(sent.model_dump_json(include={"notification", "data"}, exclude_defaults=True).encode())
    return f"Message too big: {size} bytes" if size > _PAYLOAD_BYTES else None


def _assertion_fault(assertion: str) -> str | None:
    """What Google would not take about the assertion, its signature apart."""
    try:
        header, claims, signature = (
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in assertion.split(".")
        )
        algorithm, found = json.loads(header)["alg"], json.loads(claims)
        lifetime = found["exp"] - found["iat"]
        complete = all(isinstance(found[name], str) for name in ("iss", "scope", "aud"))
    except (ValueError, LookupError, TypeError, RecursionError):
        return "Invalid JWT: not a JWT with iss, scope, aud, iat and exp"
    if algorithm != "RS256" or not signature or not complete:
        return "Invalid JWT: must be signed by RS256"
    if not 0 < lifetime <= _TOKEN_SECONDS or found["exp"] <= time.time():
        return "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
    return None


def _error(status: int, canonical: str, message: str, code: str | None = None) -> web.Response:
    error: dict[str, Any] = {"code": status, "message": message, "status": canonical}
    if code is not None:
        error["details"] = [
            {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}
        ]
    return web.json_response({"error": error}, status=status, reason=HTTPStatus(status).phrase)
