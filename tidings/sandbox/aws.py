"""Amazon SES v2 SendEmail (raw mails) and SNS Publish (to phone numbers), as AWS's own clients call them."""

import base64
import re
from dataclasses import replace
from typing import Annotated
from uuid import uuid4
from xml.sax.saxutils import escape

from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from tidings.domain.providers import NOTIFICATION_HEADER
from tidings.domain.vocabulary import Channel
from tidings.sandbox.behaviour import Behaviour, plan_for
from tidings.sandbox.inbox import ReceivedMessage
from tidings.sandbox.mail import parsed_mail
from tidings.sandbox.reception import Reception, without_secrets

_ADDRESS = r"^[^@\s]+@[^@\s]+$"
_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_LONGEST = 1600
_NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"
_SECRETS = frozenset({"x-amz-security-token"})


class _Destination(BaseModel):
    addresses: Annotated[
        list[Annotated[str, Field(pattern=_ADDRESS)]], Field(alias="ToAddresses", min_length=1)
    ]


class _Raw(BaseModel):
    data: Annotated[str, Field(alias="Data", min_length=1)]


class _Content(BaseModel):
    raw: Annotated[_Raw, Field(alias="Raw")]


class _SendEmail(BaseModel):
    """What SendEmail asks for; more fields are allowed and shown nowhere."""

    destination: Annotated[_Destination, Field(alias="Destination")]
    content: Annotated[_Content, Field(alias="Content")]


def routes(reception: Reception) -> list[web.RouteDef]:
    """SES's `POST /v2/email/outbound-emails`, and `POST /` for SNS's `Action=Publish`."""

    async def send_email(request: web.Request) -> web.Response:
        return await _send_email(reception, request)

    async def publish(request: web.Request) -> web.Response:
        return await _publish(reception, request)

    return [web.post("/v2/email/outbound-emails", send_email), web.post("/", publish)]


async def _send_email(reception: Reception, request: web.Request) -> web.Response:
    if not _signed(request):
        return _json_error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    try:
        asked = _SendEmail.model_validate_json(await request.read())
        content = base64.b64decode(asked.content.raw.data, validate=True)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        return _json_error(400, "BadRequestException", f"{where}: {fault['msg']}")
    except ValueError:
        return _json_error(400, "BadRequestException", "Content.Raw.Data: not base64")
    messages = [
        replace(await parsed_mail(content, address), provider="ses")
        for address in asked.destination.addresses
    ]
    # The mail is refused whole or taken whole: those who want it to fail are asked first.
    for message in sorted(messages, key=_takes_it):
        match await reception.refusal(message):
            case Behaviour.TEMPORARY_FAILURE:
                return _json_error(429, "TooManyRequestsException", "Maximum sending rate exceeded.")
            case Behaviour.PERMANENT_FAILURE:
                return _json_error(400, "BadRequestException", f"Illegal address: {message.recipient}")
            case Behaviour.HANG:
                raise web.HTTPServiceUnavailable
            case _:
                pass
    return web.json_response({"MessageId": f"{uuid4().hex[:16]}-{uuid4()}-000000"})


async def _publish(reception: Reception, request: web.Request) -> web.Response:
    if not _signed(request):
        return _xml_error(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    if form.get("Action") != "Publish":
        return _xml_error(400, "InvalidAction", f"Could not find operation {form.get('Action')}")
    fault = _fault(form)
    if fault is not None:
        return _xml_error(400, "InvalidParameter", f"Invalid parameter: {fault}")
    message = ReceivedMessage(
        channel=Channel.SMS,
        provider="sns",
        recipient=form["PhoneNumber"],
        body=form["Message"],
        headers=_attributes(form)
        + [pair for pair in without_secrets(request.headers.items()) if pair[0].lower() not in _SECRETS],
        notification_id=request.headers.get(NOTIFICATION_HEADER),
    )
    match await reception.refusal(message):
        case Behaviour.TEMPORARY_FAILURE:
            return _xml_error(429, "Throttled", "Rate exceeded, as this recipient asks for")
        case Behaviour.PERMANENT_FAILURE:
            return _xml_error(400, "InvalidParameter", "Invalid parameter: PhoneNumber, as it asks for")
        case Behaviour.HANG:
            raise web.HTTPServiceUnavailable
        case _:
            pass
    return _xml(
        200,
        f"<PublishResponse xmlns='{_NAMESPACE}'>"
        f"<PublishResult><MessageId>{uuid4()}</MessageId></PublishResult>"
        f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata></PublishResponse>",
    )


def _signed(request: web.Request) -> bool:
    """Whatever credentials a sender is set up with, they do; but it has to sign."""
    return request.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 Credential=")


def _takes_it(message: ReceivedMessage) -> bool:
    return plan_for(message.channel, message.recipient).behaviour in (None, Behaviour.SLOW)


def _fault(form: dict[str, str]) -> str | None:
    """SNS's words for a request that it refuses."""
    if not _E164.fullmatch(form.get("PhoneNumber", "")):
        return f"PhoneNumber Reason: {form.get('PhoneNumber')} is not valid to publish to"
    if not form.get("Message"):
        return "Empty message"
    if len(form["Message"]) > _LONGEST:
        return "Message too long"
    return None


def _attributes(form: dict[str, str]) -> list[tuple[str, str]]:
    """The message's attributes: who sends, and how."""
    found = []
    number = 1
    while name := form.get(f"MessageAttributes.entry.{number}.Name"):
        found.append((name, form.get(f"MessageAttributes.entry.{number}.Value.StringValue", "")))
        number += 1
    return found


def _json_error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status, headers={"x-amzn-ErrorType": code})


def _xml_error(status: int, code: str, message: str) -> web.Response:
    return _xml(
        status,
        f"<ErrorResponse xmlns='{_NAMESPACE}'><Error><Type>Sender</Type><Code>{code}</Code>"
        f"<Message>{escape(message)}</Message></Error><RequestId>{uuid4()}</RequestId></ErrorResponse>",
    )


def _xml(status: int, content: str) -> web.Response:
    return web.Response(status=status, text=content, content_type="text/xml")
