"""Mail, taken apart for the inbox."""

import asyncio
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import compat32, default

from tidings.domain.providers import NOTIFICATION_HEADER
from tidings.domain.vocabulary import Channel
from tidings.sandbox.inbox import ReceivedFile, ReceivedMessage

_LARGE = 500_000


async def parsed_mail(content: bytes, recipient: str) -> ReceivedMessage:
    """As `parse_mail`, in a thread if it is large: the library takes its time with each line."""
    if len(content) > _LARGE:
        return await asyncio.to_thread(parse_mail, content, recipient)
    return parse_mail(content, recipient)


def parse_mail(content: bytes, recipient: str) -> ReceivedMessage:
    """One mail as its reader would see it: subject, text, HTML, headers. Whatever came can be shown."""
    try:
        return _parsed(content, recipient)
    except Exception:
        # The library's header parser falls over malformed addresses in many ways, with any exception.
        return _unparsed(content, recipient)


def _parsed(content: bytes, recipient: str) -> ReceivedMessage:
    mail = message_from_bytes(content, policy=default)
    return ReceivedMessage(
        channel=Channel.EMAIL,
        provider="smtp",
        recipient=recipient,
        subject=_printable(mail["Subject"]),
        body=_part(mail, "plain") or "",
        html=_part(mail, "html"),
        headers=[(name, _printable(value) or "") for name, value in mail.items()],
        attachments=[_file(part) for part in _files(mail)],
        notification_id=_printable(mail[NOTIFICATION_HEADER]),
    )


def _files(mail: EmailMessage) -> list[EmailMessage]:
    """All that is neither the text, nor the HTML, nor a wrapping of others."""
    bodies = [mail.get_body((kind,)) for kind in ("plain", "html")]
    return [
        part for part in mail.walk() if not part.is_multipart() and not any(part is body for body in bodies)
    ]


def _file(part: EmailMessage) -> ReceivedFile:
    content = part.get_payload(decode=True)
    return ReceivedFile.of(
        _printable(part.get_filename()) or "(without a name)",
        part.get_content_type(),
        content if isinstance(content, bytes) else b"",
        (_printable(part["Content-ID"]) or "").strip().strip("<>") or None,
    )


def _unparsed(content: bytes, recipient: str) -> ReceivedMessage:
    mail = message_from_bytes(content, policy=compat32)
    return ReceivedMessage(
        channel=Channel.EMAIL,
        provider="smtp",
        recipient=recipient,
        subject=_printable(mail["Subject"]),
        body=content.partition(b"\r\n\r\n")[2].decode("utf-8", "replace"),
        headers=[(name, _printable(value) or "") for name, value in mail.items()],
        notification_id=_printable(mail[NOTIFICATION_HEADER]),
    )


def _part(mail: EmailMessage, kind: str) -> str | None:
    part = mail.get_body((kind,))
    if part is None:
        return None
    try:
        text = str(part.get_content())
    except (LookupError, ValueError):
        # An unknown character set: the bytes, as far as they can be read.
        payload = part.get_payload(decode=True)
        text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    return _printable(text.replace("\r\n", "\n").removesuffix("\n"))


def _printable(value: object) -> str | None:
    """Text without the lone surrogates that undecodable bytes leave behind: JSON cannot hold them."""
    return None if value is None else str(value).encode("utf-8", "replace").decode("utf-8")
