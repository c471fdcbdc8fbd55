"""The sandbox over HTTP: the inbox page, its JSON form, the sink, and a webhook receiver."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from aiohttp import web
from aiohttp.helpers import content_disposition_header
from pydantic import Base64Bytes, BaseModel, ValidationError

from tidings.domain.providers import NOTIFICATION_HEADER
from tidings.domain.vocabulary import Channel
from tidings.sandbox import aws, sendgrid, twilio
from tidings.sandbox.behaviour import Behaviour, FailureCount
from tidings.sandbox.fcm import FcmSandbox
from tidings.sandbox.inbox import Inbox, ReceivedFile, ReceivedMessage
from tidings.sandbox.inbox_view import InboxView
from tidings.sandbox.pages import (
    FILE_POLICY,
    MAIL_POLICY,
    PAGE_POLICY,
    PICTURES,
    inbox_page,
    mail_document,
    static_file,
)
from tidings.sandbox.reception import Reception, without_secrets
from tidings.sandbox.status_callbacks import StatusCallbacks
from tidings.sandbox.webpush import WebPushSandbox

_MAX_BODY_BYTES = 32_000_000
"""10 MB of attachments as SES takes them: base64 within base64."""
_CHAT_TEXTS = ("message", "text", "body")


class SinkFile(BaseModel):
    """A file that the `sandbox` provider posts."""

    filename: str
    content_type: str
    content: Base64Bytes
    content_id: str | None = None


class SinkMessage(BaseModel):
    """What the `sandbox` provider posts; more fields are allowed and shown nowhere."""

    recipient: str
    body: str
    notification_id: str | None = None
    subject: str | None = None
    html: str | None = None
    data: dict[str, str] | None = None
    collapse_key: str | None = None
    attachments: list[SinkFile] = []

    def facts(self) -> list[tuple[str, str]]:
        """What the page shows of a push message besides its text."""
        data = [] if self.data is None else [("data", json.dumps(self.data, ensure_ascii=False))]
        return data + ([] if self.collapse_key is None else [("collapse_key", self.collapse_key)])


@dataclass(slots=True)
class HttpSandbox:
    """The handlers and what they share. `closing` lets those go that hang on purpose."""

    inbox: Inbox
    failures: FailureCount
    slow_seconds: float
    smtp_port: int
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    stamp: str = field(default_factory=lambda: uuid4().hex)
    """Tells this process's revisions from those of an earlier one."""

    @property
    def reception(self) -> Reception:
        """What the providers' own protocols hand their messages to."""
        return Reception(self.inbox, self.failures, self.slow_seconds, self.closing)

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[_hardened])
        application.add_routes(
            [
                web.get("/", self.page),
                web.get("/static/{name}", self.static),
                web.get("/messages", self.messages),
                web.delete("/messages", self.clear),
                web.get(r"/messages/{number:\d{1,15}}/html", self.mail_html),
                web.get(r"/messages/{number:\d{1,15}}/attachments/{place:\d{1,3}}", self.attachment),
                web.post("/sink/{channel}", self.sink),
                web.post("/hooks/{token:.+}", self.hook),
                web.get("/health/live", self.live),
            ]
        )
        callbacks = StatusCallbacks()
        application.on_cleanup.append(callbacks.aclose)
        application.add_routes(twilio.routes(self.reception, callbacks))
        application.add_routes(sendgrid.routes(self.reception))
        application.add_routes(aws.routes(self.reception))
        application.add_routes(FcmSandbox(self.reception).routes())
        application.add_routes(WebPushSandbox(self.reception).routes())
        return application

    async def live(self, _request: web.Request) -> web.Response:
        """This process serves."""
        return web.json_response({"status": "ok"})

    async def page(self, request: web.Request) -> web.Response:
        """The inbox for people. 304 as long as nothing has changed."""
        etag = f"{self.stamp}-{self.inbox.revision}"
        if any(tag.value == etag for tag in request.if_none_match or ()):
            return web.Response(status=304, headers={"ETag": f'"{etag}"'})
        view = InboxView.of(self.inbox, request.query, self.smtp_port, str(request.url.origin()))
        headers = {"ETag": f'"{etag}"', "Content-Security-Policy": PAGE_POLICY}
        return web.Response(text=inbox_page(view), content_type="text/html", headers=headers)

    async def static(self, request: web.Request) -> web.Response:
        """The page's stylesheet and script."""
        found = static_file(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        text, content_type = found
        return web.Response(text=text, content_type=content_type)

    async def mail_html(self, request: web.Request) -> web.Response:
        """The HTML of a mail, for a frame in which it can run nothing and fetch nothing."""
        message = self.inbox.get(int(request.match_info["number"]))
        if message is None or message.html is None:
            raise web.HTTPNotFound
        headers = {"Content-Security-Policy": MAIL_POLICY}
        document = mail_document(message.html, message.attachments)
        return web.Response(text=document, content_type="text/html", headers=headers)

    async def attachment(self, request: web.Request) -> web.Response:
        """A file that came with a message: pictures to be looked at, all else to be saved."""
        message = self.inbox.get(int(request.match_info["number"]))
        place = int(request.match_info["place"])
        if message is None or place >= len(message.attachments):
            raise web.HTTPNotFound
        file = message.attachments[place]
        if file.content is None:
            return _refusal(410, "the file is no longer kept: it made room for later ones")
        shown = file.content_type in PICTURES
        headers = {
            "Content-Security-Policy": FILE_POLICY,
            "Content-Type": file.content_type if shown else "application/octet-stream",
            "Content-Disposition": content_disposition_header(
                "inline" if shown else "attachment", filename=file.filename
            ),
        }
        return web.Response(body=file.content, headers=headers)

    async def messages(self, request: web.Request) -> web.Response:
        """The inbox for programs: `?channel=&recipient=`, newest first."""
        wanted = request.query.get("channel")
        try:
            channel = Channel(wanted) if wanted else None
        except ValueError:
            return _refusal(400, f"no such channel: {wanted}")
        found = self.inbox.select(channel, request.query.get("recipient") or None)
        return web.json_response({"data": [message.as_json() for message in found]})

    async def clear(self, _request: web.Request) -> web.Response:
        """Empty the inbox."""
        self.inbox.clear()
        return web.Response(status=204)

    async def sink(self, request: web.Request) -> web.Response:
        """Take a message from the `sandbox` provider."""
        try:
            channel = Channel(request.match_info["channel"])
        except ValueError:
            return _refusal(404, "no such channel")
        try:
            sent = SinkMessage.model_validate_json(await request.read())
        except ValidationError as error:
            return _refusal(400, "; ".join(fault["msg"] for fault in error.errors(include_url=False)))
        message = ReceivedMessage(
            channel=channel,
            provider="sandbox",
            recipient=sent.recipient,
            subject=sent.subject,
            body=sent.body,
            html=sent.html,
            headers=[*sent.facts(), *request.headers.items()],
            attachments=[ReceivedFile.of(**dict(file)) for file in sent.attachments],
            notification_id=sent.notification_id,
        )
        return await self._received(message)

    async def hook(self, request: web.Request) -> web.Response:
        """Receive a webhook, of whatever form; what `apprise` posts is a chat service's."""
        body = (await request.read()).decode("utf-8", "replace")
        if NOTIFICATION_HEADER in request.headers:
            return await self._received(_chat_message(request, body), HTTPStatus.OK)
        message = ReceivedMessage(
            channel=Channel.WEBHOOK,
            provider="webhook",
            recipient=str(request.url),
            subject=_webhook_subject(body),
            body=body,
            headers=list(request.headers.items()),
            notification_id=request.headers.get("webhook-id"),
        )
        return await self._received(message)

    async def _received(
        self, message: ReceivedMessage, status: HTTPStatus = HTTPStatus.ACCEPTED
    ) -> web.Response:
        match await self.reception.refusal(message):
            case Behaviour.TEMPORARY_FAILURE:
                refusal = _refusal(503, "temporary failure, as this recipient asks for")
                refusal.headers["Retry-After"] = "1"
                return refusal
            case Behaviour.PERMANENT_FAILURE:
                return _refusal(422, "permanent failure, as this recipient asks for")
            case Behaviour.HANG:
                raise web.HTTPServiceUnavailable
            case _:
                pass
        return web.json_response({"reference": f"sandbox-{uuid4().hex}"}, status=status)


def _refusal(status: int, detail: str) -> web.Response:
    return web.json_response({"detail": detail}, status=status)


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _chat_message(request: web.Request, body: str) -> ReceivedMessage:
    """A post of the provider `apprise`, in the form of whichever service its URL named."""
    content = _json_object(body)
    texts = [content[name] for name in _CHAT_TEXTS if isinstance(content.get(name), str)]
    title = content.get("title")
    return ReceivedMessage(
        channel=Channel.CHAT,
        provider="apprise",
        recipient=str(request.url),
        subject=title if isinstance(title, str) and title else None,
        body=texts[0] if texts else body,
        headers=without_secrets(request.headers.items()),
        notification_id=request.headers[NOTIFICATION_HEADER],
    )


def _webhook_subject(body: str) -> str | None:
    """The subject of a notification in the form that Tidings sends, for the list."""
    try:
        subject = json.loads(body)["data"]["subject"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return subject if isinstance(subject, str) else None


@web.middleware
async def _hardened(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as answer:
        response = _refusal(answer.status, answer.reason)
        response.headers.update({name: value for name, value in answer.headers.items() if name == "Allow"})
    response.headers.setdefault("Content-Security-Policy", "default-src 'none'")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-cache"
    return response
