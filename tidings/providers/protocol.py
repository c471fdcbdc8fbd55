"""What a provider is: it sends one message once, and says in typed errors why it could not.

A provider knows neither Temporal nor the database, and never retries.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from tidings.domain.vocabulary import Channel, Priority

RESPONSE_BYTES = 1024
"""How much of a webhook target's answer is kept with the attempt. Temporal's history has it several times."""


@dataclass(frozen=True, slots=True)
class OutgoingAttachment:
    """A file that goes with an e-mail. `content_id`: the HTML shows it (`cid:…`)."""

    filename: str
    content_type: str
    content: bytes = field(repr=False)
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message as a provider sees it. The same for every attempt, `number` apart."""

    notification_id: UUID
    channel: Channel
    recipient: str
    body: str
    created_at: datetime
    subject: str | None = None
    html: str | None = None
    metadata: dict[str, Any] | None = None
    tags: list[str] = field(default_factory=list)
    number: int = 1
    priority: Priority = Priority.NORMAL
    attachments: list[OutgoingAttachment] = field(default_factory=list)
    data: dict[str, str] | None = None
    """What a push message carries to the app; None: its metadata."""
    collapse_key: str | None = None
    """A push message replaces an earlier one with the same key on the device."""
    expires_at: datetime | None = None
    """After this nobody wants to see it any more."""
    signing_secrets: tuple[str, ...] = field(default=(), repr=False)
    """`webhook`: the secrets of the recipient's endpoint, if it has any of its own."""

    @property
    def key(self) -> str:
        """The deduplication key to give to the provider: the same over all attempts."""
        return str(self.notification_id)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A provider took the message. `reference` is the provider's own id for it, if it gave one.

    `response`: the beginning of a webhook target's answer, at most `RESPONSE_BYTES` of it.
    """

    reference: str | None = None
    response: str | None = None


class Provider(Protocol):
    """An adapter that speaks one vendor's or protocol's API."""

    @property
    def name(self) -> str:
        """The provider's name in routes, attempts and metrics."""
        ...

    async def send(self, message: OutgoingMessage) -> Acceptance:
        """Hand the message over, once.

        Raises TransientFailure, PermanentFailure, ProviderMisconfigured or UnknownOutcome (tidings.errors).
        A cancellation (the attempt's time is up) may come at any await; `UnknownOutcome` is the
        caller's reading of it.
        """
        ...

    async def aclose(self) -> None:
        """Close pooled connections."""
        ...


@runtime_checkable
class NeedsSettings(Protocol):
    """A provider that cannot send before it is set up."""

    @property
    def missing(self) -> str | None:
        """The setting without which nothing can be sent; None if all are there."""
        ...


@runtime_checkable
class Checkable(Protocol):
    """A provider that can tell whether it would be let in."""

    async def check(self) -> str:
        """What was found, in few words without secrets, once our credentials have been taken. Sends nothing.

        Raises SendFailure as `send` does. Only called on a provider that is set up.
        """
        ...
