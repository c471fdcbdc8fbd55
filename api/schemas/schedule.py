"""Schedules as callers get them, and the cursor of their lists."""

import base64
import binascii
import hashlib
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from api import problems
from api.problems import Problem
from api.schemas.fields import Text, UtcTime
from api.schemas.notification import WorkflowView
from tidings.domain.schedule import Firing, Schedule, ScheduleListing, ScheduleRecord, Template
from tidings.domain.vocabulary import Channel, Guarantee, KeyMode, Priority

_CHECK_BYTES = 4


def _is_none(value: object) -> bool:
    return value is None


class _View(BaseModel):
    # Everything is given, null included, so that the schema says so.
    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class TemplateView(BaseModel):
    """What each firing submits; what is not set is left out."""

    model_config = ConfigDict(frozen=True)

    channel: Channel
    recipient: str
    subject: str | None = Field(default=None, exclude_if=_is_none)
    body: str
    html: str | None = Field(default=None, exclude_if=_is_none)
    metadata: dict[str, Any] | None = Field(default=None, exclude_if=_is_none)
    data: dict[str, str] | None = Field(default=None, exclude_if=_is_none)
    collapse_key: str | None = Field(default=None, exclude_if=_is_none)
    tags: list[str]
    priority: Priority
    guarantee: Guarantee
    provider: str | None = Field(default=None, exclude_if=_is_none)

    @classmethod
    def of(cls, template: Template) -> Self:
        """The template as its owner sees it."""
        return cls(**dict(template))


class FiringView(_View):
    """One firing, and the notification that it made."""

    scheduled_at: UtcTime
    fired_at: UtcTime = Field(description="Later than `scheduled_at` if it was made up after an outage.")
    notification_id: str | None = Field(
        description="Null until a worker has begun with it, and once Temporal has forgotten the firing."
    )
    workflow: WorkflowView

    @classmethod
    def of(cls, firing: Firing, url: str) -> Self:
        """The firing as its owner sees it; `url` is its workflow's page."""
        return cls(
            scheduled_at=firing.scheduled_at,
            fired_at=firing.fired_at,
            notification_id=str(firing.notification_id) if firing.notification_id else None,
            workflow=WorkflowView(id=firing.workflow_id, url=url),
        )


class ScheduleView(_View):
    """A schedule and when it fires."""

    id: str
    channel: Channel
    cron: str | None
    every: int | None = Field(description="Seconds from one firing to the next.")
    time_zone: str
    starts_at: UtcTime | None
    ends_at: UtcTime | None
    paused: bool
    next_times: list[UtcTime] = Field(
        description="Up to five: when it fires next or, if it is paused, when it would."
    )
    created_at: UtcTime
    url: str = Field(description="Its page in the Temporal Web UI.")

    @classmethod
    def of(cls, listing: ScheduleListing, url: str, **more: Any) -> Self:
        """The schedule as its owner sees it."""
        return cls(
            **dict(listing.timing),
            id=str(listing.id),
            channel=listing.channel,
            paused=listing.paused,
            next_times=listing.next_times,
            created_at=listing.created_at,
            url=url,
            **more,
        )


class ScheduleDetails(ScheduleView):
    """A schedule with what it sends, and its latest firings."""

    mode: KeyMode = Field(description="That of the key it was created with, and of all that it fires.")
    notification: TemplateView
    expires_after: int | None
    catch_up_window: int
    firings: list[FiringView] = Field(description="The latest five, newest first.")

    @classmethod
    def of_record(cls, record: ScheduleRecord, url: str, firings: list[FiringView]) -> Self:
        """The record as its owner sees it."""
        schedule = record.schedule
        return cls.of(
            _listing(schedule, record),
            url,
            mode=schedule.mode,
            notification=TemplateView.of(schedule.template),
            expires_after=schedule.expires_after,
            catch_up_window=schedule.catch_up_window,
            firings=firings,
        )


class ScheduleListQuery(BaseModel):
    """The query parameters of `GET /v1/schedules`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_page: int = Field(default=20, ge=1, le=100)
    cursor: Annotated[Text, Field(max_length=2_000)] | None = Field(
        default=None, description="The `next_cursor` of the list before."
    )


class SchedulePageView(BaseModel):
    """Some of the tenant's schedules, in no set order."""

    data: list[ScheduleView]
    next_cursor: str | None = Field(description="Where to go on; null on the last page.")


def cursor_of(tenant: str, token: bytes) -> str:
    """An opaque cursor: base64url of Temporal's token, with a check that binds it to the tenant."""
    return base64.urlsafe_b64encode(_check(tenant, token) + token).decode().rstrip("=")


def token_from(tenant: str, cursor: str) -> bytes:
    """Temporal's token in a cursor. Raises Problem (400) for one that was not given to this tenant.

    The check keeps out mistakes, for Temporal makes no sense of them; it keeps no secret.
    """
    try:
        decoded = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    check, token = decoded[:_CHECK_BYTES], decoded[_CHECK_BYTES:]
    if not token or check != _check(tenant, token):
        raise Problem(problems.INVALID_CURSOR, "Take the cursor from next_cursor of a list, unchanged.")
    return token


def _check(tenant: str, token: bytes) -> bytes:
    return hashlib.sha256(b"schedules" + token + tenant.encode()).digest()[:_CHECK_BYTES]


def _listing(schedule: Schedule, record: ScheduleRecord) -> ScheduleListing:
    return ScheduleListing(
        id=schedule.id,
        channel=schedule.template.channel,
        timing=schedule.timing,
        created_at=schedule.created_at,
        paused=record.paused,
        next_times=record.next_times,
    )
