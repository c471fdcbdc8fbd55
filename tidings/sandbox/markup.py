"""Small pieces of HTML. Everything that came from outside goes through `escaped`."""

import json
import re
from datetime import datetime
from html import escape

from tidings.domain.vocabulary import Channel

CHANNEL_NAMES = {
    Channel.EMAIL: "Email",
    Channel.SMS: "SMS",
    Channel.PUSH: "Push",
    Channel.WEBHOOK: "Webhook",
    Channel.CHAT: "Chat",
}

_ICON_PATHS = {
    Channel.EMAIL: '<rect x="3" y="5.5" width="18" height="13" rx="2.5"/><path d="m4 7.5 8 6 8-6"/>',
    Channel.SMS: '<path d="M20 11.2a7.6 7.2 0 0 1-11.2 6.3L4 19l1.5-4.2A7.6 7.2 0 1 1 20 11.2Z"/>',
    Channel.PUSH: '<path d="M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 1.5h-15L6 16.5Z"/><path d="M10 21h4"/>',
    Channel.WEBHOOK: '<path d="m8.5 7-5 5 5 5M15.5 7l5 5-5 5"/>',
    Channel.CHAT: '<path d="M9 4 7.5 20M16.5 4 15 20M4.5 9h16M3.5 15h16"/>',
}

_JSON_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\]|\\.)*")(?P<colon>\s*:)?|(?P<word>-?\d[\d.eE+-]*|true|false|null)', re.ASCII
)


def escaped(text: object) -> str:
    """Text, safe between tags and in quoted attributes."""
    return escape(str(text), quote=True)


def icon(channel: Channel) -> str:
    """The channel's sign. Decorative: its name stands beside it or in a title."""
    return f'<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">{_ICON_PATHS[channel]}</svg>'


def time_tag(at: datetime, form: str = "%H:%M:%S UTC") -> str:
    """A time in UTC, which the page's script turns into the reader's own."""
    return f'<time datetime="{at.isoformat(timespec="milliseconds")}">{at.strftime(form)}</time>'


def table(pairs: list[tuple[str, str]]) -> str:
    """Headers, one row each."""
    rows = "".join(f"<tr><th>{escaped(name)}</th><td>{escaped(value)}</td></tr>" for name, value in pairs)
    return f'<table class="headers"><tbody>{rows}</tbody></table>'


def json_markup(text: str) -> str:
    """JSON, indented and coloured; anything else as it came."""
    try:
        laid_out = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return escaped(text)
    parts, end = [], 0
    for token in _JSON_TOKEN.finditer(laid_out):
        parts.append(escaped(laid_out[end : token.start()]))
        if token["string"] is None:
            parts.append(f'<span class="json-word">{escaped(token[0])}</span>')
        else:
            kind = "json-key" if token["colon"] else "json-string"
            parts.append(f'<span class="{kind}">{escaped(token["string"])}</span>{token["colon"] or ""}')
        end = token.end()
    return "".join([*parts, escaped(laid_out[end:])])
