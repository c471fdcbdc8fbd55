"""What the activities need from the outside, so that the worker can wire it in."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from tidings.domain.notification import Attempt, DeliveryState, Notification
from tidings.domain.provider_health import SkippedProvider
from tidings.domain.receipt import Receipt, Received, SuppressionReason
from tidings.domain.record import BegunAttempt, NotificationRecord
from tidings.domain.vocabulary import Channel, Outcome, Status


class EndpointSecrets(Protocol):
    """The secrets that webhooks are signed with, endpoint by endpoint."""

    async def of(self, tenant: str, url: str) -> tuple[str, ...]:
        """Those of the tenant's endpoint for that URL, the latest first; none if it has no endpoint.

        Raises StorageUnavailable if that cannot be known, ProviderMisconfigured if our key for it is missing.
        """
        ...


class DeliveryLog(Protocol):
    """The record of deliveries. Every call can be made any number of times.

    All raise StorageUnavailable while the database cannot be reached; all but `persist` raise NotFound
    for a notification that was never persisted.
    """

    async def persist(self, notification: Notification, state: DeliveryState) -> NotificationRecord:
        """Insert the notification unless it is there already; what stands there then."""
        ...

    async def begin(
        self, notification_id: UUID, attempt: Attempt, state: DeliveryState, claim: str
    ) -> BegunAttempt:
        """Record that an attempt is about to call its provider, and bring the notification to `state`.

        Permitted once: to the first claim, and only if the notification has no later revision, no provider
        has accepted it, and its recipient is not on the suppression list. The same claim may begin again: it
        knows that it has not called the provider yet.
        """
        ...

    async def suppress(self, notification_id: UUID, reason: SuppressionReason, provider: str) -> None:
        """Put the notification's recipient on the tenant's suppression list, once."""
        ...

    async def withdraw(self, notification_id: UUID, number: int, state: DeliveryState) -> Attempt | None:
        """Bring the notification to `state` unless attempt `number` has begun; from then on it cannot begin.

        The attempt if it has begun: nothing is changed then.
        """
        ...

    async def record(self, notification_id: UUID, state: DeliveryState, attempt: Attempt | None) -> None:
        """Bring the notification to `state`, unless a later revision is there, and finish the attempt.

        That a provider has accepted it is recorded however late it comes, and never undone.
        """
        ...


class ReceiptLog(Protocol):
    """The record of receipts."""

    async def receive(self, receipt: Receipt) -> Received:
        """Keep the receipt and what follows from it, however often it comes. Raises StorageUnavailable."""
        ...


class ProviderHealthLog(Protocol):
    """Which providers are skipped, as all workers know it. Times in seconds, by the log's own clock.

    All raise StorageUnavailable while the database cannot be reached.
    """

    async def skipped(self) -> list[SkippedProvider]:
        """All that are."""
        ...

    async def skip(
        self, channel: Channel, provider: str, *, failures: int, code: str, seconds: float
    ) -> None:
        """Skip a provider that is not skipped yet. One that is stays as it is."""
        ...

    async def claim(self, channel: Channel, provider: str, probe: UUID, *, lease: float) -> int | None:
        """Take it upon `probe` to find out whether the provider is back: how often in a row it was skipped.

        None if its time has not come, if another is at it or if it is not skipped. After `lease` without a
        word the claim is another's to make.
        """
        ...

    async def skip_again(
        self, channel: Channel, provider: str, probe: UUID, *, code: str, seconds: float
    ) -> None:
        """The probe has failed. Nothing happens if the claim is no longer its own."""
        ...

    async def release(self, channel: Channel, provider: str, probe: UUID) -> None:
        """The probe was not made: the next may be, at once. As `skip_again` otherwise."""
        ...

    async def restore(self, channel: Channel, provider: str) -> None:
        """The provider is back."""
        ...


class SendMeter(Protocol):
    """What is counted of the calls to providers."""

    def called(self, channel: Channel, provider: str, outcome: Outcome, seconds: float) -> None:
        """A provider was called; so the attempt ended, after so long."""
        ...

    def retried(self, channel: Channel, provider: str, *, by_hand: bool) -> None:
        """An attempt that was not the notification's first has ended."""
        ...

    def reached(self, channel: Channel, seconds: float) -> None:
        """A provider accepted the notification, for the first time, so long after it was due."""
        ...

    def in_doubt(self, channel: Channel, provider: str, code: str) -> None:
        """Nobody knows whether an attempt's message went out; `code` says why."""
        ...

    def misconfigured(self, channel: Channel, provider: str, code: str) -> None:
        """Our set-up of a provider was refused."""
        ...

    def skipping(self, channel: Channel, provider: str, *, skipped: bool) -> None:
        """A provider is skipped from now on, or no longer."""
        ...


class RecordMeter(Protocol):
    """What is counted of the records."""

    def ended(self, status: Status) -> None:
        """A notification has come to a final status."""
        ...

    def suppressed(self, channel: Channel, reason: SuppressionReason) -> None:
        """A notification met the suppression list, and was not sent."""
        ...

    def listed(self, reason: SuppressionReason, provider: str) -> None:
        """A recipient was put on the list."""
        ...


class AttachmentStore(Protocol):
    """Where the contents of attachments are."""

    async def load(self, notification_id: UUID) -> Mapping[str, bytes]:
        """The notification's contents by their SHA-256, in hex; what was erased is not among them.

        Raises StorageUnavailable while the database cannot be reached.
        """
        ...
