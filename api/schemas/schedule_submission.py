"""The body of `POST /v1/schedules`, and the rules that bind its fields together."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError

from api import problems
from api.problems import FieldError, Problem
from api.schemas.fields import WHOLE, Line, Moment
from api.schemas.submission import Submission, notification_from
from api.validation import field_errors, pointer
from tidings.domain.cron import CronExpression
from tidings.domain.schedule import Schedule, Template, Timing
from tidings.domain.sms_segments import MOST_SEGMENTS
from tidings.domain.vocabulary import KeyMode

LEAST_INTERVAL = 10
A_YEAR = 366 * 86_400
DEFAULT_CATCH_UP = 3_600
LEAST_CATCH_UP = 10
"""Temporal's own least catch-up window, in seconds."""

_OF_THE_MACHINE = {"localtime", "posixrules", "Factory"}
"""What a time zone database holds beside zones: they mean another thing on each machine, or none."""

_PER_FIRING = ("send_at", "expires_at")
"""What a submission may say and the template of many may not."""


def _checked_cron(value: str) -> str:
    return CronExpression.parse(value).text


def _checked_zone(value: str) -> str:
    try:
        known = value not in _OF_THE_MACHINE and ZoneInfo(value).key == value
    except (KeyError, OSError, ValueError):  # unknown; a folder; a path, or a file of another kind
        known = False
    if not known:
        raise ValueError("is not a time zone of the IANA database, such as Europe/Berlin")
    return value


class ScheduleSubmission(BaseModel):
    """A recurring notification: what, and when. Exactly one of `cron` and `every`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "notification": {
                        "channel": "email",
                        "recipient": "ada@example.com",
                        "subject": "Your day",
                        "body": "Good morning, Ada.",
                    },
                    "cron": "0 9 * * 1-5",
                    "time_zone": "Europe/Berlin",
                }
            ]
        },
    )

    notification: Submission = Field(
        description=(
            "What each firing submits: all but `send_at`, `expires_at` and `attachments`, refused here."
        )
    )
    cron: Annotated[Line, AfterValidator(_checked_cron)] | None = Field(
        default=None,
        description="Five fields as in crontab(5): minute, hour, day of month, month, day of week.",
        examples=["0 9 * * 1-5"],
    )
    every: Annotated[StrictInt, Field(ge=LEAST_INTERVAL, le=A_YEAR), WHOLE] | None = Field(
        default=None,
        description="Seconds from one firing to the next, counted from `starts_at`, else from 1970 (UTC).",
    )
    time_zone: Annotated[Line, Field(max_length=100), AfterValidator(_checked_zone)] = Field(
        default="UTC", description="The IANA time zone that `cron` is read in.", examples=["Europe/Berlin"]
    )
    starts_at: Moment | None = Field(default=None, description="No firing before this time.")
    ends_at: Moment | None = Field(default=None, description="No firing after this time.")
    paused: StrictBool = Field(default=False, description="Create it without letting it fire yet.")
    catch_up_window: Annotated[StrictInt, Field(ge=LEAST_CATCH_UP, le=A_YEAR), WHOLE] = Field(
        default=DEFAULT_CATCH_UP,
        description="Seconds: firings that an outage of Temporal swallowed are made up if no older.",
    )
    expires_after: Annotated[StrictInt, Field(ge=1, le=A_YEAR), WHOLE] | None = Field(
        default=None,
        description="No attempt of a notification begins later than so many seconds after its firing.",
    )


def schedule_from(
    document: Any,
    *,
    id: UUID,
    tenant: str,
    now: datetime,
    mode: KeyMode = KeyMode.LIVE,
    most_segments: int = MOST_SEGMENTS,
) -> tuple[Schedule, bool]:
    """The schedule that a decoded body asks for, and whether it begins paused; an SMS: `most_segments`.

    Raises Problem (422) naming each field at fault.
    """
    try:
        submission = ScheduleSubmission.model_validate(document)
    except ValidationError as error:
        raise invalid(field_errors(error.errors(include_url=False, include_input=False))) from None
    faults = [FieldError(pointer=pointer(path), detail=detail) for path, detail in _faults(submission, now)]
    fields = {
        name: value
        for name, value in document["notification"].items()
        if name not in (*_PER_FIRING, "attachments")
    }
    try:
        notification = notification_from(
            fields, id=id, tenant=tenant, now=now, mode=mode, most_segments=most_segments
        )
    except Problem as problem:
        faults += [_in_template(error) for error in problem.errors]
        raise invalid(faults) from None
    if faults:
        raise invalid(faults)
    schedule = Schedule(
        id=id,
        tenant=tenant,
        mode=mode,
        template=Template.model_validate(notification.model_dump(include=set(Template.model_fields))),
        timing=Timing(**{name: getattr(submission, name) for name in Timing.model_fields}),
        catch_up_window=submission.catch_up_window,
        expires_after=submission.expires_after,
        created_at=now,
    )
    return schedule, submission.paused


def invalid(errors: list[FieldError]) -> Problem:
    """A 422 that names the fields."""
    return Problem(problems.VALIDATION, "Some fields are not valid.", errors=errors)


def _in_template(error: FieldError) -> FieldError:
    return FieldError(pointer=f"/notification{error.pointer}", detail=error.detail)


def _faults(submission: ScheduleSubmission, now: datetime) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong between the fields: each with the path of the field to change."""
    for name in _PER_FIRING:
        if getattr(submission.notification, name) is not None:
            yield ("notification", name), "is not for a schedule, which fires many: see expires_after"
    if submission.notification.attachments:
        # Their contents would have to be kept for as long as the schedule is, and nothing says for how long.
        yield ("notification", "attachments"), "is not for a schedule: submit a notification with them"
    if submission.cron is None and submission.every is None:
        yield ("cron",), "is required, or every"
    if submission.cron is not None and submission.every is not None:
        yield ("every",), "cannot be given together with cron"
    elif submission.every is not None and "time_zone" in submission.model_fields_set:
        yield ("time_zone",), "is for cron only: an interval has none"
    if submission.ends_at is not None and submission.ends_at <= now:
        yield ("ends_at",), "must be in the future"
    elif submission.ends_at is not None and submission.ends_at < (submission.starts_at or now):
        yield ("ends_at",), "must not be before starts_at"
