"""Persist and record: what the database knows of a notification. Both can be run any number of times."""

from collections.abc import Callable

from temporalio import activity

from activities.ports import DeliveryLog
from tidings.domain.notification import Notification
from tidings.messages.delivery import DeliveryPlan, PersistRequest, RecordRequest


class RecordingActivities:
    """Writes to the delivery log, and says by which plan this worker delivers."""

    def __init__(self, log: DeliveryLog, plan_for: Callable[[Notification], DeliveryPlan]) -> None:
        self._log = log
        self._plan_for = plan_for

    @activity.defn(name="persist")
    async def persist(self, request: PersistRequest) -> DeliveryPlan:
        """Put the notification into the database; answer how it will be delivered.

        Raises StorageUnavailable while the database cannot be reached.
        """
        await self._log.persist(request.notification, request.state)
        return self._plan_for(request.notification)

    @activity.defn(name="record")
    async def record(self, request: RecordRequest) -> None:
        """Bring the database up to a state and the attempt that led there. Raises StorageUnavailable."""
        await self._log.record(request.notification_id, request.state, request.attempt)
