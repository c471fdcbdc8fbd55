"""A submission on its way to its reader: what it is refused for, and what arrives of it."""

from datetime import UTC, datetime
from email import message_from_string, policy
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from typing import Any

from aiosmtplib.email import quote_address

from api.problems import Problem
from api.schemas.submission import notification_from
from tests.provider_support import outgoing
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Notification
from tidings.providers.mail import Mail, Sender, compose

NOW = datetime(2026, 3, 4, tzinfo=UTC)
SENDER = Sender("Tidings", "no-reply@tidings.example")
EMAIL = {"channel": "email", "recipient": "ada@example.com", "subject": "Hello", "body": "It works."}

OUR_HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "X-Tidings-Notification", "Auto-Submitted"]
MIME_HEADERS = {"Content-Type", "Content-Transfer-Encoding", "MIME-Version"}


def submitted(**fields: Any) -> Notification | list[str]:
    """The notification, or the pointers to the fields for which it was refused."""
    try:
        return notification_from({**EMAIL, **fields}, id=new_id(), tenant="acme", now=NOW)
    except Problem as error:
        assert error.kind.status == 422  # noqa: PT017 - it is an answer as good as the other
        return [fault.pointer for fault in error.errors]


def accepted(**fields: Any) -> Notification:
    notification = submitted(**fields)
    assert isinstance(notification, Notification)
    return notification


def composed(notification: Notification) -> Mail:
    return compose(
        outgoing(
            notification.channel,
            notification.recipient,
            subject=notification.subject,
            body=notification.body,
            html=notification.html,
            notification_id=notification.id,
        ),
        SENDER,
    )


def header_names(content: bytes) -> list[str]:
    """Read without the library that wrote it: what stands before a colon on a line that continues none."""
    head, _, _ = content.partition(b"\r\n\r\n")
    return [line.split(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]


def as_received(mail: Mail) -> EmailMessage:
    """The mail as its reader gets it; it came through as one mail, with our headers and its one recipient."""
    assert mail.wire.endswith(b"\r\n.\r\n")
    assert mail.wire.index(b"\r\n.\r\n") == len(mail.wire) - 5, "a server would stop reading here"
    lines = mail.wire[:-5].split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line or b"\x00" in line or len(line) > 998 for line in lines)
    content = b"\r\n".join(line.removeprefix(b".") for line in lines) + b"\r\n"
    names = header_names(content)
    assert names[: len(OUR_HEADERS)] == OUR_HEADERS
    assert set(names[len(OUR_HEADERS) :]) <= MIME_HEADERS
    message = message_from_string(content.decode(), policy=policy.default)
    assert message.keys() == names
    to = message["To"]
    assert isinstance(to, AddressHeader)
    assert [str(address) for address in to.addresses] == [mail.recipient]
    assert quote_address(mail.recipient) == f"<{mail.recipient}>"
    assert str(message["From"]) == "Tidings <no-reply@tidings.example>"
    return message
