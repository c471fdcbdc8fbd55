"""A push service and its browsers in the sandbox: subscriptions for the asking, and their messages in clear.

A browser's keys follow from its name alone: a subscription stays good when the sandbox starts anew. They are
no secret, and need be none here.
"""

import base64
import hashlib
import json
import re
import time
from typing import Any
from uuid import uuid4

from aiohttp import web

from tidings.domain.vocabulary import Channel
from tidings.domain.web_push import WebPushSubscription, decoded
from tidings.sandbox.behaviour import Behaviour
from tidings.sandbox.inbox import ReceivedMessage
from tidings.sandbox.reception import Reception, without_secrets

_LARGEST = 4096
_HEADER = 86
_DAY = 86_400
_AUTHORIZATION = re.compile(r"vapid t=([\w.-]+), ?k=([\w-]+)", re.ASCII | re.IGNORECASE)


class WebPushSandbox:
    """The endpoints."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def routes(self) -> list[web.RouteDef]:
        """To be added to the sandbox's application."""
        return [
            web.get("/webpush/subscription", self.subscribe),
            web.post(r"/webpush/{browser:[\w.-]{1,100}}", self.push),
        ]

    async def subscribe(self, request: web.Request) -> web.Response:
        """A subscription, as a browser gives it, of the browser `?browser=`; by default a new one."""
        browser = request.query.get("browser") or uuid4().hex
        if not re.fullmatch(r"[\w.-]{1,100}", browser, re.ASCII):
            return _refusal(400, "a browser's name is 1 to 100 of A-Z a-z 0-9 _ . -")
        try:
            point = _public_point(browser)
        except ModuleNotFoundError:
            return _refusal(501, "needs cryptography: pip install 'tidings[webpush]'")
        subscription = WebPushSubscription(
            f"{request.url.origin()}/webpush/{browser}", point, _secret(browser)
        )
        return web.json_response(json.loads(subscription.text))

    async def push(self, request: web.Request) -> web.Response:
        """Take a message (RFC 8030, 5), or refuse it as a push service does."""
        browser, sealed = request.match_info["browser"], await request.read()
        try:
            status, fault = _fault(request, len(sealed))
            if fault is not None:
                return _refusal(status, fault)
            opened = json.loads(_opened(browser, sealed))
            message = _message(browser, opened, without_secrets(request.headers.items()))
        except ModuleNotFoundError:
            return _refusal(501, "needs cryptography: pip install 'tidings[webpush]'")
        except _NotReadable as error:
            return _refusal(400, str(error))
        except ValueError:
            return _refusal(400, "the message is not JSON")
        match await self._reception.refusal(message):
            case Behaviour.TEMPORARY_FAILURE:
                answer = _refusal(429, "too many messages, as this browser asks for")
                answer.headers["Retry-After"] = "1"
                return answer
            case Behaviour.PERMANENT_FAILURE:
                return _refusal(410, "unsubscribed, as this browser asks for")
            case Behaviour.HANG:
                raise web.HTTPServiceUnavailable
            case _:
                address = f"{request.url.origin()}/webpush/messages/{uuid4().hex}"
                return web.Response(status=201, headers={"Location": address, "TTL": request.headers["TTL"]})


class _NotReadable(ValueError):
    """Why a browser could not show the message."""


def _fault(request: web.Request, size: int) -> tuple[int, str | None]:
    """Status and reason of what a push service does not take."""
    if not request.headers.get("TTL", "").isdigit():
        return 400, "TTL is missing or no number (RFC 8030, 5.2)"
    if request.headers.get("Content-Encoding") != "aes128gcm":
        return 400, "Content-Encoding must be aes128gcm (RFC 8291, 4)"
    if size > _LARGEST:
        return 413, f"{size} bytes: at most {_LARGEST}"
    fault = _token_fault(request.headers.get("Authorization", ""), str(request.url.origin()))
    return (403, fault) if fault else (0, None)


def _token_fault(authorization: str, origin: str) -> str | None:
    """What is wrong with the sender's token (RFC 8292), its signature included."""
    found = _AUTHORIZATION.fullmatch(authorization)
    if found is None:
        return "Authorization must be: vapid t=…, k=…"
    import jwt
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(found[2]))
        claims = jwt.decode(
            found[1], key, algorithms=["ES256"], audience=origin, options={"require": ["exp", "aud", "sub"]}
        )
    except (ValueError, jwt.PyJWTError) as error:
        return f"the token is not good: {error}"
    return "the token is good for more than a day" if claims["exp"] > time.time() + _DAY else None


def _message(browser: str, opened: Any, headers: list[tuple[str, str]]) -> ReceivedMessage:
    if not isinstance(opened, dict):
        raise _NotReadable("the message is not a JSON object")
    data = opened.get("data")
    identifier = data.get("tidings_id") if isinstance(data, dict) else None
    return ReceivedMessage(
        channel=Channel.PUSH,
        provider="webpush",
        recipient=browser,
        subject=str(opened["title"]) if opened.get("title") else None,
        body=str(opened.get("body") or ""),
        headers=[("data", json.dumps(data, ensure_ascii=False)), ("tag", str(opened.get("tag"))), *headers],
        notification_id=identifier if isinstance(identifier, str) else None,
    )


def _secret(browser: str) -> bytes:
    return hashlib.sha256(f"tidings sandbox secret {browser}".encode()).digest()[:16]


def _private_key(browser: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec

    number = int.from_bytes(hashlib.sha256(f"tidings sandbox key {browser}".encode()).digest(), "big")
    # Below the order of the curve, and not zero.
    return ec.derive_private_key(number >> 1 | 1, ec.SECP256R1())


def _public_point(browser: str) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    point: bytes = (
        _private_key(browser).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    )
    return point


def _opened(browser: str, sealed: bytes) -> bytes:
    """The message in clear, read as RFC 8291, 3.4 has browsers read it."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    salt, theirs, record = sealed[:16], sealed[21:_HEADER], sealed[_HEADER:]
    if len(sealed) <= _HEADER or sealed[20] != len(theirs):
        raise _NotReadable("the body is not aes128gcm with a key of 65 bytes (RFC 8291, 4)")
    key = _private_key(browser)
    try:
        sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs)
        shared = key.exchange(ec.ECDH(), sender)
        info = b"WebPush: info\x00" + _public_point(browser) + theirs
        secret = HKDF(SHA256(), 32, _secret(browser), info).derive(shared)
        content_key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\x00").derive(secret)
        nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\x00").derive(secret)
        padded = AESGCM(content_key).decrypt(nonce, record, None)
    except (ValueError, InvalidTag):
        fingerprint = base64.urlsafe_b64encode(theirs[:6]).decode()
        raise _NotReadable(f"not encrypted for this browser (key {fingerprint}…)") from None
    return padded.rstrip(b"\x00")[:-1]


def _refusal(status: int, reason: str) -> web.Response:
    return web.json_response({"reason": reason}, status=status)
