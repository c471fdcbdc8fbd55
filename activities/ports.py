"""What the activities need from the outside, so that the worker can wire it in."""

from typing import Protocol
from uuid import UUID

from tidings.domain.notification import Attempt, DeliveryState, Notification
from tidings.domain.record import BegunAttempt, NotificationRecord


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

        Permitted once: to the first claim, and only if the notification has no later revision and no provider
        has accepted it. The same claim may begin again: it knows that it has not called the provider yet.
        """
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
