"""SendGrid's v3 Mail Send, as far as `tidings.providers.sendgrid` or a client of SendGrid's own calls it."""

import time
from typing import Annotated, Literal
from uuid import uuid4

from aiohttp import web
from pydantic import Base64Bytes, BaseModel, Field, ValidationError

from tidings.domain.providers import NOTIFICATION_HEADER
from tidings.domain.vocabulary import Channel
from tidings.sandbox.behaviour import Behaviour, plan_for
from tidings.sandbox.inbox import ReceivedFile, ReceivedMessage
from tidings.sandbox.reception import Reception

_Some = Annotated[str, Field(min_length=1)]


class _Address(BaseModel):
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.name else self.email


class _Content(BaseModel):
    type: _Some
    value: _Some


class _Attachment(BaseModel):
    content: Annotated[Base64Bytes, Field(min_length=1)]
    type: Annotated[str, Field(min_length=1, pattern=r"^[^;\r\n]+$")] = "application/octet-stream"
    filename: _Some
    disposition: Literal["attachment", "inline"] = "attachment"
    content_id: str | None = None

    def received(self) -> ReceivedFile:
        return ReceivedFile.of(self.filename, self.type, self.content, self.content_id)


class _Personalization(BaseModel):
    to: Annotated[list[_Address], Field(min_length=1)]
    subject: _Some | None = None
    headers: dict[str, str] = {}


class _MailSend(BaseModel):
    """What Mail Send asks for; more fields are allowed and shown nowhere."""

    personalizations: Annotated[list[_Personalization], Field(min_length=1, max_length=1000)]
    sender: Annotated[_Address, Field(alias="from")]
    subject: _Some
    content: Annotated[list[_Content], Field(min_length=1)]
    headers: dict[str, str] = {}
    attachments: list[_Attachment] = []


def routes(reception: Reception) -> list[web.RouteDef]:
    """`POST /v3/mail/send`."""

    async def send(request: web.Request) -> web.Response:
        return await _send(reception, request)

    return [web.post("/v3/mail/send", send)]


async def _send(reception: Reception, request: web.Request) -> web.Response:
    # Whatever key a sender is set up with, it does; but it has to show one.
    if not request.headers.get("Authorization", "").removeprefix("Bearer ").strip():
        return _error(401, "authorization required")
    if request.content_type != "application/json":
        return _error(415, "Content-Type should be application/json.")
    try:
        mail = _MailSend.model_validate_json(await request.read())
    except ValidationError as error:
        faults = [
            {"message": fault["msg"], "field": ".".join(str(part) for part in fault["loc"]) or None}
            for fault in error.errors(include_url=False)
        ]
        return _errors(400, faults)
    messages = [
        _received(mail, personalization, to)
        for personalization in mail.personalizations
        for to in personalization.to
    ]
    # The mail is refused whole or taken whole: those who want it to fail are asked first.
    for message in sorted(messages, key=_takes_it):
        match await reception.refusal(message):
            case Behaviour.TEMPORARY_FAILURE:
                return _too_many_requests()
            case Behaviour.PERMANENT_FAILURE:
                return _error(400, "Does not contain a valid address.", "personalizations.0.to.0.email")
            case Behaviour.HANG:
                raise web.HTTPServiceUnavailable
            case _:
                pass
    return web.Response(status=202, headers={"X-Message-Id": uuid4().hex[:22]})


def _takes_it(message: ReceivedMessage) -> bool:
    return plan_for(message.channel, message.recipient).behaviour in (None, Behaviour.SLOW)


def _received(mail: _MailSend, personalization: _Personalization, to: _Address) -> ReceivedMessage:
    """The mail as its reader would see it."""
    subject = personalization.subject or mail.subject
    own = {**mail.headers, **personalization.headers}
    by_name = {name.lower(): value for name, value in own.items()}
    bodies = {content.type.partition(";")[0].lower(): content.value for content in reversed(mail.content)}
    return ReceivedMessage(
        channel=Channel.EMAIL,
        provider="sendgrid",
        recipient=to.email,
        subject=subject,
        body=bodies.get("text/plain", ""),
        html=bodies.get("text/html"),
        headers=[("From", str(mail.sender)), ("To", str(to)), ("Subject", subject), *own.items()],
        attachments=[attachment.received() for attachment in mail.attachments],
        notification_id=by_name.get(NOTIFICATION_HEADER.lower()),
    )


def _too_many_requests() -> web.Response:
    answer = _error(429, "too many requests")
    answer.headers["X-RateLimit-Limit"] = "1"
    answer.headers["X-RateLimit-Remaining"] = "0"
    answer.headers["X-RateLimit-Reset"] = str(int(time.time()) + 1)
    return answer


def _error(status: int, message: str, field: str | None = None) -> web.Response:
    return _errors(status, [{"message": message, "field": field}])


def _errors(status: int, faults: list[dict[str, str | None]]) -> web.Response:
    return web.json_response({"errors": faults}, status=status)
