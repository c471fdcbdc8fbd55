"""A notification as an e-mail: the same bytes for every attempt."""

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from hashlib import sha256

from aiosmtplib.email import parse_address
from email_validator import validate_email

from tidings.domain.providers import NOTIFICATION_HEADER
from tidings.domain.recipient import reads_as_itself
from tidings.errors import PermanentFailure, SetupError
from tidings.providers.mail_headers import exact_header, mailbox_header, text_header
from tidings.providers.mail_parts import container, file_part
from tidings.providers.protocol import OutgoingMessage
from tidings.providers.wording import shown

_IN_ASCII = SMTP.clone(cte_type="7bit")
_LONE_LINE_END = re.compile(rb"\r\n|\n|\r")
_LEADING_PERIOD = re.compile(rb"^\.", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom the mail is from. `address` is ASCII, so that any server takes it."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """What stands behind the `@`."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Mail:
    """Bytes and envelope of one mail. `smtputf8`: its recipient cannot be written in ASCII (RFC 6531)."""

    recipient: str
    message_id: str
    content: bytes
    smtputf8: bool

    @property
    def wire(self) -> bytes:
        """The content as it follows DATA: its periods doubled, a lone one at the end (RFC 5321, 4.5.2)."""
        lines = _LONE_LINE_END.sub(b"\r\n", self.content)
        if not lines.endswith(b"\r\n"):
            lines += b"\r\n"
        return _LEADING_PERIOD.sub(b"..", lines) + b".\r\n"


def parse_sender(given: str, setting: str = "TIDINGS_SMTP_FROM") -> Sender:
    """`Name <address>` or a bare address. Raises SetupError, naming the setting, if it is neither."""
    [(name, address), *more] = getaddresses([given]) or [("", "")]
    try:
        exact = envelope_address(address)
    except ValueError:
        exact = ""
    # A parenthesis that is never closed hides what follows: what stands before it would be the address.
    bracketed = given.rpartition("<")[2].partition(">")[0].strip() if "<" in given else address
    if more or not exact or address != bracketed or not exact.isascii() or not given.isprintable():
        raise SetupError(
            f"{setting}: {given!r} is not like 'Tidings <notifications@example.com>'. Correct it."
        )
    return Sender(name, exact)


async def composed(message: OutgoingMessage, sender: Sender) -> Mail:
    """As `compose`, in a thread if there are files: writing megabytes would hold up all other sends."""
    if message.attachments:
        return await asyncio.to_thread(compose, message, sender)
    return compose(message, sender)


def compose(message: OutgoingMessage, sender: Sender) -> Mail:
    """The mail of a notification. Raises PermanentFailure if it cannot be written as one."""
    try:
        recipient = envelope_address(message.recipient)
    except ValueError as error:
        raise PermanentFailure("recipient_invalid", shown(str(error))) from error
    message_id = f"<{message.notification_id}@{sender.domain}>"
    try:
        headers = (
            mailbox_header("From", sender.name, sender.address),
            exact_header("To", recipient),
            text_header("Subject", message.subject or ""),
            exact_header("Date", format_datetime(message.created_at.astimezone(UTC))),
            exact_header("Message-ID", message_id),
            exact_header(NOTIFICATION_HEADER, str(message.notification_id)),
            # RFC 3834: no holiday notes in answer to this.
            exact_header("Auto-Submitted", "auto-generated"),
        )
        content = b"".join(headers) + _written(message)
    except (ValueError, MessageError) as error:
        raise PermanentFailure("message_invalid", shown(f"cannot be written as a mail: {error}")) from error
    return Mail(recipient, message_id, content, smtputf8=not recipient.isascii())


def envelope_address(address: str) -> str:
    """The one address the envelope is to name, its domain in ASCII (RFC 5891) if the local part is.

    Raises ValueError for what a server could read as another address, or as two.
    """
    if not address.isascii():
        parsed = validate_email(address, check_deliverability=False, allow_smtputf8=True)
        address = parsed.ascii_email or parsed.normalized
    if not reads_as_itself(address) or parse_address(address) != address:
        raise ValueError("not exactly one e-mail address")
    return address


def _written(message: OutgoingMessage) -> bytes:
    """The MIME headers and all that follows, in ASCII."""
    if message.attachments:
        return exact_header("MIME-Version", "1.0") + _with_files(message)
    part = EmailMessage(policy=_IN_ASCII)
    part.set_content(message.body)
    if message.html is not None:
        part.add_alternative(message.html, subtype="html")
        part.set_boundary(_boundary(message))
    return part.as_bytes()


def _with_files(message: OutgoingMessage) -> bytes:
    shown: list[bytes] = []
    beside: list[bytes] = []
    for each in message.attachments:
        of_the_html = each.content_id is not None and message.html is not None
        (shown if of_the_html else beside).append(file_part(each))
    text = _text_part(message.body, "plain")
    if message.html is not None:
        html = _text_part(message.html, "html")
        if shown:
            html = container("related", _boundary(message, "r"), [html, *shown])
        text = container("alternative", _boundary(message, "a"), [text, html])
    return container("mixed", _boundary(message, "m"), [text, *beside]) if beside else text


def _text_part(text: str, subtype: str) -> bytes:
    part = EmailMessage(policy=_IN_ASCII)
    part.set_content(text, subtype=subtype)
    del part["MIME-Version"]
    return part.as_bytes()


def _boundary(message: OutgoingMessage, part: str = "") -> str:
    """The same for every attempt, and nothing that the parts could have been written to contain.

    Neither base64 nor quoted-printable ever holds `=_`.
    """
    texts = f"{message.notification_id}\n{message.body}\n{message.html}"
    return f"=_{sha256(texts.encode()).hexdigest()[:32]}{part}"
