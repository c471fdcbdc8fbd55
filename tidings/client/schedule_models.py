"""Schedules, as the API answers them."""

from typing import Any

from pydantic import AwareDatetime, Field

from tidings.client.models import AnyChannel, AnyGuarantee, AnyMode, AnyPriority, Model, Workflow


class Template(Model):
    """What each firing submits; what was not set is None."""

    channel: AnyChannel
    recipient: str
    subject: str | None = None
    body: str
    html: str | None = None
    metadata: dict[str, Any] | None = None
    data: dict[str, str] | None = None
    collapse_key: str | None = None
    tags: list[str] = Field(default=[])
    priority: AnyPriority
    guarantee: AnyGuarantee
    provider: str | None = None


class Firing(Model):
    """One firing; `notification_id` is None until a worker has begun with it."""

    scheduled_at: AwareDatetime
    fired_at: AwareDatetime
    notification_id: str | None = None
    workflow: Workflow


class Schedule(Model):
    """A schedule and when it fires; `every` in seconds."""

    id: str
    channel: AnyChannel
    cron: str | None = None
    every: int | None = None
    time_zone: str = "UTC"
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    paused: bool
    next_times: list[AwareDatetime] = Field(default=[])
    created_at: AwareDatetime
    url: str


class ScheduleDetails(Schedule):
    """A schedule with what it sends, and its latest firings; both times in seconds."""

    mode: AnyMode
    notification: Template
    expires_after: int | None = None
    catch_up_window: int
    firings: list[Firing] = Field(default=[])
