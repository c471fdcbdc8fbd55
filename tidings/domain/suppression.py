"""Suppressions: recipients that a tenant's notifications no longer go to."""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tidings.domain.notification import DeliveryError
from tidings.domain.receipt import SuppressionReason
from tidings.domain.vocabulary import Channel, KeyMode


class Suppression(BaseModel):
    """One recipient on one channel, and the notification by which it was learnt."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    tenant: str
    mode: KeyMode
    """What the notifications of test keys meet with rules nobody out for live ones."""
    channel: Channel
    recipient: str
    reason: SuppressionReason
    provider: str
    notification_id: UUID
    created_at: AwareDatetime


def error_for(suppression: Suppression) -> DeliveryError:
    """What a notification to that recipient ends with, before any provider is called."""
    return DeliveryError(
        code="suppressed",
        message=(
            f"The recipient is on the suppression list: {suppression.reason} by {suppression.provider} on "
            f"{suppression.created_at:%Y-%m-%d}. `tidings suppressions remove {suppression.id}` takes it off."
        ),
    )
