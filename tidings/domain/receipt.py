"""Receipts: a provider's later word about a message that it accepted, and the recipients it rules out."""

from enum import StrEnum
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tidings.domain.notification import DeliveryError
from tidings.domain.vocabulary import KeyMode, Status


class ReceiptKind(StrEnum):
    """What a receipt says. `noted` moves no status: a complaint says that the mail had arrived."""

    DELIVERED = "delivered"
    FAILED = "failed"
    NOTED = "noted"


class SuppressionReason(StrEnum):
    """Why a recipient gets nothing more."""

    HARD_BOUNCE = "hard_bounce"
    """There is no such address, number or device."""
    COMPLAINT = "complaint"
    OPT_OUT = "opt_out"
    GONE = "gone"
    """The webhook endpoint answered `410`: it wants nothing more (Standard Webhooks 1.0)."""


class Receipt(BaseModel):
    """One event of one message. `(provider, event_id)` names it: a repetition has the same."""

    model_config = ConfigDict(frozen=True)

    provider: str
    event_id: str
    notification_id: UUID
    provider_reference: str | None = None
    """The provider's own id for the message, as it gave it on acceptance."""
    kind: ReceiptKind
    error: DeliveryError | None = None
    """The provider's reason; None where it delivered."""
    suppresses: SuppressionReason | None = None
    """Why the recipient must get nothing more; None if it may."""
    occurred_at: AwareDatetime
    mode: KeyMode | None = None
    """The only notifications it may be about, those of test keys, if the sandbox says so; None: any."""


class Received(BaseModel):
    """What became of a receipt.

    `found`: there is such a notification. `settled`: nothing is left to do; else it is to come again, once
    the attempt under way has its outcome. `repeated`: it had come before. `moved`: it brought the
    notification on, from the status `before`.
    """

    model_config = ConfigDict(frozen=True)

    found: bool
    settled: bool = True
    repeated: bool = False
    moved: bool = False
    before: Status | None = None

    @property
    def may_be_waited_for(self) -> bool:
        """Whether the notification's workflow may still be open, and ought to look."""
        return self.found and not (self.moved and self.before is Status.SENT)
