"""`sendgrid`: sends mail by SendGrid's v3 Mail Send.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send (requests),
https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors (statuses; what a 400 names),
https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits (429).

SendGrid knows no idempotency key. Every attempt carries the same `Message-ID`, so that mail programs can
tell a mail that came twice, and our key as a custom argument, which its event webhook gives back.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import aiohttp
from pydantic import Field, SecretStr

from tidings.domain.providers import NOTIFICATION_HEADER
from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure, TransientFailure
from tidings.providers.api_answer import ANSWER_BYTES, bare, failure, json_object, kind_of
from tidings.providers.http_call import HttpAnswer, call, open_session, post
from tidings.providers.http_outcome import LONGEST_RETRY_AFTER, TOO_SOON, retry_after
from tidings.providers.mail import Sender, envelope_address, parse_sender
from tidings.providers.protocol import Acceptance, OutgoingAttachment, OutgoingMessage
from tidings.providers.wording import shown
from tidings.settings import ProviderSettings, Settings

NOTIFICATION_ARGUMENT = "tidings_notification"
"""The custom argument that carries the notification's id."""

_OK = 200
_ACCEPTED = 202
_TOO_MANY = 429
_SEND = "mail.send"
_SCOPES_BYTES = 65_536
"""A key that may do all has some hundred scopes."""


class SendgridSettings(Settings):
    """SendGrid's address and credentials."""

    sendgrid_url: str = Field(default="https://api.sendgrid.com", pattern=r"^https?://[^/?#]+/?$")
    """`https://api.eu.sendgrid.com` for subusers in the EU."""
    sendgrid_api_key: SecretStr | None = None
    """Needs the scope `mail.send`."""
    sendgrid_from: str | None = None
    """A verified sender, `Name <address>`; `TIDINGS_SMTP_FROM` if empty."""
    sendgrid_webhook_key: str | None = None
    """The verification key of the signed Event Webhook, as SendGrid shows it: P-256, DER in base64."""
    sendgrid_webhook_age: float = Field(default=86_700, gt=0)
    """The oldest signature that is taken, in seconds. SendGrid tries for 24 hours, and does not say whether
    it signs anew for each try."""


ERRORS: dict[str, type[SendFailure]] = {
    "200": ProviderMisconfigured,  # checked but not queued: sandbox mode
    # 400 names the field at fault: the message's …
    "400": PermanentFailure,
    "400_personalizations": PermanentFailure,  # the recipient
    "400_subject": PermanentFailure,
    "400_content": PermanentFailure,
    "400_attachments": PermanentFailure,
    # … or what we add to it.
    "400_from": ProviderMisconfigured,
    "400_reply_to": ProviderMisconfigured,
    "400_headers": ProviderMisconfigured,
    "400_custom_args": ProviderMisconfigured,
    "400_categories": ProviderMisconfigured,
    "400_asm": ProviderMisconfigured,
    "400_ip_pool_name": ProviderMisconfigured,
    "400_mail_settings": ProviderMisconfigured,
    "400_tracking_settings": ProviderMisconfigured,
    "401": ProviderMisconfigured,  # the API key is wrong, or the account is out of credits
    "403": ProviderMisconfigured,  # no scope, no verified sender, or too many bad requests
    "404": ProviderMisconfigured,
    "405": ProviderMisconfigured,
    "406": ProviderMisconfigured,  # no Accept header
    "413": PermanentFailure,  # the mail is too large
    "415": ProviderMisconfigured,
    "429": TransientFailure,  # waits until X-RateLimit-Reset
    "451": ProviderMisconfigured,  # data residency: another region's address
    "500": TransientFailure,
    "503": TransientFailure,
}
"""What statuses, and the fields that a 400 names, mean for a message. Others: `api_answer.kind_of`."""


class SendgridProvider:
    """Posts one mail per notification. Raises SetupError if the sender is no address."""

    name = "sendgrid"

    def __init__(self, settings: ProviderSettings, own: SendgridSettings) -> None:
        self._settings = settings
        self._url = f"{own.sendgrid_url.rstrip('/')}/v3/mail/send"
        self._scopes_url = f"{own.sendgrid_url.rstrip('/')}/v3/scopes"
        self._key = own.sendgrid_api_key
        self._sender = (
            parse_sender(own.sendgrid_from, "TIDINGS_SENDGRID_FROM")
            if own.sendgrid_from
            else parse_sender(settings.smtp_from)
        )
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def build(cls, settings: ProviderSettings) -> Self:
        """With its own settings from the environment."""
        return cls(settings, SendgridSettings.load())

    @classmethod
    def sandboxed(cls, settings: ProviderSettings) -> Self:
        """For the sandbox: our own sender, and nobody's key."""
        there = {"sendgrid_url": settings.sandbox_url, "sendgrid_api_key": SecretStr("sandbox")}
        return cls(settings, SendgridSettings.load().model_copy(update=there))

    @property
    def missing(self) -> str | None:
        """The setting without which nothing can be sent."""
        return None if self._key is not None else "TIDINGS_SENDGRID_API_KEY"

    async def send(self, message: OutgoingMessage) -> Acceptance:
        """POST the mail once; the acceptance's reference is SendGrid's `X-Message-Id`."""
        if self._key is None:
            raise ProviderMisconfigured("sendgrid_not_set_up", "TIDINGS_SENDGRID_API_KEY is not set")
        if message.attachments:
            # Writing megabytes would hold up all other sends.
            body = await asyncio.to_thread(_request_body, message, self._sender)
        else:
            body = _request_body(message, self._sender)
        headers = {**self._headers(), "Content-Type": "application/json"}
        answer = await post(self._opened(), self._url, body, headers, answer_bytes=ANSWER_BYTES)
        if answer.status != _ACCEPTED:
            raise failure_for(answer)
        return Acceptance(reference=answer.headers.get("X-Message-Id"))

    async def check(self) -> str:
        """Ask what the key may do (https://www.twilio.com/docs/sendgrid/api-reference/api-key-permissions)."""
        answer = await call(
            self._opened(), "GET", self._scopes_url, None, self._headers(), answer_bytes=_SCOPES_BYTES
        )
        if answer.status != _OK:
            raise failure_for(answer)
        scopes = json_object(answer.text).get("scopes")
        if not isinstance(scopes, list) or _SEND not in scopes:
            raise ProviderMisconfigured("sendgrid_scope", f"the API key lacks the scope {_SEND}")
        return f"the API key may send ({_SEND})"

    def _headers(self) -> dict[str, str]:
        key = self._key.get_secret_value() if self._key else ""
        return {"Authorization": f"Bearer {key}", "Accept": "application/json"}

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session(self._settings)
        return self._session

    async def aclose(self) -> None:
        """Close pooled connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def mail_send(message: OutgoingMessage, sender: Sender) -> dict[str, Any]:
    """The request's body, the same for every attempt.

    Raises PermanentFailure if the recipient is not exactly one address.
    """
    try:
        recipient = envelope_address(message.recipient)
    except ValueError as error:
        raise PermanentFailure("recipient_invalid", shown(str(error))) from error
    content = [{"type": "text/plain", "value": message.body}]
    if message.html:
        content.append({"type": "text/html", "value": message.html})
    origin = {"email": sender.address}
    if sender.name:
        origin["name"] = sender.name
    request: dict[str, Any] = {
        "personalizations": [
            {"to": [{"email": recipient}], "custom_args": {NOTIFICATION_ARGUMENT: message.key}}
        ],
        "from": origin,
        "subject": message.subject or "",
        "content": content,
        "headers": {
            "Message-ID": f"<{message.notification_id}@{sender.domain}>",
            NOTIFICATION_HEADER: message.key,
            # RFC 3834: no holiday notes in answer to this.
            "Auto-Submitted": "auto-generated",
        },
    }
    if message.attachments:
        request["attachments"] = [_file(attachment) for attachment in message.attachments]
    return request


def _request_body(message: OutgoingMessage, sender: Sender) -> bytes:
    return json.dumps(mail_send(message, sender)).encode()


def _file(attachment: OutgoingAttachment) -> dict[str, str]:
    file = {
        "content": base64.b64encode(attachment.content).decode(),
        "filename": attachment.filename,
        # Mail Send takes a type without parameters only.
        "type": attachment.content_type.partition(";")[0],
        "disposition": "attachment" if attachment.content_id is None else "inline",
    }
    return file if attachment.content_id is None else {**file, "content_id": attachment.content_id}


def failure_for(answer: HttpAnswer, now: datetime | None = None) -> SendFailure:
    """The failure that an answer other than 202 stands for."""
    errors = json_object(answer.text).get("errors")
    faults = [fault for fault in errors if isinstance(fault, dict)] if isinstance(errors, list) else []
    fields = [fault["field"].partition(".")[0] for fault in faults if isinstance(fault.get("field"), str)]
    rows = [f"{answer.status}_{field}" for field in fields if f"{answer.status}_{field}" in ERRORS]
    # Several faults may be named at once: then they are the message's only if all of them are.
    rows.sort(key=lambda row: ERRORS[row] is not ProviderMisconfigured)
    code = rows[0] if rows else str(answer.status)
    message = "; ".join(str(fault["message"]) for fault in faults if fault.get("message"))
    return failure(
        ERRORS.get(code) or kind_of(answer.status),
        f"sendgrid_{code}",
        message or bare(answer.status, answer.text),
        _wait(answer.status, answer.headers, now or datetime.now(UTC)),
        of_message=answer.status in TOO_SOON,
    )


def _wait(status: int, headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """`Retry-After`, or for a 429 until `X-RateLimit-Reset`, a time in Unix seconds."""
    reset = headers.get("X-RateLimit-Reset", "").strip()
    if "Retry-After" in headers or status != _TOO_MANY or not (reset.isascii() and reset.isdigit()):
        return retry_after(headers.get("Retry-After"), now)
    seconds = min(int(reset[:12]) - int(now.timestamp()), int(LONGEST_RETRY_AFTER.total_seconds()))
    return timedelta(seconds=max(seconds, 0))
