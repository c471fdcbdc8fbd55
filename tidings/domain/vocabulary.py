"""The words a notification is described with. Their values are the API's and the database's values."""

from enum import StrEnum


class Channel(StrEnum):
    """The way a notification travels."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
    WEBHOOK = "webhook"
    CHAT = "chat"


class KeyMode(StrEnum):
    """What a key's notifications are for: `live` ones go to their recipients, `test` ones to the sandbox."""

    LIVE = "live"
    TEST = "test"


class Scope(StrEnum):
    """What a key or token may be used for. None includes another."""

    SEND = "send"
    """Submit, cancel and retry; make and change schedules."""
    READ = "read"
    """Get and list."""
    ADMIN = "admin"
    """What goes beyond single notifications: webhook endpoints, changes to the suppression list."""


class Priority(StrEnum):
    """How soon a notification is taken from a backlog; earlier members first."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"
    BULK = "bulk"


class Guarantee(StrEnum):
    """What to do when nobody can know whether a message went out: send it again, or park it."""

    AT_LEAST_ONCE = "at_least_once"
    AT_MOST_ONCE = "at_most_once"


class Outcome(StrEnum):
    """What became of one attempt."""

    ACCEPTED = "accepted"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


class Status(StrEnum):
    """Where a notification stands."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    RETRYING = "retrying"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Nothing more happens by itself (a receipt or a `retry` may still change it)."""
        return self in FINAL

    @property
    def is_parked(self) -> bool:
        """Final, but a `retry` by hand starts a new attempt."""
        return self in PARKED


FINAL = frozenset(
    {Status.SENT, Status.DELIVERED, Status.FAILED, Status.UNKNOWN, Status.CANCELLED, Status.EXPIRED}
)
PARKED = frozenset({Status.FAILED, Status.UNKNOWN, Status.EXPIRED})
