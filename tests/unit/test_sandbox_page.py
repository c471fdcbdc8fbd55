"""The inbox page: what it shows, and that nothing a message holds becomes markup of ours."""

from html.parser import HTMLParser

import pytest

from tidings.domain.vocabulary import Channel
from tidings.domain.web_push import WebPushSubscription
from tidings.sandbox.inbox import Inbox, ReceivedMessage
from tidings.sandbox.inbox_view import LISTED, InboxView
from tidings.sandbox.markup import json_markup
from tidings.sandbox.pages import inbox_page, static_file

HOSTILE = "</title></pre></script>\"'><img src=x onerror=alert(1)><script>alert(1)</script>&amp;"


class Page(HTMLParser):
    """Every tag with its attributes, and the text between tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.tags if found == tag]


def page(inbox: Inbox, **query: str) -> Page:
    return Page(inbox_page(InboxView.of(inbox, query, 1025, "http://127.0.0.1:8025")))


def hostile(channel: Channel) -> ReceivedMessage:
    return ReceivedMessage(
        channel=channel,
        provider=HOSTILE,
        recipient=HOSTILE,
        subject=HOSTILE,
        body=HOSTILE,
        headers=[(HOSTILE, HOSTILE), ("From", HOSTILE)],
        notification_id=HOSTILE,
    )


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("tab", ["", "Text", "Headers", HOSTILE])
def test_hostile_content_stays_text(channel: Channel, tab: str) -> None:
    inbox = Inbox(keep=5)
    inbox.add(hostile(channel))
    shown = page(inbox, tab=tab, search="img", channel=channel)
    assert HOSTILE in shown.text
    assert shown.all("script") == [{"type": "module", "src": "/static/inbox.js"}]
    assert [image["src"] for image in shown.all("img")] == ["/static/icon.svg"]
    assert not any(name.startswith("on") for _, attributes in shown.tags for name in attributes)


@pytest.mark.parametrize("name", ["search", "channel", "message", "tab"])
def test_a_hostile_address_of_the_page_stays_text(name: str) -> None:
    inbox = Inbox(keep=5)
    inbox.add(ReceivedMessage(Channel.SMS, "sandbox", "+14155550100", "hi"))
    assert len(page(inbox, **{name: HOSTILE}).all("script")) == 1


def test_the_html_of_a_mail_runs_in_a_frame_of_its_own() -> None:
    inbox = Inbox(keep=5)
    mail = inbox.add(ReceivedMessage(Channel.EMAIL, "smtp", "a@x", "hi", html="<script>alert(1)</script>"))
    shown = page(inbox)
    [frame] = shown.all("iframe")
    assert frame["src"] == f"/messages/{mail.number}/html"
    assert "allow-scripts" not in (frame["sandbox"] or "")
    assert "allow-same-origin" not in (frame["sandbox"] or "")


def test_the_list_is_newest_first_and_narrowed_by_channel_and_search() -> None:
    inbox = Inbox(keep=9)
    numbers = [
        inbox.add(ReceivedMessage(channel, "p", recipient, "hi")).number
        for channel, recipient in [(Channel.SMS, "+1415"), (Channel.EMAIL, "ada@x"), (Channel.EMAIL, "bob@x")]
    ]

    def listed(**query: str) -> list[int]:
        rows = page(inbox, **query).all("li")
        return [int(row["data-number"] or 0) for row in rows if "data-number" in row]

    assert listed() == numbers[::-1]
    assert listed(channel="email") == [numbers[2], numbers[1]]
    assert listed(channel="email", search="ADA") == [numbers[1]]
    assert listed(search="nobody") == []


def test_a_picked_message_stays_open_when_others_arrive() -> None:
    inbox = Inbox(keep=9)
    first = inbox.add(ReceivedMessage(Channel.SMS, "p", "+1", "the first one"))
    inbox.add(ReceivedMessage(Channel.SMS, "p", "+1", "the second one"))
    [picked] = page(inbox, message=str(first.number)).all("article")
    [newest] = page(inbox).all("article")
    assert picked["data-number"] == "1"
    assert newest["data-number"] == "2"
    assert "no longer kept" in page(inbox, message="77").text


def test_an_empty_inbox_says_how_to_send() -> None:
    text = page(Inbox(keep=1)).text
    assert "/v1/notifications" in text
    assert "1025" in text
    assert "temporary-failure" in text


def test_a_full_inbox_lists_the_newest() -> None:
    inbox = Inbox(keep=1000)
    for _ in range(LISTED + 5):
        inbox.add(ReceivedMessage(Channel.SMS, "p", "+1", "hi"))
    assert "and 5 older" in page(inbox).text


def test_json_is_laid_out_and_stays_what_it_was() -> None:
    shown = Page(json_markup('{"a":[1,-2.5e3,true,null],"b\\"<":"x \\" : y </span>"}'))
    assert shown.text == (
        '{\n  "a": [\n    1,\n    -2500.0,\n    true,\n    null\n  ],\n  "b\\"<": "x \\" : y </span>"\n}'
    )
    assert [tag["class"] for tag in shown.all("span")].count("json-key") == 2


@pytest.mark.parametrize("text", ["not json <b>", "[" * 100_000, ""])
def test_what_is_not_json_is_shown_as_it_came(text: str) -> None:
    assert Page(json_markup(text)).text == text


def test_only_the_page_s_own_files_are_served() -> None:
    assert static_file("inbox.css") is not None
    assert static_file("../pages.py") is None
    assert static_file("pages.py") is None


def test_a_browser_is_shown_by_its_address_and_not_by_its_keys() -> None:
    inbox = Inbox(keep=5)
    browser = WebPushSubscription("https://push.example/wpush/a", b"\x04" + bytes(64), bytes(16))
    inbox.add(ReceivedMessage(Channel.PUSH, "sandbox", browser.text, "It works."))
    shown = page(inbox)
    assert shown.text.count(browser.endpoint) == 2, "in the list, and as the title"
    assert "p256dh" not in shown.text
    assert page(inbox, message="1", tab="Headers").text.count(browser.endpoint) == 2
