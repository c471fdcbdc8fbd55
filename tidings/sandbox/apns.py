"""The Apple Push Notification service in the sandbox: `POST /3/device/{token}` over HTTP/2.

Any key may sign; what else APNs would refuse is refused with its own reason.
"""

import base64
import json
import time
from urllib.parse import unquote
from uuid import UUID, uuid4

from tidings.domain.vocabulary import Channel
from tidings.sandbox.behaviour import Behaviour
from tidings.sandbox.http2 import Http2Request, Http2Response
from tidings.sandbox.inbox import ReceivedMessage
from tidings.sandbox.reception import Reception, without_secrets

_PATH = "/3/device/"
_PAYLOAD_BYTES = 4096
_COLLAPSE_BYTES = 64
_TOKEN_SECONDS = 3600
_PRIORITIES = ("", "1", "5", "10")
_PUSH_TYPES = (
    "",
    "alert",
    "background",
    "complication",
    "controls",
    "fileprovider",
    "liveactivity",
    "location",
    "mdm",
    "pushtotalk",
    "voip",
    "widgets",
)


class ApnsSandbox:
    """Answers requests."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    async def __call__(self, request: Http2Request) -> Http2Response:
        """Take a message, or refuse it in APNs' words."""
        apns_id = request.header("apns-id") or str(uuid4()).upper()
        fault = _request_fault(request) or _token_fault(request) or _header_fault(request)
        if fault is not None:
            return _refused(apns_id, *fault)
        content, fault = _content(bytes(request.body))
        if fault is not None:
            return _refused(apns_id, *fault)
        alert = content["aps"].get("alert")
        shown = alert if isinstance(alert, dict) else {"body": alert or ""}
        message = ReceivedMessage(
            channel=Channel.PUSH,
            provider="apns",
            recipient=unquote(request.header(":path").removeprefix(_PATH)),
            subject=str(shown["title"]) if shown.get("title") else None,
            body=str(shown.get("body") or ""),
            headers=[("payload", json.dumps(content, ensure_ascii=False)), *without_secrets(request.headers)],
            notification_id=apns_id,
        )
        match await self._reception.refusal(message):
            case Behaviour.TEMPORARY_FAILURE:
                return _refused(apns_id, 503, "ServiceUnavailable", {"retry-after": "1"})
            case Behaviour.PERMANENT_FAILURE:
                return _refused(apns_id, 410, "Unregistered")
            case Behaviour.HANG:
                return _refused(apns_id, 503, "Shutdown")
            case _:
                return Http2Response(200, {"apns-id": apns_id})


_Fault = tuple[int, str]


def _request_fault(request: Http2Request) -> _Fault | None:
    if request.header(":method") != "POST":
        return 405, "MethodNotAllowed"
    path = request.header(":path")
    if not path.startswith(_PATH):
        return 404, "BadPath"
    return None if path != _PATH else (400, "MissingDeviceToken")


def _token_fault(request: Http2Request) -> _Fault | None:
    """What is wrong with the provider token, its signature apart."""
    scheme, _, token = request.header("authorization").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return 403, "MissingProviderToken"
    try:
        header, claims = (
            json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
            for part in token.split(".")[:2]
        )
        known = header["alg"] == "ES256" and bool(header["kid"]) and bool(claims["iss"])
        age = time.time() - claims["iat"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return 403, "InvalidProviderToken"
    if not known:
        return 403, "InvalidProviderToken"
    return (403, "ExpiredProviderToken") if age > _TOKEN_SECONDS else None


def _header_fault(request: Http2Request) -> _Fault | None:
    names = [name for name, _ in request.headers if name.startswith("apns-")]
    if len(names) != len(set(names)):
        return 400, "DuplicateHeaders"
    wrong = {
        "BadMessageId": bool(request.header("apns-id")) and not _is_uuid(request.header("apns-id")),
        "MissingTopic": not request.header("apns-topic"),
        "BadPriority": request.header("apns-priority") not in _PRIORITIES,
        "InvalidPushType": request.header("apns-push-type") not in _PUSH_TYPES,
        "BadExpirationDate": not (request.header("apns-expiration") or "0").isdecimal(),
        "BadCollapseId": len(request.header("apns-collapse-id").encode()) > _COLLAPSE_BYTES,
    }
    return next(((400, reason) for reason, is_wrong in wrong.items() if is_wrong), None)


def _content(body: bytes) -> tuple[dict[str, dict[str, object]], _Fault | None]:
    if len(body) > _PAYLOAD_BYTES:
        return {}, (413, "PayloadTooLarge")
    try:
        content = json.loads(body)
        if isinstance(content["aps"], dict):
            return content, None
    except (ValueError, LookupError, TypeError, RecursionError):
        pass
    return {}, (400, "PayloadEmpty")


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _refused(apns_id: str, status: int, reason: str, headers: dict[str, str] | None = None) -> Http2Response:
    content: dict[str, object] = {"reason": reason}
    if status == 410:
        content["timestamp"] = int(time.time() * 1000)
    body = json.dumps(content).encode()
    return Http2Response(status, {"apns-id": apns_id, **(headers or {})}, body)
