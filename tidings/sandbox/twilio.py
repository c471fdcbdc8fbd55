"""Twilio's Messages resource, as far as `tidings.providers.twilio` or a client of Twilio's own calls it."""

import base64
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

from aiohttp import web

from tidings.domain.providers import NOTIFICATION_HEADER
from tidings.domain.sms_segments import sms_segments
from tidings.domain.vocabulary import Channel
from tidings.sandbox.behaviour import Behaviour
from tidings.sandbox.inbox import ReceivedMessage
from tidings.sandbox.reception import Reception, without_secrets
from tidings.sandbox.status_callbacks import StatusCallbacks

_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_LONGEST = 1600


def routes(reception: Reception, callbacks: StatusCallbacks) -> list[web.RouteDef]:
    """`POST /2010-04-01/Accounts/{sid}/Messages.json`."""

    async def create(request: web.Request) -> web.Response:
        return await _create(reception, callbacks, request)

    return [web.post(r"/2010-04-01/Accounts/{account:AC[0-9a-fA-F]{32}}/Messages.json", create)]


async def _create(reception: Reception, callbacks: StatusCallbacks, request: web.Request) -> web.Response:
    password = _password(request)
    if not password:
        return _error(401, 20003, "Authenticate")
    form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    fault = _fault(form)
    if fault is not None:
        return _error(400, *fault)
    message = ReceivedMessage(
        channel=Channel.SMS,
        provider="twilio",
        recipient=form["To"],
        body=form["Body"],
        headers=_headers(request, form),
        notification_id=request.headers.get(NOTIFICATION_HEADER),
    )
    match await reception.refusal(message):
        case Behaviour.TEMPORARY_FAILURE:
            answer = _error(429, 20429, "Too many requests, as this recipient asks for")
            answer.headers["Retry-After"] = "1"
            return answer
        case Behaviour.PERMANENT_FAILURE:
            return _error(400, 21211, f"Invalid 'To' Phone Number: {form['To']}, as it asks for")
        case Behaviour.HANG:
            raise web.HTTPServiceUnavailable
        case _:
            pass
    account = request.match_info["account"]
    resource = _resource(account, form)
    if form.get("StatusCallback"):
        told = {"AccountSid": account, "ApiVersion": "2010-04-01", "MessageSid": resource["sid"]}
        sender = form.get("From") or form["MessagingServiceSid"]
        callbacks.post(form["StatusCallback"], password, {**told, "From": sender, "To": form["To"]})
    return web.json_response(resource, status=201)


def _password(request: web.Request) -> str | None:
    """Whatever credentials a sender is set up with, they do; but it has to show some."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    try:
        username, _, password = base64.b64decode(credentials, validate=True).partition(b":")
    except ValueError:
        return None
    shown = scheme.lower() == "basic" and username != b""
    return password.decode("utf-8", "replace") if shown else None


def _fault(form: dict[str, str]) -> tuple[int, str] | None:
    """Twilio's code and words for a request that it refuses."""
    if not form.get("To"):
        return 21604, "A 'To' phone number is required."
    if not form.get("From") and not form.get("MessagingServiceSid"):
        return 21603, "A 'From' or 'MessagingServiceSid' parameter is required."
    if not form.get("Body"):
        return 21619, "A text message body or media urls must be specified."
    if len(form["Body"]) > _LONGEST:
        return 21617, f"The concatenated message body exceeds the {_LONGEST} character limit"
    if not _E164.fullmatch(form["To"]):
        return 21211, f"Invalid 'To' Phone Number: {form['To']}"
    return None


def _headers(request: web.Request, form: dict[str, str]) -> list[tuple[str, str]]:
    """The request's, without its credentials, and who sends."""
    sender = [(name, form[name]) for name in ("From", "MessagingServiceSid") if name in form]
    return sender + without_secrets(request.headers.items())


def _resource(account: str, form: dict[str, str]) -> dict[str, Any]:
    sid = f"SM{uuid4().hex}"
    path = f"/2010-04-01/Accounts/{account}/Messages/{sid}"
    now = format_datetime(datetime.now(UTC))
    return {
        "account_sid": account,
        "api_version": "2010-04-01",
        "body": form["Body"],
        "date_created": now,
        "date_sent": None,
        "date_updated": now,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": form.get("From"),
        "messaging_service_sid": form.get("MessagingServiceSid"),
        "num_media": "0",
        # A service picks its sender later: until then Twilio counts none.
        "num_segments": "0" if "MessagingServiceSid" in form else str(sms_segments(form["Body"]).count),
        "price": None,
        "price_unit": None,
        "sid": sid,
        "status": "accepted" if "MessagingServiceSid" in form else "queued",
        "subresource_uris": {"media": f"{path}/Media.json"},
        "to": form["To"],
        "uri": f"{path}.json",
    }


def _error(status: int, code: int, message: str) -> web.Response:
    more = f"https://www.twilio.com/docs/errors/{code}"
    content = {"code": code, "message": message, "more_info": more, "status": status}
    return web.json_response(content, status=status)
