"""Attachments: what is taken and refused at submission, and that a mail carries the very files."""

import base64
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage, MIMEPart
from email.policy import default
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.problems import Problem
from api.schemas.schedule_submission import schedule_from
from api.schemas.submission import Accepted, accepted_from
from tests.provider_support import outgoing, provider_settings, running_sandbox
from tidings.domain.attachment import checked_filename
from tidings.domain.identifiers import new_id
from tidings.domain.vocabulary import Channel
from tidings.providers.mail import Mail, Sender, compose
from tidings.providers.protocol import OutgoingAttachment
from tidings.providers.smtp import SmtpProvider
from tidings.sandbox.inbox import Inbox, ReceivedFile, ReceivedMessage
from tidings.sandbox.mail import parse_mail

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EMAIL = {"channel": "email", "recipient": "ada@example.com", "subject": "Hello", "body": "Hello, Ada."}
PDF = {"filename": "invoice.pdf", "content_type": "application/pdf", "content": "JVBERi0="}
SENDER = Sender("Tidings", "no-reply@tidings.example")


def accepted(**fields: Any) -> Accepted:
    return accepted_from({**EMAIL, **fields}, id=new_id(), tenant="acme", now=NOW)


def with_file(**changes: Any) -> dict[str, Any]:
    return {"attachments": [PDF | changes]}


BASE64 = "/attachments/0/content"
NAME = "/attachments/0/filename"
TYPE = "/attachments/0/content_type"
ID = "/attachments/0/content_id"
HTML = {"html": "<img src='cid:logo'>"}
TEN_MB = base64.b64encode(b"x" * 10_000_000).decode()

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"attachments": None}, "/attachments"),
    ({"attachments": {}}, "/attachments"),
    ({"attachments": "invoice.pdf"}, "/attachments"),
    ({"attachments": [7]}, "/attachments/0"),
    ({"attachments": [PDF] * 21}, "/attachments"),
    ({"attachments": [PDF | {"content": TEN_MB}, PDF]}, "/attachments"),
    ({"attachments": [{}]}, NAME),
    (with_file(url="https://example.com"), "/attachments/0/url"),
    ({"attachments": [PDF, PDF | {"content": "?"}]}, "/attachments/1/content"),
    *((with_file(content=content), BASE64) for content in (None, 7, "", "=", "A", "QUJ", "QUJD\n", " QUJD")),
    *(
        (with_file(content=content), BASE64)
        for content in ("QUJD=", "QQ==QQ==", "QUI_", "QUI-", "QUJé", "QR==")
    ),
    *((with_file(filename=name), NAME) for name in (None, 7, "", ".", "..", " a", "a ", "x" * 256, "\u200d")),
    *(
        (with_file(filename=name), NAME)
        for name in ("../a", "a/b", "C:\\a", "a\r\nBcc: eve@example.com", "a\x00b")
    ),
    *(
        (with_file(filename=name), NAME)
        for name in ("a\u202egpj.exe", "a\u2066b", "a\u2028b", "<a>", '"a"', "=?utf-8?q?a?=")
    ),
    *((with_file(content_type=kind), TYPE) for kind in (None, "", "pdf", "text/", "/pdf", "text/plain; a")),
    *((with_file(content_type=kind), TYPE) for kind in ("text/plain\r\nX: y", "a/b; name=evil.exe", "ä/b")),
    *(
        (with_file(content_type=kind), TYPE)
        for kind in ("multipart/mixed", "Message/rfc822", 'a/b; charset="x"')
    ),
    *(
        (with_file(content_id=id) | HTML, ID)
        for id in (7, "", "a b", "<logo>", "a>\r\nX: y", "x" * 129, "a@b@c")
    ),
    (with_file(content_id="logo"), ID),
    ({"attachments": [PDF | {"content_id": "a"}] * 2} | HTML, "/attachments/1/content_id"),
    ({"channel": "sms", "recipient": "+14155550123", "subject": None, "attachments": [PDF]}, "/attachments"),
    ({"channel": "push", "recipient": "token-of-a-device", "attachments": [PDF]}, "/attachments"),
    ({"channel": "webhook", "recipient": "https://example.com/a", "attachments": [PDF]}, "/attachments"),
]


@pytest.mark.parametrize(("fields", "pointer"), REFUSED)
def test_what_is_refused_is_named(fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Problem) as raised:
        accepted(**fields)
    pointers = [error.pointer for error in raised.value.errors]
    assert pointer in pointers
    assert len(str(raised.value.errors)) < 2_000


def test_the_notification_refers_to_contents_that_are_stored_apart() -> None:
    asked = accepted(
        attachments=[PDF, PDF | {"filename": "Rechnung №7.pdf", "content_type": "Text/CSV;charset=utf-8"}]
    )
    first, second = asked.notification.attachments
    assert (first.size, first.sha256) == (5, second.sha256)
    assert second.content_type == "text/csv; charset=utf-8"
    assert [each.content for each in asked.contents] == [b"%PDF-"] * 2
    assert "JVBERi0" not in asked.notification.model_dump_json()
    assert "%PDF" not in asked.notification.model_dump_json()


def test_ten_megabytes_are_taken() -> None:
    assert accepted(attachments=[PDF | {"content": TEN_MB}]).notification.attachments[0].size == 10_000_000


def test_a_schedule_takes_none() -> None:
    document = {"notification": EMAIL | {"attachments": [PDF]}, "cron": "0 9 * * *"}
    with pytest.raises(Problem) as raised:
        schedule_from(document, id=new_id(), tenant="acme", now=NOW)
    assert [error.pointer for error in raised.value.errors] == ["/notification/attachments"]


def a_file(filename: str = "a.bin", content: bytes = b"x", **more: Any) -> OutgoingAttachment:
    return OutgoingAttachment(filename, more.pop("content_type", "application/octet-stream"), content, **more)


def composed(*files: OutgoingAttachment, **given: Any) -> Mail:
    return compose(outgoing(Channel.EMAIL, "ada@example.com", attachments=list(files), **given), SENDER)


def parsed(mail: Mail) -> EmailMessage:
    message = message_from_bytes(mail.content, policy=default)
    for part in message.walk():
        assert part.defects == []
    return message


def shape(part: MIMEPart) -> Any:
    if not part.is_multipart():
        return part.get_content_type()
    return {part.get_content_subtype(): [shape(child) for child in part.iter_parts()]}


LOGO = a_file("logo.png", b"\x89PNG", content_type="image/png", content_id="logo")
SHEET = a_file("a.csv", "é;ü\r\n".encode(), content_type="text/csv; charset=utf-8")
TEXTS = {"alternative": ["text/plain", "text/html"]}


@pytest.mark.parametrize(
    ("files", "html", "expected"),
    [
        ([SHEET], None, {"mixed": ["text/plain", "text/csv"]}),
        ([SHEET], "<p>", {"mixed": [TEXTS, "text/csv"]}),
        ([LOGO], "<p>", {"alternative": ["text/plain", {"related": ["text/html", "image/png"]}]}),
        (
            [SHEET, LOGO],
            "<p>",
            {"mixed": [{"alternative": ["text/plain", {"related": ["text/html", "image/png"]}]}, "text/csv"]},
        ),
        ([LOGO], None, {"mixed": ["text/plain", "image/png"]}),
    ],
)
def test_the_parts_stand_where_readers_look_for_them(
    files: list[OutgoingAttachment], html: str | None, expected: Any
) -> None:
    assert shape(parsed(composed(*files, html=html))) == expected


def test_a_picture_of_the_html_is_inline_and_named() -> None:
    mail = parsed(composed(LOGO, html="<img src='cid:logo'>"))
    [picture] = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert (picture["Content-ID"], picture.get_content_disposition()) == ("<logo>", "inline")


def test_every_attempt_writes_the_same_bytes_in_lines_of_ascii() -> None:
    files = (a_file("日本語 " * 60, bytes(range(256)) * 400), LOGO)
    given = {"html": "<p>ü</p>", "body": "ü\n.\n" + "x" * 3000, "notification_id": new_id()}
    mail = composed(*files, **given)
    assert mail == composed(*files, **given)
    assert mail.content.isascii()
    assert b"\n" not in mail.content.replace(b"\r\n", b"")
    assert b"\r" not in mail.content.replace(b"\r\n", b"")
    assert max(map(len, mail.content.split(b"\r\n"))) <= 998


names = st.text(min_size=1, max_size=255) | st.text(
    alphabet="aZ0.-_ '\"%*;=?\\()<>@,:[]&+äß日本語🎉é\u200d", min_size=1, max_size=255
)


def _is_allowed(name: str) -> bool:
    try:
        return checked_filename(name) == name
    except ValueError:
        return False


@settings(max_examples=1_000, deadline=None)
@given(names.filter(_is_allowed), st.binary(max_size=300))
def test_every_name_that_is_taken_arrives_as_it_is(name: str, content: bytes) -> None:
    mail = composed(a_file(name, content))
    [file] = list(parsed(mail).iter_attachments())
    assert file.get_filename() == name
    assert file.get_content() == content
    assert sorted(set(file.keys())) == ["Content-Disposition", "Content-Transfer-Encoding", "Content-Type"]
    [received] = parse_mail(mail.content, "ada@example.com").attachments
    assert (received.filename, received.content) == (name, content)


async def test_ten_megabytes_arrive_by_smtp() -> None:
    content = bytes(range(256)) * 39_000
    async with running_sandbox() as running:
        settings = provider_settings(smtp_host="127.0.0.1", smtp_port=running.smtp_port, smtp_tls="none")
        provider = SmtpProvider(settings)
        message = outgoing(Channel.EMAIL, "ada@example.com", attachments=[a_file("large.bin", content)])
        await provider.send(message)
        await provider.aclose()
        [mail] = running.sandbox.inbox
    [file] = mail.attachments
    assert (file.filename, file.content) == ("large.bin", content)


def test_the_inbox_keeps_the_newest_files() -> None:
    inbox = Inbox(keep=9, keep_bytes=10)
    for name in ("old", "young"):
        file = ReceivedFile.of(name, "text/plain", b"x" * 6)
        inbox.add(ReceivedMessage(Channel.EMAIL, "smtp", "ada@example.com", "Hi", attachments=[file]))
    young, old = inbox
    assert (young.attachments[0].content, old.attachments[0].content) == (b"x" * 6, None)
    assert (old.attachments[0].size, old.number) == (6, 1)
