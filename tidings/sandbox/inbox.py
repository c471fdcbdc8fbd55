"""What has arrived: a bounded list in memory, newest first."""

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

from tidings.domain.vocabulary import Channel


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A file that came with a message. `content` is None once it had to make room for later ones."""

    filename: str
    content_type: str
    size: int
    content: bytes | None = field(repr=False)
    content_id: str | None = None

    @classmethod
    def of(cls, filename: str, content_type: str, content: bytes, content_id: str | None = None) -> Self:
        """A file that has just come."""
        return cls(filename, content_type, len(content), content, content_id)

    def as_json(self) -> dict[str, Any]:
        """The file as `GET /messages` lists it."""
        return {"filename": self.filename, "content_type": self.content_type, "size": self.size}


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """One message, as its reader would get it. `headers` are pairs in the order they came in."""

    channel: Channel
    provider: str
    recipient: str
    body: str
    subject: str | None = None
    html: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    attachments: list[ReceivedFile] = field(default_factory=list)
    notification_id: str | None = None
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    number: int = 0
    """The message's place in this inbox, given on arrival; never used again."""

    def as_json(self) -> dict[str, Any]:
        """The message as `GET /messages` gives it."""
        return {
            "channel": self.channel,
            "provider": self.provider,
            "recipient": self.recipient,
            "subject": self.subject,
            "body": self.body,
            "html": self.html,
            "headers": [list(pair) for pair in self.headers],
            "attachments": [file.as_json() for file in self.attachments],
            "notification_id": self.notification_id,
            "received_at": self.received_at.isoformat().replace("+00:00", "Z"),
        }


class Inbox:
    """Keeps the newest `keep` messages, and of their files the newest `keep_bytes`."""

    def __init__(self, keep: int, keep_bytes: int = 200_000_000) -> None:
        self._keep_bytes = keep_bytes
        self._messages: deque[ReceivedMessage] = deque(maxlen=keep)
        self._numbers = itertools.count(1)
        self._changes = 0

    @property
    def revision(self) -> int:
        """Grows with every change of the inbox."""
        return self._changes

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[ReceivedMessage]:
        """Newest first."""
        return iter(self._messages)

    def add(self, message: ReceivedMessage) -> ReceivedMessage:
        """Keep a message, which gets its number; the oldest makes room."""
        numbered = replace(message, number=next(self._numbers))
        self._messages.appendleft(numbered)
        if numbered.attachments:
            self._make_room()
        self._changes += 1
        return numbered

    def _make_room(self) -> None:
        kept = 0
        for place, message in enumerate(self._messages):
            kept += sum(len(file.content or b"") for file in message.attachments)
            if kept > self._keep_bytes and place > 0 and message.attachments:
                bare = [replace(file, content=None) for file in message.attachments]
                self._messages[place] = replace(message, attachments=bare)

    def get(self, number: int) -> ReceivedMessage | None:
        """The message of that number, if it is still kept."""
        return next((message for message in self._messages if message.number == number), None)

    def select(self, channel: Channel | None = None, recipient: str | None = None) -> list[ReceivedMessage]:
        """Messages of a channel and to exactly this recipient (upper and lower case alike), newest first."""
        wanted = None if recipient is None else recipient.casefold()
        return [
            message
            for message in self._messages
            if (channel is None or message.channel == channel)
            and (wanted is None or message.recipient.casefold() == wanted)
        ]

    def search(self, channel: Channel | None = None, text: str = "") -> list[ReceivedMessage]:
        """Messages of a channel whose recipient holds `text` (upper and lower case alike), newest first."""
        wanted = text.strip().casefold()
        return [message for message in self.select(channel) if wanted in message.recipient.casefold()]

    def clear(self) -> None:
        """Throw everything away."""
        self._messages.clear()
        self._changes += 1
