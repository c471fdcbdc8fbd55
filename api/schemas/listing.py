"""Lists of notifications: what may be asked for, and the cursor to go on with."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from api import problems
from api.problems import Problem
from api.schemas.fields import Moment, Text
from api.schemas.notification import NotificationView
from tidings.domain.recipient import checked_recipient
from tidings.domain.record import NotificationFilter, Position
from tidings.domain.vocabulary import Channel, KeyMode, Status

_TIME_BYTES = 8
_ID_BYTES = 16
_CHECK_BYTES = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ListQuery(BaseModel):
    """The query parameters of `GET /v1/notifications`. A parameter it does not know is refused:
    a misspelt filter must not list everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Status | None = None
    channel: Channel | None = None
    mode: KeyMode | None = Field(default=None, description="Only those of live keys, or of test keys.")
    recipient: Annotated[Text, Field(max_length=4096)] | None = None
    tag: Annotated[Text, Field(max_length=50)] | None = None
    schedule: UUID | None = Field(default=None, description="Only those that this schedule fired.")
    created_after: Moment | None = Field(default=None, description="Created at this time or later.")
    created_before: Moment | None = Field(default=None, description="Created before this time.")
    page: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="From 1, which is the default."
    )
    per_page: int = Field(default=20, ge=1, le=100)
    cursor: Annotated[Text, Field(max_length=100)] | None = Field(
        default=None,
        description="The `next_cursor` of the list before, instead of `page`: nothing is counted.",
    )

    @field_validator("cursor")
    @classmethod
    def _not_beside_page(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("page") is not None:
            raise ValueError("cannot be given together with page")
        return value

    def filter(self) -> NotificationFilter:
        """What the repository is asked for."""
        return NotificationFilter(
            status=self.status,
            channel=self.channel,
            mode=self.mode,
            recipient=None if self.recipient is None else _as_stored(self.recipient),
            tag=self.tag,
            schedule_id=self.schedule,
            created_after=self.created_after,
            created_before=self.created_before,
        )


class NotificationPage(BaseModel):
    """One page of a list, newest first."""

    data: list[NotificationView]
    total: int | None = Field(description="How many match in all; null when asked by `cursor`.")
    page: int | None = Field(description="Null when asked by `cursor`.")
    per_page: int
    next_cursor: str | None = Field(description="Where to go on; null on the last page.")


def cursor_of(tenant: str, after: Position) -> str:
    """An opaque cursor: base64url of time (microseconds) and id, with a check that binds it to the tenant."""
    microseconds = (after.created_at - _EPOCH) // timedelta(microseconds=1)
    position = microseconds.to_bytes(_TIME_BYTES) + after.id.bytes
    return base64.urlsafe_b64encode(position + _check(tenant, position)).decode().rstrip("=")


def position_from_cursor(tenant: str, cursor: str) -> Position:
    """The position in a cursor. Raises Problem (400) for one that was not given to this tenant.

    The check keeps out mistakes. What keeps one tenant from another is that every query names its tenant.
    """
    try:
        decoded = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position, check = decoded[:-_CHECK_BYTES], decoded[-_CHECK_BYTES:]
        if len(position) != _TIME_BYTES + _ID_BYTES or check != _check(tenant, position):
            raise ValueError("not made by us for this tenant")
        age = timedelta(microseconds=int.from_bytes(position[:_TIME_BYTES]))
        return Position(_EPOCH + age, UUID(bytes=position[_TIME_BYTES:]))
    except (ValueError, OverflowError):  # binascii.Error is a ValueError
        raise Problem(
            problems.INVALID_CURSOR, "Take the cursor from next_cursor of a list, unchanged."
        ) from None


def _check(tenant: str, position: bytes) -> bytes:
    return hashlib.sha256(position + tenant.encode()).digest()[:_CHECK_BYTES]


def _as_stored(recipient: str) -> str:
    """E-mail addresses are stored in normal form (`Ada@EXAMPLE.com` as `Ada@example.com`)."""
    if "@" in recipient:
        try:
            return checked_recipient(Channel.EMAIL, recipient)
        except ValueError:
            pass
    return recipient
