"""What the database gives back: a notification, a page of them, or an attempt's permission to run."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from tidings.domain.notification import Attempt, DeliveryState, Notification
from tidings.domain.receipt import Receipt
from tidings.domain.suppression import Suppression
from tidings.domain.vocabulary import Channel, KeyMode, Status


class NotificationRecord(BaseModel):
    """A notification with its state, and with its attempts where they were asked for."""

    model_config = ConfigDict(frozen=True)

    notification: Notification
    state: DeliveryState
    attempts: list[Attempt] = []
    receipts: list[Receipt] = []

    def overlaid(self, state: DeliveryState | None) -> Self:
        """The record with whichever state is the later one: row and workflow may lag behind each other."""
        if state is None or state.revision <= self.state.revision:
            return self
        return self.model_copy(update={"state": state})


@dataclass(frozen=True, slots=True)
class BegunAttempt:
    """The answer to "may I call the provider?".

    If not `permitted`: `earlier` is the attempt as a previous run has begun it, with its outcome if that run
    also finished; None if there is no such attempt, because the notification has gone on to `state` without.
    """

    notification: Notification
    state: DeliveryState
    permitted: bool
    earlier: Attempt | None = None
    suppression: Suppression | None = None
    """Why it is not permitted, if the recipient is on the suppression list."""


@dataclass(frozen=True, slots=True)
class NotificationFilter:
    """Which notifications a list holds. None means any; times: created at or after, created before."""

    status: Status | None = None
    channel: Channel | None = None
    mode: KeyMode | None = None
    recipient: str | None = None
    tag: str | None = None
    schedule_id: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class Position(NamedTuple):
    """A notification's place in a list. Lists go by it, newest first; the id tells equal times apart."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Page:
    """One page, newest first. `total` is None where it was not counted (paging by `after`).

    `next_after` is the position to go on after, or None on the last page.
    """

    records: list[NotificationRecord]
    total: int | None
    next_after: Position | None
