"""Whatever is submitted, a mail has the headers we gave it and one recipient, the one it was submitted for.

What cannot be sent so is refused at submission, with the field named.
"""

import re
from collections.abc import Callable
from email import message_from_string, policy
from email.header import decode_header, make_header
from email.utils import getaddresses
from ipaddress import IPv6Address
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from yarl import URL

from tests.message_safety import OUR_HEADERS, accepted, as_received, composed, header_names, submitted
from tests.provider_support import outgoing
from tidings.domain.notification import Notification
from tidings.domain.recipient import checked_recipient
from tidings.domain.vocabulary import Channel
from tidings.errors import SetupError
from tidings.providers.mail import compose, parse_sender

pytestmark = pytest.mark.figure("hostile messages: no injection, no misdelivery")

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


def _host(name: str | None) -> str | None:
    """One address is spelt in several ways: `::0001` is `::1`."""
    return str(IPv6Address(name)) if name and ":" in name else name


@cases("url")
@given(URLS)
@example("http://[2606:47:00::1]")
def test_a_url_is_refused_or_is_read_alike_by_all_who_read_it(url: str) -> None:
    try:
        assert checked_recipient(Channel.WEBHOOK, url) == url
    except ValueError:
        return
    assert re.fullmatch(r"[!-~]+", url)
    ours, theirs = urlsplit(url), URL(url)
    assert ours.scheme == theirs.scheme
    assert _host(ours.hostname) == _host(theirs.raw_host)
    assert (ours.port or {"http": 80, "https": 443}[ours.scheme]) == theirs.port
    assert theirs.user is None
    assert theirs.password is None
    [authority] = re.findall(r"^https?://([^/?#]*)", url, re.IGNORECASE)
    assert re.fullmatch(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d*)?", authority)


@cases("sender")
@given(
    PIECES | SEEN | spoilt(st.sampled_from(["Tidings", "Ada's Shop", "Grüße 日本", "A. B.", '"Shop, the"']))
)
@example("eve@evil.example(")
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
