"""Mail as it goes over the wire."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from uuid import UUID

import pytest

from tests.provider_support import outgoing
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, SetupError
from tidings.providers.mail import Mail, Sender, compose, envelope_address, parse_sender

SENDER = Sender("Tidings", "no-reply@tidings.example")
ID = UUID("019a0000-0000-7000-8000-000000000001")


def parsed(mail: Mail) -> EmailMessage:
    return message_from_bytes(mail.content, policy=default)


def composed(recipient: str = "ada@example.com", **given: str | None) -> Mail:
    return compose(outgoing(Channel.EMAIL, recipient, notification_id=ID, **given), SENDER)


def test_text_and_html_are_alternatives() -> None:
    mail = parsed(composed(body="Grüße 🎉", html="<p>Grüße 🎉</p>"))
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content().strip() for part in mail.iter_parts()] == ["Grüße 🎉", "<p>Grüße 🎉</p>"]


def test_the_headers_are_the_same_for_every_attempt() -> None:
    mail = composed(html="<p>Hi</p>")
    assert mail == composed(html="<p>Hi</p>")
    headers = parsed(mail)
    assert headers["Message-ID"] == f"<{ID}@tidings.example>" == mail.message_id
    assert headers["Date"] == "Wed, 04 Mar 2026 05:06:07 +0000"
    assert headers["X-Tidings-Notification"] == str(ID)
    assert headers["Auto-Submitted"] == "auto-generated"


def test_the_wire_is_ascii_with_crlf_and_ends_with_one_period() -> None:
    wire = composed(subject="日本語" * 60, body="ü\n.\n..\nlast\rline " + "x" * 3000, html="<p>é</p>").wire
    assert wire.isascii()
    assert wire.endswith(b"\r\n.\r\n")
    assert wire.count(b"\r\n.\r\n") == 1
    assert b"\n" not in wire.replace(b"\r\n", b"")
    assert b"\r" not in wire.replace(b"\r\n", b"")
    assert max(map(len, wire.split(b"\r\n"))) <= 998


def test_leading_periods_are_doubled() -> None:
    assert Mail("a@x", "<m>", b"\r\n.\r\n..a\r\nb.\r\n", False).wire == b"\r\n..\r\n...a\r\nb.\r\n.\r\n"


@pytest.mark.parametrize("subject", ["a\nBcc: evil@example.com", "a\r\nBcc: evil@example.com", "a\rb"])
def test_no_header_can_be_smuggled_in(subject: str) -> None:
    with pytest.raises(PermanentFailure) as raised:
        composed(subject=subject)
    assert raised.value.code == "message_invalid"


def test_what_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(PermanentFailure) as raised:
        composed(body="\ud800")
    assert raised.value.code == "message_invalid"
    assert raised.value.message.encode("utf-8")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ada@example.com", "ada@example.com"),
        ("o'neil+tag@example.com", "o'neil+tag@example.com"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ("zoë@bücher.example", "zoë@bücher.example"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_the_envelope_names_the_address(address: str, expected: str) -> None:
    assert envelope_address(address) == expected


@pytest.mark.parametrize(
    "address",
    [
        "a@x.example,evil@x.example",
        "a@x.example evil@x.example",
        "a@x.example;evil@x.example",
        "<a@x.example>",
        "Ada <a@x.example>",
        "a@x.example (comment)",
        "a@x.example>SIZE=1",
        "a@x.example\r\nRCPT TO:<evil@x.example>",
        "ö@x.example,evil@x.example",
        "a@",
        "@x.example",
        "a",
        "",
    ],
)
def test_what_names_another_address_or_two_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        envelope_address(address)


@pytest.mark.parametrize(
    ("smtp_from", "expected"),
    [
        ("Tidings <a@b.example>", Sender("Tidings", "a@b.example")),
        ("a@tidings.invalid", Sender("", "a@tidings.invalid")),
        ("Grüße <a@bücher.example>", Sender("Grüße", "a@xn--bcher-kva.example")),
    ],
)
def test_the_sender_is_a_name_and_an_address(smtp_from: str, expected: Sender) -> None:
    assert parse_sender(smtp_from) == expected


@pytest.mark.parametrize("smtp_from", ["", "Tidings", "a@", "a@b, c@d", "ö@b.example", "A\nB <a@b.example>"])
def test_a_sender_that_is_none_stops_the_start(smtp_from: str) -> None:
    with pytest.raises(SetupError, match="TIDINGS_SMTP_FROM"):
        parse_sender(smtp_from)
