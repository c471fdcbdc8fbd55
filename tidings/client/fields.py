"""What callers say: the fields of a notification and of a schedule, and how they become JSON.

The client checks none of them: the API does, and names each field at fault. Only what JSON cannot carry is
refused here.
"""

import base64
import json
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Required, Self, TypedDict

from tidings.client.errors import InvalidCall
from tidings.domain.vocabulary import Channel, Guarantee, KeyMode, Priority, Status


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to go with an e-mail. `content_id` names it within the HTML, as `cid:…`."""

    filename: str
    content_type: str
    content: bytes
    content_id: str | None = None

    @classmethod
    def from_file(cls, file: Path, content_id: str | None = None) -> Self:
        """A file, its type by its name. Raises OSError."""
        kind, encoding = mimetypes.guess_type(file.name)
        # What is packed (.csv.gz) is no longer what its inner name says.
        known = kind if kind and not encoding else "application/octet-stream"
        return cls(file.name, known, file.read_bytes(), content_id)


class TemplateFields(TypedDict, total=False):
    """What a schedule sends each time. See docs/api.md for what each field may hold."""

    channel: Required[Channel | str]
    recipient: Required[str]
    body: Required[str]
    subject: str | None
    html: str | None
    metadata: Mapping[str, Any] | None
    data: Mapping[str, str] | None
    collapse_key: str | None
    tags: Sequence[str] | None
    priority: Priority | str | None
    guarantee: Guarantee | str | None
    provider: str | None


class MessageFields(TemplateFields, total=False):
    """A notification to send. Times are aware datetimes or RFC 3339 text; None is as good as not given.

    `idempotency_key`: 1 to 255 visible ASCII characters; one is made up where none is given.
    """

    attachments: Sequence[Attachment] | None
    send_at: datetime | str | None
    expires_at: datetime | str | None
    idempotency_key: str | None


class ScheduleFields(TypedDict, total=False):
    """A schedule: one of `cron` and `every`. `every`, `expires_after`, `catch_up_window` are in seconds."""

    notification: Required[TemplateFields]
    cron: str | None
    every: int | None
    time_zone: str | None
    starts_at: datetime | str | None
    ends_at: datetime | str | None
    expires_after: int | None
    catch_up_window: int | None
    paused: bool | None


class ListFilters(TypedDict, total=False):
    """Which notifications to list."""

    status: Status | str | None
    channel: Channel | str | None
    mode: KeyMode | str | None
    recipient: str | None
    tag: str | None
    schedule: str | None
    created_after: datetime | str | None
    created_before: datetime | str | None


def document_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of these fields, without those that are None. Raises InvalidCall."""
    return {name: _value(name, value) for name, value in fields.items() if value is not None}


def query_of(fields: Mapping[str, Any]) -> dict[str, str]:
    """The query parameters of these fields, without those that are None. Raises InvalidCall."""
    return {name: str(value) for name, value in document_of(fields).items()}


def encoded(document: object) -> bytes:
    """The document as JSON: the same bytes however often it is sent. Raises InvalidCall."""
    try:
        return json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidCall(f"A field holds what JSON cannot: {error}") from None


def _value(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise InvalidCall(f"{name} needs a time zone: datetime(…, tzinfo=UTC)")
        return value.isoformat()
    if name == "attachments":
        return [_attachment(each) for each in value]
    if name == "notification":
        return document_of(value)
    return value


def _attachment(given: Attachment) -> dict[str, str]:
    content = base64.b64encode(given.content).decode()
    document = {"filename": given.filename, "content_type": given.content_type, "content": content}
    return document if given.content_id is None else document | {"content_id": given.content_id}
