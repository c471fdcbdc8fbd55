"""The inbox, its JSON form, and mail taken apart for it."""

import json

from tidings.domain.vocabulary import Channel
from tidings.sandbox.inbox import Inbox, ReceivedMessage
from tidings.sandbox.mail import parse_mail


def message(
    body: str, recipient: str = "ada@example.com", channel: Channel = Channel.EMAIL
) -> ReceivedMessage:
    return ReceivedMessage(channel=channel, provider="smtp", recipient=recipient, body=body)


def test_the_oldest_make_room() -> None:
    inbox = Inbox(keep=3)
    numbers = [inbox.add(message(f"{n}")).number for n in range(5)]
    assert [kept.body for kept in inbox] == ["4", "3", "2"]
    assert inbox.get(numbers[0]) is None
    assert inbox.get(numbers[4]) is not None


def test_selection_is_exact_and_search_is_not() -> None:
    inbox = Inbox(keep=9)
    inbox.add(message("1", "ada@example.com"))
    inbox.add(message("2", "+4915112345", Channel.SMS))
    inbox.add(message("3", "ADA@example.com"))
    inbox.add(message("4", "not-ada@example.com"))
    assert [found.body for found in inbox.select(recipient="Ada@example.com")] == ["3", "1"]
    assert [found.body for found in inbox.select(Channel.SMS)] == ["2"]
    assert inbox.select(Channel.SMS, "ada@example.com") == []
    assert [found.body for found in inbox.search(Channel.EMAIL, "ADA@")] == ["4", "3", "1"]


def test_every_change_has_a_revision_of_its_own() -> None:
    inbox = Inbox(keep=1)
    revisions = [inbox.revision]
    for change in (lambda: inbox.add(message("1")), lambda: inbox.add(message("2")), inbox.clear):
        change()
        revisions.append(inbox.revision)
    assert len(set(revisions)) == 4
    assert len(inbox) == 0


def test_the_json_form() -> None:
    kept = Inbox(keep=1).add(message("hi"))
    assert kept.as_json() == {
        "channel": "email",
        "provider": "smtp",
        "recipient": "ada@example.com",
        "subject": None,
        "body": "hi",
        "html": None,
        "headers": [],
        "attachments": [],
        "notification_id": None,
        "received_at": kept.received_at.isoformat().replace("+00:00", "Z"),
    }


def test_mail_is_taken_apart() -> None:
    content = (
        b"From: a@b\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Tidings-Notification: 42\r\nReceived: 1\r\n"
        b"Received: 2\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n"
        b"--x\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xfc\xdfe\r\n"
        b"--x\r\nContent-Type: text/html\r\n\r\n<b>hi</b>\r\n--x--\r\n"
    )
    mail = parse_mail(content, "ada@example.com")
    assert (mail.subject, mail.body, mail.html, mail.notification_id) == ("Grüße", "Grüße", "<b>hi</b>", "42")
    assert [value for name, value in mail.headers if name == "Received"] == ["1", "2"]


def test_whatever_comes_in_as_mail_can_be_shown() -> None:
    for content in (
        b"",
        b"\xff\xfe\r\n\r\n\xff",
        b"Subject: \xff\xfe\r\n\r\nhi",
        b"Content-Type: text/plain; charset=klingon\r\n\r\nqapla\xff",
        b"Content-Type: multipart/alternative\r\n\r\nno boundary",
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!",
        b"Content-Type: text/html\r\n\r\n<b>only html",
        b'From: "\r\nTo: <<>>,;\r\nDate: never\r\n\r\nhi',
    ):
        mail = parse_mail(content, "ada@example.com")
        assert json.dumps(mail.as_json(), ensure_ascii=False).encode("utf-8")
