"""One message on the inbox page, as its reader would see it."""

from collections.abc import Callable

from tidings.domain.sms_segments import sms_segments
from tidings.domain.vocabulary import Channel
from tidings.domain.web_push import endpoint_of
from tidings.sandbox.inbox import ReceivedFile, ReceivedMessage
from tidings.sandbox.inbox_view import InboxView
from tidings.sandbox.markup import CHANNEL_NAMES, escaped, icon, json_markup, table, time_tag

Render = Callable[[ReceivedMessage], str]


def message_markup(view: InboxView, message: ReceivedMessage) -> str:
    """Title, facts, tabs and the tab that is open."""
    name = CHANNEL_NAMES[message.channel]
    tabs = _tabs(message)
    chosen = view.tab if view.tab in tabs else next(iter(tabs))
    links = "".join(
        f'<a class="tab" href="{escaped(view.link(channel=view.channel, message=message.number, tab=tab))}"'
        f"{' aria-current=page' if tab == chosen else ''}>{tab}</a>"
        for tab in tabs
    )
    return f"""<article data-number="{message.number}" data-tab="{escaped(chosen)}">
<header class="message-head">
<p class="kind">{icon(message.channel)}{name} via <b>{escaped(message.provider)}</b></p>
<h2>{escaped(_title(message))}</h2>
<dl>{_facts(message)}</dl>{_files(message)}
<nav class="tabs" aria-label="Parts of the message">{links}</nav>
</header>
<div class="content content-{message.channel}">{tabs[chosen](message)}</div>
</article>"""


def _title(message: ReceivedMessage) -> str:
    if message.channel is Channel.SMS:
        return message.recipient
    nameless = "(no subject)" if message.channel is Channel.EMAIL else endpoint_of(message.recipient)
    return message.subject or nameless


def _facts(message: ReceivedMessage) -> str:
    headers = {name.lower(): value for name, value in message.headers}
    facts = [("Received", time_tag(message.received_at))]
    if _title(message) != (recipient := endpoint_of(message.recipient)):
        facts.insert(0, ("To", escaped(recipient)))
    if message.channel is Channel.EMAIL and "from" in headers:
        facts.insert(0, ("From", escaped(headers["from"])))
    if message.notification_id:
        facts.append(("Notification", f"<code>{escaped(message.notification_id)}</code>"))
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)


def _files(message: ReceivedMessage) -> str:
    rows = "".join(
        f"<li>{_link(message, place, file)}"
        f" <span>{escaped(file.content_type)}, {file.size:,} bytes</span></li>"
        for place, file in enumerate(message.attachments)
    )
    return f'<ul class="files" aria-label="Attachments">{rows}</ul>' if rows else ""


def _link(message: ReceivedMessage, place: int, file: ReceivedFile) -> str:
    name = escaped(file.filename)
    if file.content is None:
        return f'<b title="No longer kept: it made room for later files">{name}</b>'
    return f'<a href="/messages/{message.number}/attachments/{place}" target="_blank">{name}</a>'


def _tabs(message: ReceivedMessage) -> dict[str, Render]:
    tabs: dict[str, Render] = {}
    match message.channel:
        case Channel.EMAIL:
            if message.html is not None:
                tabs["HTML"] = _frame
            tabs["Text"] = _text
        case Channel.SMS:
            tabs["Phone"] = _bubble
        case Channel.PUSH:
            tabs["Screen"] = _card
        case Channel.WEBHOOK:
            tabs["Body"] = _json
        case Channel.CHAT:
            tabs["Chat"] = _post
    tabs["Headers"] = lambda shown: table(shown.headers)
    return tabs


def _frame(message: ReceivedMessage) -> str:
    return (
        '<iframe title="The mail" sandbox="allow-popups allow-popups-to-escape-sandbox" '
        f'src="/messages/{message.number}/html"></iframe>'
    )


def _text(message: ReceivedMessage) -> str:
    return f'<pre class="text">{escaped(message.body)}</pre>'


def _json(message: ReceivedMessage) -> str:
    return f'<pre class="code">{json_markup(message.body)}</pre>'


def _bubble(message: ReceivedMessage) -> str:
    segments = sms_segments(message.body)
    length = (
        f"{len(message.body)} character{'' if len(message.body) == 1 else 's'}, "
        f"{segments.count} segment{'' if segments.count == 1 else 's'} of {segments.encoding.upper()}"
    )
    return f"""<div class="phone">
<p class="phone-time">Text message · {time_tag(message.received_at)}</p>
<div class="bubble">{escaped(message.body)}</div>
<p class="phone-note">{length}</p>
</div>"""


def _post(message: ReceivedMessage) -> str:
    title = f"<b>{escaped(message.subject)}</b>" if message.subject else ""
    return f"""<div class="chat">{icon(Channel.CHAT)}<div class="card-text">
<p class="chat-head">Your app {time_tag(message.received_at, "%H:%M")}</p>
{title}<p class="chat-text">{escaped(message.body)}</p>
</div></div>"""


def _card(message: ReceivedMessage) -> str:
    title = f"<b>{escaped(message.subject)}</b>" if message.subject else ""
    return f"""<div class="screen">
<p class="screen-clock">{time_tag(message.received_at, "%H:%M")}</p>
<div class="card">{icon(Channel.PUSH)}<div class="card-text">
<p class="card-head">Your app <span>now</span></p>{title}<p>{escaped(message.body)}</p></div></div>
</div>"""
