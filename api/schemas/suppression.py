"""Suppressions as callers get them."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.fields import Text, UtcTime
from tidings.domain.receipt import SuppressionReason
from tidings.domain.suppression import Suppression
from tidings.domain.vocabulary import Channel


class SuppressionView(BaseModel):
    """A recipient that gets nothing more: its notifications end as `failed`, with the code `suppressed`."""

    model_config = ConfigDict(frozen=True)

    id: str
    channel: Channel
    recipient: str
    reason: SuppressionReason
    provider: str = Field(description="Who said so.")
    notification_id: str = Field(description="The notification by which it was learnt.")
    created_at: UtcTime

    @classmethod
    def of(cls, suppression: Suppression) -> Self:
        """The entry as its owner sees it."""
        return cls(
            id=str(suppression.id),
            channel=suppression.channel,
            recipient=suppression.recipient,
            reason=suppression.reason,
            provider=suppression.provider,
            notification_id=str(suppression.notification_id),
            created_at=suppression.created_at,
        )


class SuppressionQuery(BaseModel):
    """The query parameters of `GET /v1/suppressions`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: Channel | None = None
    recipient: Annotated[Text, Field(max_length=4096)] | None = Field(
        default=None, description="As submitted; of e-mail addresses the case does not matter."
    )
    per_page: int = Field(default=20, ge=1, le=100)
    cursor: Annotated[Text, Field(max_length=100)] | None = Field(
        default=None, description="The `next_cursor` of the list before."
    )


class SuppressionPage(BaseModel):
    """One page of the list, newest first."""

    data: list[SuppressionView]
    per_page: int
    next_cursor: str | None = Field(description="Where to go on; null on the last page.")
