"""What the API answers, typed: notifications, their lists and what became of many at once.

An API that is newer than this client breaks nothing: fields it adds are kept (`to_json` gives them back),
and a word that a vocabulary has gained since stays a string.
"""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tidings.domain.vocabulary import FINAL, Channel, Guarantee, KeyMode, Outcome, Priority, Status

_IN_ORDER = Field(union_mode="left_to_right")

AnyStatus = Annotated[Status | str, _IN_ORDER]
AnyChannel = Annotated[Channel | str, _IN_ORDER]
AnyMode = Annotated[KeyMode | str, _IN_ORDER]
AnyPriority = Annotated[Priority | str, _IN_ORDER]
AnyGuarantee = Annotated[Guarantee | str, _IN_ORDER]
AnyOutcome = Annotated[Outcome | str, _IN_ORDER]

Item = TypeVar("Item")


class Model(BaseModel):
    """Something the API answered. Times are aware."""

    model_config = ConfigDict(frozen=True, extra="allow")

    def to_json(self) -> dict[str, Any]:
        """What the API answered, as JSON has it: nothing added, nothing left out."""
        return self.model_dump(mode="json", exclude_unset=True)


class Reason(Model):
    """Why it failed: a stable code and words safe to show."""

    code: str
    message: str


class Workflow(Model):
    """A workflow, and its page in the Temporal Web UI."""

    id: str
    url: str


class Segments(Model):
    """A text message as carriers count it."""

    count: int
    encoding: str
    characters: int


class AttachmentInfo(Model):
    """A file that goes with an e-mail, without its content; `size` in bytes."""

    filename: str
    content_type: str
    size: int
    sha256: str
    content_id: str | None = None


class Attempt(Model):
    """One call of one provider; `outcome` is None while it runs."""

    number: int
    provider: str
    outcome: AnyOutcome | None
    error: Reason | None = None
    provider_reference: str | None = None
    response: str | None = None
    started_at: AwareDatetime
    finished_at: AwareDatetime | None = None


class Receipt(Model):
    """A provider's later word about a message it accepted."""

    provider: str
    kind: str
    error: Reason | None = None
    provider_reference: str | None = None
    occurred_at: AwareDatetime


class Notification(Model):
    """A notification and where it stands."""

    id: str
    mode: AnyMode = KeyMode.LIVE
    channel: AnyChannel
    recipient: str
    subject: str | None = None
    status: AnyStatus
    priority: AnyPriority = Priority.NORMAL
    tags: list[str] = Field(default=[])
    metadata: dict[str, Any] | None = None
    attachments: list[AttachmentInfo] = Field(default=[])
    data: dict[str, str] | None = None
    collapse_key: str | None = None
    segments: Segments | None = None
    provider: str | None = None
    provider_reference: str | None = None
    error: Reason | None = None
    attempt_count: int = 0
    next_attempt_at: AwareDatetime | None = None
    send_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    created_at: AwareDatetime
    sent_at: AwareDatetime | None = None
    delivered_at: AwareDatetime | None = None
    updated_at: AwareDatetime
    schedule_id: str | None = None
    workflow: Workflow

    @property
    def is_final(self) -> bool:
        """Nothing more happens by itself; a receipt or a `retry` may still change it."""
        return self.status in FINAL


class NotificationDetails(Notification):
    """A notification with its body, every attempt and every receipt."""

    body: str
    attempts: list[Attempt] = Field(default=[])
    receipts: list[Receipt] = Field(default=[])


class Page(Model, Generic[Item]):
    """One page of a list. `next_cursor` is None on the last one; `total` where the API has counted."""

    data: list[Item]
    total: int | None = None
    page: int | None = None
    per_page: int | None = None
    next_cursor: str | None = None


class Suppression(Model):
    """A recipient that gets nothing more, and the notification by which that was learnt."""

    id: str
    channel: AnyChannel
    recipient: str
    reason: str
    provider: str
    notification_id: str
    created_at: AwareDatetime


class WebhookEndpoint(Model):
    """A URL with a secret of its own, without the secret."""

    id: str
    url: str
    version: int
    key_id: str
    previous_until: AwareDatetime | None = None
    rotated_at: AwareDatetime | None = None
    created_at: AwareDatetime


class WebhookEndpointDetails(WebhookEndpoint):
    """An endpoint with its secret, which its `repr` does not show."""

    secret: str = Field(repr=False)


class Health(Model):
    """Whether the API can do its work; `parts` names what it cannot reach."""

    ready: bool
    parts: list[str] = Field(default=[])
