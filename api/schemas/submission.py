"""A submission: the body of `POST /v1/notifications`, and the rules that bind its fields together."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from api import problems
from api.problems import FieldError, Problem
from api.schemas.attachments import Attachments, attachment_faults, stored_apart
from api.schemas.fields import Line, Moment, Text
from api.validation import field_errors, pointer
from tidings.domain import push_payload
from tidings.domain.attachment import AttachmentContent
from tidings.domain.notification import Notification
from tidings.domain.recipient import checked_recipient
from tidings.domain.sms_segments import MOST_SEGMENTS, sms_segments
from tidings.domain.vocabulary import Channel, Guarantee, KeyMode, Priority
from tidings.provider_catalogue import catalogue

METADATA_BYTES = 16_384
METADATA_DEPTH = 32
FURTHEST_SEND_AT = timedelta(days=366)

_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bq]\?[^?\s]*\?=", re.IGNORECASE)
"""RFC 2047. Our own mail shows it as it stands; a forwarder may decode it, and find line breaks in it."""


def _checked_metadata(value: dict[str, Any]) -> dict[str, Any]:
    if _deeper_than(METADATA_DEPTH, value):
        raise ValueError(f"must not nest deeper than {METADATA_DEPTH} levels")
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        raise ValueError("must not hold numbers beyond what JSON readers can hold") from None
    if len(text.encode()) > METADATA_BYTES:
        raise ValueError(f"must have at most {METADATA_BYTES} bytes as JSON")
    if "\\u0000" in text and _holds_nul(value):
        raise ValueError("must not hold the character NUL")
    return value


def _checked_collapse_key(value: str) -> str:
    if len(value.encode()) > push_payload.LONGEST_COLLAPSE_KEY:
        raise ValueError(f"must have at most {push_payload.LONGEST_COLLAPSE_KEY} bytes in UTF-8")
    return value


def _deeper_than(limit: int, value: object) -> bool:
    if not isinstance(value, dict | list):
        return False
    children = value.values() if isinstance(value, dict) else value
    return limit == 0 or any(_deeper_than(limit - 1, child) for child in children)


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(child) for key, child in value.items())
    return isinstance(value, list) and any(_holds_nul(child) for child in value)


class Submission(BaseModel):
    """A notification to deliver."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "channel": "email",
                    "recipient": "ada@example.com",
                    "subject": "Your order has left us",
                    "body": "Hello Ada, order 1042 is on its way.",
                    "metadata": {"order": 1042},
                    "tags": ["orders"],
                }
            ]
        },
    )

    channel: Channel
    recipient: Annotated[Text, Field(min_length=1, max_length=4096)] = Field(
        description="As the channel asks: an e-mail address, an E.164 number, a device token or Web Push"
        " subscription, a URL, or for chat an Apprise URL."
    )
    subject: Annotated[Line, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="Required for email, refused for sms, one line."
    )
    body: Annotated[Text, Field(min_length=1, max_length=10_000)]
    html: Annotated[Text, Field(min_length=1, max_length=500_000)] | None = Field(
        default=None, description="Email only: the body once more, as HTML."
    )
    metadata: Annotated[dict[str, Any], AfterValidator(_checked_metadata)] | None = Field(
        default=None, description="Anything of yours, given back as it is: at most 16 KiB as JSON."
    )
    attachments: Attachments = Field(default=[], description="Email only.")
    data: Annotated[dict[Text, Text], Field(min_length=1)] | None = Field(
        default=None, description="Push only: what goes to the app; the metadata then stays here."
    )
    collapse_key: (
        Annotated[
            Line,
            Field(min_length=1, max_length=push_payload.LONGEST_COLLAPSE_KEY),
            AfterValidator(_checked_collapse_key),
        ]
        | None
    ) = Field(
        default=None,
        description="Push only: replaces an earlier message with the same key on the device; up to 64 bytes.",
    )
    tags: Annotated[list[Annotated[Line, Field(min_length=1, max_length=50)]], Field(max_length=10)] = Field(
        default=[], description="To find notifications by."
    )
    send_at: Moment | None = Field(
        default=None, description="Not before this time, up to a year ahead; a time in the past means now."
    )
    expires_at: Moment | None = Field(default=None, description="No attempt begins at or after this time.")
    priority: Priority = Priority.NORMAL
    guarantee: Guarantee = Field(
        default=Guarantee.AT_LEAST_ONCE,
        description="What to do when nobody can know whether a message went out: send it again, or park it.",
    )
    provider: Line | None = Field(
        default=None, description="Use this provider instead of the channel's route."
    )


class AlreadyExpired(Problem):
    """All that is wrong is that `expires_at` has passed: the same body may have been accepted earlier."""


_EXPIRED = ("expires_at", "must be in the future")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The notification, and the contents of its attachments, which are to be stored before it is started."""

    notification: Notification
    contents: list[AttachmentContent] = field(default_factory=list)


def notification_from(
    document: Any,
    *,
    id: UUID,
    tenant: str,
    now: datetime,
    mode: KeyMode = KeyMode.LIVE,
    most_segments: int = MOST_SEGMENTS,
) -> Notification:
    """The notification alone of what `accepted_from` gives."""
    accepted = accepted_from(document, id=id, tenant=tenant, now=now, mode=mode, most_segments=most_segments)
    return accepted.notification


def accepted_from(
    document: Any,
    *,
    id: UUID,
    tenant: str,
    now: datetime,
    mode: KeyMode = KeyMode.LIVE,
    most_segments: int = MOST_SEGMENTS,
) -> Accepted:
    """What a decoded body asks for; an SMS may have `most_segments`.

    Raises Problem (422) naming each field at fault; AlreadyExpired if only time has made the body invalid.
    """
    try:
        submission = Submission.model_validate(document)
    except ValidationError as error:
        raise _invalid(field_errors(error.errors(include_url=False, include_input=False))) from None
    faults = list(_faults(submission, mode, now))
    errors = [FieldError(pointer=pointer(path), detail=detail) for path, detail in _parts_faults(submission)]
    recipient = ""
    try:
        recipient = checked_recipient(submission.channel, submission.recipient)
    except ValueError as error:
        faults.insert(0, ("recipient", str(error)))
    if submission.channel is Channel.SMS and (count := sms_segments(submission.body).count) > most_segments:
        faults.append(("body", f"would go out in {count} segments, and may have at most {most_segments}"))
    if faults or errors:
        expired = faults == [_EXPIRED] and not errors
        errors[:0] = [FieldError(pointer=pointer([name]), detail=detail) for name, detail in faults]
        raise _invalid(errors, AlreadyExpired if expired else Problem)
    references, contents = stored_apart(submission.attachments)
    accepted = dict(submission) | {"recipient": recipient, "attachments": references}
    return Accepted(Notification(**accepted, id=id, tenant=tenant, mode=mode, created_at=now), contents)


def _invalid(errors: list[FieldError], kind: type[Problem] = Problem) -> Problem:
    return kind(problems.VALIDATION, "Some fields are not valid.", errors=errors)


def _faults(submission: Submission, mode: KeyMode, now: datetime) -> Iterator[tuple[str, str]]:
    """What is wrong between the fields: each with the field to change."""
    yield from _content_faults(submission)
    yield from _time_faults(submission, now)
    if submission.provider is not None:
        allowed = catalogue().names(submission.channel, mode)
        if submission.provider not in allowed:
            yield "provider", f"must be one of {', '.join(allowed)} for {submission.channel}"


def _content_faults(submission: Submission) -> Iterator[tuple[str, str]]:
    if submission.channel is Channel.EMAIL and (submission.subject or "").strip() == "":
        yield "subject", "is required for email"
    if submission.channel is Channel.EMAIL and _ENCODED_WORD.search(submission.subject or ""):
        yield "subject", "must not hold encoded words (=?…?=): write the characters themselves"
    if submission.channel is Channel.SMS and submission.subject is not None:
        yield "subject", "is not for sms: a text message has none"
    if submission.channel is not Channel.EMAIL and submission.html is not None:
        yield "html", "is for email only"
    if submission.channel is not Channel.EMAIL and submission.attachments:
        yield "attachments", "is for email only"
    if submission.channel is not Channel.PUSH and submission.data is not None:
        yield "data", "is for push only"
    if submission.channel is not Channel.PUSH and submission.collapse_key is not None:
        yield "collapse_key", "is for push only"
    if submission.channel is Channel.PUSH:
        yield from _push_size_faults(submission)


def _push_size_faults(submission: Submission) -> Iterator[tuple[str, str]]:
    """Every push service has the same limit, so whoever it goes to would refuse it."""
    if push_payload.payload_bytes(submission.subject, submission.body, {}) > push_payload.MOST_BYTES:
        yield (
            "body",
            f"does not fit a push message, which has {push_payload.MOST_BYTES} bytes with all its parts",
        )
        return
    given = submission.metadata if submission.data is None else submission.data
    size = push_payload.payload_bytes(submission.subject, submission.body, given or {})
    if size > push_payload.MOST_BYTES:
        yield (
            "metadata" if submission.data is None else "data",
            f"makes a push message of {size} bytes with its text, and it may have {push_payload.MOST_BYTES}",
        )


def _parts_faults(submission: Submission) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong inside the fields that have parts: each with the path of the one to change."""
    yield from attachment_faults(submission.attachments, submission.html)
    for name, detail in push_payload.data_faults(submission.data or {}):
        yield ("data", name), detail


def _time_faults(submission: Submission, now: datetime) -> Iterator[tuple[str, str]]:
    if submission.send_at is not None and submission.send_at > now + FURTHEST_SEND_AT:
        yield "send_at", f"must be at most {FURTHEST_SEND_AT.days} days ahead"
    if submission.expires_at is not None and submission.expires_at <= now:
        yield _EXPIRED
    elif submission.expires_at is not None and submission.expires_at <= (submission.send_at or now):
        yield "expires_at", "must be after send_at"
