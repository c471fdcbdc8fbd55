"""Messages that could be read otherwise than they are meant: refused, with the field named; or made safe."""

from typing import Any

import pytest

from tests.message_safety import SENDER, accepted, as_received, composed, submitted
from tests.provider_support import CREATED_AT, outgoing
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure
from tidings.providers.mail import compose

pytestmark = pytest.mark.figure("hostile messages: no injection, no misdelivery")

REFUSED = [
    ("a header in the subject", {"subject": "Hi\r\nBcc: eve@evil.example"}, "/subject"),
    ("a header in the subject, by LF", {"subject": "Hi\nBcc: eve@evil.example"}, "/subject"),
    ("a header in the subject, by CR", {"subject": "Hi\rBcc: eve@evil.example"}, "/subject"),
    ("a folded subject", {"subject": "Hi\r\n there"}, "/subject"),
    ("a body in the subject", {"subject": "Hi\r\n\r\n<p>Eve</p>"}, "/subject"),
    ("an encoded line break", {"subject": "=?utf-8?q?=0D=0ABcc:_eve@evil.example?="}, "/subject"),
    ("an encoded line break, Base64", {"subject": "a =?UTF-8?B?DQpCY2M6IGVAZQ==?= b"}, "/subject"),
    ("NEL in the subject", {"subject": "Hi\x85there"}, "/subject"),
    ("a paragraph separator in the subject", {"subject": "Hi\u2029there"}, "/subject"),
    ("NUL in the subject", {"subject": "Hi\x00"}, "/subject"),
    ("a subject too long for a line", {"subject": "s" * 201}, "/subject"),
    ("NUL in the body", {"body": "a\x00b"}, "/body"),
    ("NUL in the HTML", {"html": "<p>\x00</p>"}, "/html"),
    ("NUL in the recipient", {"recipient": "ada\x00@example.com"}, "/recipient"),
    ("a line break in a tag", {"tags": ["ok", "a\r\nb"]}, "/tags/1"),
    ("a line break in the provider", {"provider": "smtp\r\n"}, "/provider"),
    ("two recipients", {"recipient": "ada@example.com,eve@evil.example"}, "/recipient"),
    ("two recipients, by semicolon", {"recipient": "ada@example.com;eve@evil.example"}, "/recipient"),
    ("two recipients, by space", {"recipient": "ada@example.com eve@evil.example"}, "/recipient"),
    ("a display name", {"recipient": "Ada <ada@example.com>"}, "/recipient"),
    ("an address as display name", {"recipient": "ada@example.com <eve@evil.example>"}, "/recipient"),
    ("a quoted address as display name", {"recipient": '"ada@example.com" <eve@evil.example>'}, "/recipient"),
    ("a comment", {"recipient": "ada@example.com (eve@evil.example)"}, "/recipient"),
    ("a comment inside", {"recipient": "ada(x)@example.com"}, "/recipient"),
    ("a group", {"recipient": "friends: ada@example.com;"}, "/recipient"),
    ("angle brackets", {"recipient": "<ada@example.com>"}, "/recipient"),
    ("a source route", {"recipient": "@relay.example:ada@example.com"}, "/recipient"),
    ("two at signs", {"recipient": "ada@evil.example@example.com"}, "/recipient"),
    ("a quoted at sign", {"recipient": '"ada@evil.example"@example.com'}, "/recipient"),
    ("a quoted space", {"recipient": '"ada eve"@example.com'}, "/recipient"),
    ("a backslash", {"recipient": "ada\\@evil.example@example.com"}, "/recipient"),
    ("an SMTP option", {"recipient": "ada@example.com> NOTIFY=NEVER"}, "/recipient"),
    ("an SMTP command", {"recipient": "ada@example.com>\r\nRCPT TO:<eve@evil.example"}, "/recipient"),
    ("an address literal", {"recipient": "ada@[127.0.0.1]"}, "/recipient"),
    ("a local part too long", {"recipient": f"{'a' * 65}@example.com"}, "/recipient"),
    (
        "an address too long",
        {"recipient": f"ada@{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 20}.com"},
        "/recipient",
    ),
    ("a bracket in full width", {"recipient": "ada\uff1ceve@evil.example\uff1e@example.com"}, "/recipient"),
    ("a text direction", {"recipient": "ada\u202e@example.com"}, "/recipient"),
    ("a space that does not show", {"recipient": "ada\u200b@example.com"}, "/recipient"),
]


@pytest.mark.parametrize(("fields", "pointer"), [pytest.param(*rest, id=name) for name, *rest in REFUSED])
def test_what_could_be_read_otherwise_is_refused_and_its_field_named(
    fields: dict[str, Any], pointer: str
) -> None:
    assert submitted(**fields) == [pointer]


LONG_LINES = {"body": "x" * 10_000, "html": f"<p>{'y' * 400_000}</p>", "subject": "日" * 200}


def test_lines_too_long_for_smtp_are_written_so_that_they_fit_and_arrive_whole() -> None:
    message = as_received(composed(accepted(**LONG_LINES)))
    assert message["Subject"] == LONG_LINES["subject"]
    texts = [part.get_content().strip() for part in message.iter_parts()]
    assert texts == [LONG_LINES["body"], LONG_LINES["html"]]


@pytest.mark.parametrize(
    "subject",
    ["=?utf-8?q?=0D=0ABcc:_eve@evil.example?=", "a =?utf-8?b?Cg==?= b", "=?utf-8?q?Hi?= =?utf-8?q?there?="],
)
def test_encoded_words_that_were_accepted_once_are_shown_and_not_decoded(subject: str) -> None:
    mail = compose(outgoing(Channel.EMAIL, "ada@example.com", subject=subject, created_at=CREATED_AT), SENDER)
    assert as_received(mail)["Subject"] == subject


def test_a_line_break_that_reached_a_provider_all_the_same_sends_nothing() -> None:
    with pytest.raises(PermanentFailure) as raised:
        compose(outgoing(Channel.EMAIL, "ada@example.com", subject="Hi\r\nBcc: eve@evil.example"), SENDER)
    assert raised.value.code == "message_invalid"
