"""A schedule of ours as Temporal takes it."""

import math
from datetime import timedelta

from temporalio.client import Schedule as TemporalSchedule
from temporalio.client import (
    ScheduleActionStartWorkflow,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from tidings.domain.cron import CronExpression, Values
from tidings.domain.schedule import Schedule, Timing
from tidings.messages.schedules import FireRequest, ScheduleMemo
from tidings.temporal import names, story

_EVERY_DAY_OF_MONTH = (range(1, 32),)
_EVERY_DAY_OF_WEEK = (range(7),)


def temporal_schedule(schedule: Schedule, *, paused: bool) -> TemporalSchedule:
    """What to create. Personal data is in the action's argument alone."""
    template = schedule.template
    return TemporalSchedule(
        action=ScheduleActionStartWorkflow(
            names.FIRE_WORKFLOW_TYPE,
            FireRequest(schedule=schedule),
            id=names.fire_id(schedule.id),
            task_queue=names.TASK_QUEUE,
            typed_search_attributes=search_attributes(schedule),
            static_summary=story.firing_summary(schedule),
            static_details=story.FIRING_DETAILS,
            priority=names.place(template.priority, schedule.tenant),
        ),
        spec=_spec(schedule.timing),
        policy=SchedulePolicy(
            # A firing takes a moment; one that waits for a worker must not cost the next one.
            overlap=ScheduleOverlapPolicy.ALLOW_ALL,
            catchup_window=timedelta(seconds=schedule.catch_up_window),
        ),
        state=ScheduleState(paused=paused),
    )


def search_attributes(schedule: Schedule) -> TypedSearchAttributes:
    """What a schedule and its firings are found by."""
    return TypedSearchAttributes([SearchAttributePair(names.NOTIFICATION_TENANT, schedule.tenant)])


def memo(schedule: Schedule) -> dict[str, ScheduleMemo]:
    """What comes along in lists."""
    return {
        names.SCHEDULE_MEMO: ScheduleMemo(
            channel=schedule.template.channel, timing=schedule.timing, created_at=schedule.created_at
        )
    }


def _spec(timing: Timing) -> ScheduleSpec:
    return ScheduleSpec(
        calendars=_calendars(timing.cron) if timing.cron is not None else [],
        intervals=[_interval(timing, timing.every)] if timing.every is not None else [],
        time_zone_name=timing.time_zone,
        start_at=timing.starts_at,
        end_at=timing.ends_at,
    )


def _interval(timing: Timing, every: int) -> ScheduleIntervalSpec:
    # Temporal counts from 1970 and in whole seconds: the offset makes it count from `starts_at`.
    first = math.ceil(timing.starts_at.timestamp()) if timing.starts_at else 0
    return ScheduleIntervalSpec(every=timedelta(seconds=every), offset=timedelta(seconds=first % every))


def _calendars(text: str) -> list[ScheduleCalendarSpec]:
    cron = CronExpression.parse(text)
    if not cron.either_day:
        return [_calendar(cron, cron.days, cron.weekdays)]
    # Temporal wants both days to match; a union of two gives crontab's "either".
    return [
        _calendar(cron, cron.days, _EVERY_DAY_OF_WEEK),
        _calendar(cron, _EVERY_DAY_OF_MONTH, cron.weekdays),
    ]


def _calendar(cron: CronExpression, days: Values, weekdays: Values) -> ScheduleCalendarSpec:
    return ScheduleCalendarSpec(
        minute=_ranges(cron.minutes),
        hour=_ranges(cron.hours),
        day_of_month=_ranges(days),
        month=_ranges(cron.months),
        day_of_week=[ScheduleRange(day) for day in sorted({day % 7 for piece in weekdays for day in piece})],
        comment=cron.text,
    )


def _ranges(values: Values) -> list[ScheduleRange]:
    return [ScheduleRange(piece[0], piece[-1], piece.step) for piece in values]
