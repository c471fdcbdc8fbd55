"""What one look at the inbox page shows."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from tidings.domain.vocabulary import Channel
from tidings.sandbox.inbox import Inbox, ReceivedMessage

LISTED = 200
"""How many messages the page lists; the JSON form gives all."""


@dataclass(frozen=True, slots=True)
class InboxView:
    """The list, narrowed by channel and search, and the message that is open."""

    listed: list[ReceivedMessage]
    found: int
    """How many messages the filter lets through, listed or not."""
    counts: Mapping[Channel | None, int]
    """Messages per channel, and all of them under None."""
    selected: ReceivedMessage | None
    follows: bool
    """No message was picked: the newest is open."""
    channel: Channel | None
    search: str
    tab: str
    smtp_port: int
    url: str
    """Where this sandbox is, as the browser calls it."""

    @classmethod
    def of(cls, inbox: Inbox, query: Mapping[str, str], smtp_port: int, url: str) -> "InboxView":
        """The view that a query (`channel`, `search`, `message`, `tab`) asks for; nonsense is ignored."""
        channel = next((channel for channel in Channel if channel == query.get("channel")), None)
        search = query.get("search", "")[:200]
        found = inbox.search(channel, search)
        picked = query.get("message", "")
        follows = not (picked.isascii() and picked.isdigit() and len(picked) < 16)
        counts: Counter[Channel | None] = Counter(message.channel for message in inbox)
        counts[None] = len(inbox)
        return cls(
            listed=found[:LISTED],
            found=len(found),
            counts=counts,
            selected=next(iter(found), None) if follows else inbox.get(int(picked)),
            follows=follows,
            channel=channel,
            search=search,
            tab=query.get("tab", ""),
            smtp_port=smtp_port,
            url=url,
        )

    def link(self, *, channel: Channel | None, message: int | None = None, tab: str = "") -> str:
        """The address of this page with another channel, message or tab."""
        parts = {
            "channel": channel,
            "search": self.search,
            "message": message,
            "tab": tab,
        }
        query = urlencode({name: value for name, value in parts.items() if value})
        return f"/?{query}" if query else "/"
