"""A schedule: a recurring notification, each firing of which makes one of its own."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tidings.domain.notification import Notification
from tidings.domain.vocabulary import Channel, Guarantee, KeyMode, Priority


class Template(BaseModel):
    """What every notification of a schedule says, and to whom."""

    model_config = ConfigDict(frozen=True)

    channel: Channel
    recipient: str
    subject: str | None = None
    body: str
    html: str | None = None
    metadata: dict[str, Any] | None = None
    data: dict[str, str] | None = None
    collapse_key: str | None = None
    tags: list[str] = []
    priority: Priority = Priority.NORMAL
    guarantee: Guarantee = Guarantee.AT_LEAST_ONCE
    provider: str | None = None


class Timing(BaseModel):
    """When a schedule fires: by `cron` in `time_zone`, or `every` so many seconds; one of the two is set."""

    model_config = ConfigDict(frozen=True)

    cron: str | None = None
    every: int | None = None
    time_zone: str = "UTC"
    starts_at: AwareDatetime | None = None
    """No firing before. With `every` the firings are counted from here, else from midnight UTC in 1970."""
    ends_at: AwareDatetime | None = None
    """No firing after."""


class Schedule(BaseModel):
    """A recurring notification. Times in seconds. It never changes; whether it is paused is Temporal's."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    tenant: str
    mode: KeyMode = KeyMode.LIVE
    """That of the key it was created with, and of all that it fires."""
    template: Template
    timing: Timing
    catch_up_window: int
    """Firings missed during an outage are made up if they are no older than this."""
    expires_after: int | None = None
    """From a firing to its notification's `expires_at`."""
    created_at: AwareDatetime

    def notification(self, id: UUID, now: datetime) -> Notification:
        """The notification that a firing at `now` makes."""
        expires_at = None if self.expires_after is None else now + timedelta(seconds=self.expires_after)
        return Notification(
            **dict(self.template),
            id=id,
            tenant=self.tenant,
            mode=self.mode,
            expires_at=expires_at,
            created_at=now,
            schedule_id=self.id,
        )


@dataclass(frozen=True, slots=True)
class Firing:
    """One firing of a schedule. `notification_id` is None until a worker has begun with it."""

    scheduled_at: datetime
    fired_at: datetime
    workflow_id: str
    notification_id: UUID | None


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """A schedule as it stands, with its latest firings, newest first.

    `next_times` are those of the timing, whether or not it is paused.
    """

    schedule: Schedule
    paused: bool
    next_times: list[datetime]
    firings: list[Firing]


@dataclass(frozen=True, slots=True)
class ScheduleListing:
    """A schedule in a list: all but what it sends and to whom."""

    id: UUID
    channel: Channel
    timing: Timing
    created_at: datetime
    paused: bool
    next_times: list[datetime]


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """Some of a tenant's schedules, and where the next page begins; None on the last one."""

    schedules: list[ScheduleListing]
    next_token: bytes | None
