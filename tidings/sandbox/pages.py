"""The inbox page. It is whole without its script, which only keeps it current."""

import base64
import json
import re
from collections.abc import Sequence
from importlib.resources import files

from tidings.domain.vocabulary import Channel
from tidings.domain.web_push import endpoint_of
from tidings.sandbox.inbox import ReceivedFile, ReceivedMessage
from tidings.sandbox.inbox_view import InboxView
from tidings.sandbox.markup import CHANNEL_NAMES, escaped, icon, time_tag
from tidings.sandbox.message_markup import message_markup

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
"""A mail may look as it likes; it runs no script, sends no form and fetches nothing."""

FILE_POLICY = "default-src 'none'; sandbox"
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What a browser shows without running anything of it."""

_STATIC = {"inbox.css": "text/css", "inbox.js": "text/javascript", "icon.svg": "image/svg+xml"}

_SAMPLE = {"channel": "email", "recipient": "ada@example.com", "subject": "Hello", "body": "It works."}

_ON_PURPOSE = (
    ("temporary-failure…", "0001", "always fails for a passing cause"),
    ("temporary-failure-2…", "", "fails twice, then is taken"),
    ("permanent-failure…", "0002", "is refused for good"),
    ("slow…", "0003", "is taken after a while"),
    ("hang…", "0004", "never gets an answer"),
)


def static_file(name: str) -> tuple[str, str] | None:
    """Text and media type of a file of the page's, or None."""
    if name not in _STATIC:
        return None
    return (files("tidings.sandbox") / "static" / name).read_text("utf-8"), _STATIC[name]


def mail_document(html: str, files: Sequence[ReceivedFile] = ()) -> str:
    """A mail's HTML for its frame: light, as mail is written, and with links that open elsewhere.

    Pictures of the mail's own stand in it, for the frame fetches nothing.
    """
    for file in files:
        if file.content_id and file.content is not None and file.content_type in PICTURES:
            picture = f"data:{file.content_type};base64,{base64.b64encode(file.content).decode()}"
            # Base64 holds no backslash: nothing in it is taken for a reference to a group.
            html = re.sub(rf"cid:{re.escape(file.content_id)}(?![\w.@+-])", picture, html)
    return f'<!doctype html><base target="_blank"><meta name="color-scheme" content="light">{html}'


def inbox_page(view: InboxView) -> str:
    """The whole page."""
    detail = _detail(view)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>({view.counts[None]}) Tidings sandbox</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/inbox.css">
<script type="module" src="/static/inbox.js"></script>
<noscript><meta http-equiv="refresh" content="5"></noscript>
</head>
<body class="{"following" if view.follows else "picked"}">
<header class="bar">
<a class="brand" href="/"><img src="/static/icon.svg" alt="" width="26" height="26">Tidings
<span>sandbox</span></a>
<p class="facts" id="live"><span class="dot"></span>
<span id="live-text">SMTP on port {view.smtp_port}</span></p>
<a class="quiet" href="/messages">JSON</a>
<button class="quiet" id="clear" type="button" hidden>Empty inbox</button>
</header>
<main>
<section class="side" aria-label="Messages">
<form class="search" action="/" role="search">{_channel_field(view)}
<input type="search" name="search" value="{escaped(view.search)}" placeholder="Search recipients"
 aria-label="Search recipients" autocomplete="off" spellcheck="false"></form>
<nav class="channels" id="channels" aria-label="Channels">{_channels(view)}</nav>
<ol class="list" id="list">{_list(view)}</ol>
</section>
<section class="detail" id="detail" aria-label="Message">{detail}</section>
</main>
</body>
</html>"""


def _channel_field(view: InboxView) -> str:
    return f'<input type="hidden" name="channel" value="{view.channel}">' if view.channel else ""


def _channels(view: InboxView) -> str:
    choices: list[tuple[Channel | None, str]] = [(None, "All"), *CHANNEL_NAMES.items()]
    return "".join(
        f'<a href="{escaped(view.link(channel=channel))}"'
        f"{' aria-current=page' if channel == view.channel else ''}>"
        f"{name} <span>{view.counts.get(channel, 0)}</span></a>"
        for channel, name in choices
    )


def _list(view: InboxView) -> str:
    if not view.listed:
        return f'<li class="none">{"Nothing matches" if view.counts[None] else "No messages"}</li>'
    rows = "".join(_row(view, message) for message in view.listed)
    left = view.found - len(view.listed)
    return rows + (f'<li class="none">and {left} older</li>' if left else "")


def _row(view: InboxView, message: ReceivedMessage) -> str:
    chosen = view.selected is not None and view.selected.number == message.number
    href = view.link(channel=view.channel, message=message.number)
    return (
        f'<li data-number="{message.number}"><a class="row row-{message.channel}" href="{escaped(href)}"'
        f'{" aria-current=true" if chosen else ""} title="{CHANNEL_NAMES[message.channel]}">'
        f"{icon(message.channel)}<span class=row-top><b>{escaped(endpoint_of(message.recipient))}</b>"
        f"{time_tag(message.received_at)}</span>"
        f"<span class=row-text>{_summary(message)}</span></a></li>"
    )


def _summary(message: ReceivedMessage) -> str:
    body = escaped(" ".join(message.body[:400].split())[:160])
    return f"<strong>{escaped(message.subject)}</strong> {body}" if message.subject else body


def _detail(view: InboxView) -> str:
    if view.selected is not None:
        return message_markup(view, view.selected)
    if view.counts[None] == 0:
        return _welcome(view)
    gone = "Nothing matches this search." if view.follows else "This message is no longer kept."
    return f'<div class="blank"><p>{gone}</p><a href="/">Show all messages</a></div>'


def _welcome(view: InboxView) -> str:
    sample = json.dumps(_SAMPLE)
    command = (
        'curl "$TIDINGS_URL/v1/notifications" \\\n  -H "Authorization: Bearer $TIDINGS_API_KEY" \\\n'
        f"  -H 'Content-Type: application/json' \\\n  -d '{sample}'"
    )
    rows = "".join(
        f"<tr><td><code>{escaped(name)}</code></td><td>{f'<code>{number}</code>' if number else ''}</td>"
        f"<td>{escaped(effect)}</td></tr>"
        for name, number, effect in _ON_PURPOSE
    )
    return f"""<div class="welcome">
<h2>Nothing has arrived yet</h2>
<p>Messages to any recipient end here and go nowhere else. Send one:</p>
<pre class="code">{escaped(command)}</pre>
<p>Or send mail straight to SMTP port <code>{view.smtp_port}</code>,
and webhooks to <code>{escaped(view.url)}/hooks/anything</code>.</p>
<h3>Recipients that fail on purpose</h3>
<table class="purpose">
<thead><tr><th>Address, token, end of URL</th><th>End of number</th><th>The message</th></tr></thead>
<tbody>{rows}</tbody></table>
</div>"""
