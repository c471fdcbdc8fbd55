"""Whatever is submitted, a mail has the headers we gave it and one recipient, the one it was submitted for.

What cannot be sent so is refused at submission, with the field named.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_string, policy
from email.header import decode_header, make_header
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from aiosmtplib.email import quote_address
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from api.problems import Problem
from api.schemas.submission import notification_from
from tests.provider_support import CREATED_AT, outgoing
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Notification
from tidings.domain.recipient import checked_recipient
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, SetupError
from tidings.providers.mail import Mail, Sender, compose, parse_sender

pytestmark = pytest.mark.figure("hostile messages: no injection, no misdelivery")

NOW = datetime(2026, 3, 4, tzinfo=UTC)
SENDER = Sender("Tidings", "no-reply@tidings.example")
EMAIL = {"channel": "email", "recipient": "ada@example.com", "subject": "Hello", "body": "It works."}

OUR_HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "X-Tidings-Notification", "Auto-Submitted"]
MIME_HEADERS = {"Content-Type", "Content-Transfer-Encoding", "MIME-Version"}

CASES = {"subject": 3_000, "recipient": 3_500, "body": 2_000, "fields": 1_500, "url": 1_500, "sender": 1_000}

Test = TypeVar("Test", bound=Callable[..., None])


def cases(name: str) -> Callable[[Test], Test]:
    """So many of them, however slow the machine is."""
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    return settings(max_examples=CASES[name], deadline=None, database=None, suppress_health_check=checks)


def test_there_are_enough_cases() -> None:
    assert sum(CASES.values()) >= 10_000


HOSTILE = st.sampled_from(
    [
        *("\r\n", "\n", "\r", "\x00", "\x0b", "\x0c", "\x1b[31m", "\x85", "\u2028", "\u2029"),
        *("\r\nBcc: eve@evil.example\r\n", "\nTo: eve@evil.example", "\r\n\r\n<p>Eve</p>", "\r\n\t", "\r\n "),
        *("\r\n.\r\n", "\n.\n", "\r.\r", "\r\n.\r\nMAIL FROM:<eve@evil.example>\r\n", "..", "."),
        *(
            "=?utf-8?q?=0D=0ABcc:_eve@evil.example?=",
            "=?utf-8?b?DQpCY2M6IGVAZQ==?=",
            "=?",
            "?=",
            "=?utf-8?q?",
        ),
        *("%0d%0aBcc: eve@evil.example", "\\r\\nBcc: eve@evil.example", "&#13;&#10;"),
        *("ada@example.com", "eve@evil.example", "@", "<", ">", ",", ";", ":", '"', "\\", "(", ")", "[", "]"),
        *("Ada <ada@example.com>", '"Ada" ', "<eve@evil.example>", ",eve@evil.example", " eve@evil.example"),
        *("SIZE=1", ">SIZE=1", " NOTIFY=NEVER", "ORCPT=rfc822;eve@evil.example", "%evil.example", "!", "|"),
        *(
            "é",
            "日本語",
            "🎉",
            "ß",
            "\u0131",
            "\u0130",
            "\u017f",
            "\u212a",
            "\uff20",
            "\uff0c",
            "\uff1c",
            "\u3002",
        ),
        *("\u00ad", "\u200b", "\u200d", "\u202e", "\u2066", "\ufeff", "\u0301", "\xa0", "\u3000"),
        *(
            " ",
            "  ",
            "\t",
            "x" * 80,
            "x" * 1_100,
            "日" * 400,
            "-- ",
            "--=_",
            "a",
            "b.c",
            "word word",
            "'",
            "=",
        ),
    ]
)
TEXT = st.characters(exclude_categories=["Cs"])
SEEN = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=200)
PIECES = st.lists(HOSTILE | st.text(TEXT, max_size=8), min_size=1, max_size=8).map("".join)


def spoilt(good: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Something good with one piece that does not belong there."""
    piece = HOSTILE | st.text(TEXT, min_size=1, max_size=2)
    return st.builds(lambda text, bad, at: text[:at] + bad + text[at:], good, piece, st.integers(0, 40))


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


@cases("subject")
@given(PIECES | SEEN | st.builds("{}{}{}".format, SEEN, HOSTILE, SEEN).map(lambda text: text[:200]))
def test_a_subject_is_refused_or_arrives_as_it_is_and_adds_nothing(subject: str) -> None:
    notification = submitted(subject=subject)
    if isinstance(notification, list):
        assert notification == ["/subject"]
        return
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", subject)
    assert str(as_received(composed(notification))["Subject"]) == subject


LOCALS = st.sampled_from(
    ["ada", "a.b", "a+tag", "o'neil", "zoë", "日本", "a%b", "a!b", '"a b"', '"a@b"', "a..b", ".a"]
)
DOMAINS = st.sampled_from(
    [
        *(
            "example.com",
            "EXAMPLE.com",
            "bücher.example",
            "xn--bcher-kva.example",
            "localhost",
            "[127.0.0.1]",
        ),
        *(
            "example.com.",
            "exam\u00adple.com",
            "example\u3002com",
            "\uff45xample.com",
            "faß.example",
            "-a.example",
        ),
    ]
)
GOOD_LOOKING = st.builds("{}@{}".format, LOCALS, DOMAINS)
WORDS = st.text(st.sampled_from("abcxyz019.!#$%&'*+-/=?^_`{|}~éß日"), min_size=1, max_size=70)
ADDRESSES = GOOD_LOOKING | spoilt(GOOD_LOOKING) | st.builds("{}@example.com".format, WORDS) | PIECES


@cases("recipient")
@given(ADDRESSES, st.booleans())
def test_a_recipient_is_refused_or_is_the_only_one_a_mail_goes_to(recipient: str, with_html: bool) -> None:
    notification = submitted(recipient=recipient, html="<p>Hi</p>" if with_html else None)
    if isinstance(notification, list):
        assert notification == ["/recipient"]
        return
    mail = composed(notification)
    as_received(mail)
    local, _, domain = mail.recipient.rpartition("@")
    assert local == notification.recipient.rpartition("@")[0]
    assert domain in (_in_ascii(notification), notification.recipient.rpartition("@")[2])
    assert not re.search(r'[\s<>,;:"()\\\[\]]', mail.recipient)
    assert mail.recipient.count("@") == 1
    assert len(f"RCPT TO:<{mail.recipient}> SMTPUTF8\r\n".encode()) <= 512


def _in_ascii(notification: Notification) -> str:
    domain = notification.recipient.rpartition("@")[2]
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode()
        for label in domain.split(".")
    )


@cases("body")
@given(PIECES, st.none() | PIECES)
def test_a_body_arrives_as_it_is_and_ends_no_mail_and_adds_nothing(body: str, html: str | None) -> None:
    notification = submitted(body=body, html=html)
    if isinstance(notification, list):
        assert set(notification) <= {"/body", "/html"}
        assert "\x00" in f"{body}{html}" or "" in (body, html) or len(body) > 10_000
        return
    message = as_received(composed(notification))
    parts = [message] if html is None else list(message.iter_parts())
    types = ["text/plain"] if html is None else ["text/plain", "text/html"]
    assert [part.get_content_type() for part in parts] == types
    for part, text in zip(parts, (body, html), strict=False):
        assert _lines(part.get_content()) == _lines(text or "")


def _lines(text: str) -> list[str]:
    """Line ends of every kind are one on the wire, and the last line gets one."""
    return re.sub(r"\r\n|\r", "\n", text).removesuffix("\n").split("\n")


def test_a_body_cannot_know_the_boundary_of_its_mail() -> None:
    notification = accepted(html="<p>Hi</p>")
    [first] = re.findall(rb'boundary="(.*?)"', composed(notification).content)
    forged = (
        f"\r\n--{first.decode()}\r\nContent-Type: text/html\r\n\r\n<p>Eve</p>\r\n--{first.decode()}--\r\n"
    )
    message = as_received(composed(notification.model_copy(update={"body": forged})))
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    first_part, second_part = message.iter_parts()
    assert _lines(first_part.get_content()) == _lines(forged)
    assert _lines(second_part.get_content()) == ["<p>Hi</p>"]


GOOD_RECIPIENTS = {
    Channel.EMAIL: "ada@example.com",
    Channel.SMS: "+14155550123",
    Channel.PUSH: "fcm:token-0123456789",
    Channel.WEBHOOK: "https://hooks.example/a",
    Channel.CHAT: "slack://T1/B2/x3",
}
SUSPECT = PIECES | SEEN.map(lambda text: text[:50])


@cases("fields")
@given(
    st.sampled_from(list(Channel)),
    st.fixed_dictionaries(
        {},
        optional={
            "recipient": SUSPECT,
            "body": SUSPECT,
            "subject": SUSPECT,
            "html": SUSPECT,
            "tags": st.lists(SUSPECT, max_size=3),
            "metadata": st.dictionaries(SUSPECT, SUSPECT, max_size=2),
            "provider": SUSPECT,
        },
    ),
)
def test_a_submission_is_refused_by_the_fields_at_fault_or_is_clean(
    channel: Channel, fields: dict[str, Any]
) -> None:
    fields = {"recipient": GOOD_RECIPIENTS[channel], **fields}
    notification = submitted(**{"channel": channel, "subject": None, **fields})
    if isinstance(notification, list):
        assert {pointer.split("/")[1] for pointer in notification} <= {*fields, "subject"}
        return
    assert "\x00" not in repr(notification.model_dump())
    for line in (notification.recipient, notification.subject or "", *notification.tags):
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", line)


GOOD_URLS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["http://", "https://", "HTTP://"]),
    st.sampled_from(["hooks.example", "8.8.8.8", "[2606:4700::1]", "xn--bcher-kva.example", "a_b.Example."]),
    st.sampled_from(["", ":", ":80", ":8080", ":443"]),
    st.sampled_from(
        ["", "/", "/a?b=c#d", "?x", "#x", "/../x", "/%2e%2e/", "//evil.example/", "/@evil.example"]
    ),
)
STARTS = st.sampled_from(["ftp://", "//", "", "http:", "http:/", "http:///", "user@", "a:b@", "http://x\\@"])
URLS = GOOD_URLS | spoilt(GOOD_URLS) | st.builds("{}{}".format, STARTS, GOOD_URLS) | PIECES


@cases("url")
@given(URLS)
def test_a_url_is_refused_or_is_read_alike_by_all_who_read_it(url: str) -> None:
    try:
        assert checked_recipient(Channel.WEBHOOK, url) == url
    except ValueError:
        return
    assert re.fullmatch(r"[!-~]+", url)
    ours, theirs = urlsplit(url), URL(url)
    assert (ours.scheme, ours.hostname) == (theirs.scheme, theirs.raw_host)
    assert (ours.port or {"http": 80, "https": 443}[ours.scheme]) == theirs.port
    assert theirs.user is None
    assert theirs.password is None
    [authority] = re.findall(r"^https?://([^/?#]*)", url, re.IGNORECASE)
    assert re.fullmatch(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d*)?", authority)


@cases("sender")
@given(
    PIECES | SEEN | spoilt(st.sampled_from(["Tidings", "Ada's Shop", "Grüße 日本", "A. B.", '"Shop, the"']))
)
def test_the_name_of_a_sender_is_refused_or_shown_as_it_is_and_names_nobody_else(name: str) -> None:
    try:
        sender = parse_sender(f"{name} <no-reply@tidings.example>")
    except SetupError:
        return
    assert sender.address == "no-reply@tidings.example"
    content = compose(outgoing(Channel.EMAIL, "ada@example.com"), sender).content
    assert header_names(content)[: len(OUR_HEADERS)] == OUR_HEADERS
    message = message_from_string(content.decode(), policy=policy.compat32)
    [(shown, address)] = getaddresses([message["From"].replace("\r\n", "")])
    assert address == "no-reply@tidings.example"
    assert str(make_header(decode_header(shown))) == sender.name


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
