"""What the activities need from the outside, so that the worker can wire it in."""

from typing import Protocol
from uuid import UUID

from tidings.domain.notification import Attempt, DeliveryState, Notification
from tidings.domain.record import BegunAttempt


class DeliveryLog(Protocol):
    """The record of deliveries. Every call can be made any number of times.

    All raise StorageUnavailable while the database cannot be reached; `begin` and `record` raise NotFound
    for a notification that was never persisted.
    """

    async def persist(self, notification: Notification, state: DeliveryState) -> None:
        """Insert the notification unless it is there already."""
        ...

    async def begin(
        self, notification_id: UUID, attempt: Attempt, state: DeliveryState, claim: str
    ) -> BegunAttempt:
        """Record that an attempt is about to call its provider; the first claim wins.

        The same claim may begin again: it knows that it has not called the provider yet.
        """
        ...

    async def record(self, notification_id: UUID, state: DeliveryState, attempt: Attempt | None) -> None:
        """Bring the notification to `state`, unless a later revision is there, and finish the attempt."""
        ...
