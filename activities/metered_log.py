"""The logs, with a meter beside: what is counted is what stands in the record afterwards."""

from uuid import UUID

from activities.ports import DeliveryLog, ReceiptLog, RecordMeter
from tidings.domain.notification import Attempt, DeliveryState, Notification
from tidings.domain.receipt import Receipt, Received, SuppressionReason
from tidings.domain.record import BegunAttempt, NotificationRecord


class MeteredDeliveryLog:
    """A delivery log that counts. A call that has to be made again because it failed is counted once."""

    def __init__(self, log: DeliveryLog, meter: RecordMeter) -> None:
        self._log = log
        self._meter = meter

    async def persist(self, notification: Notification, state: DeliveryState) -> NotificationRecord:
        """As the log does; nothing is counted."""
        return await self._log.persist(notification, state)

    async def begin(
        self, notification_id: UUID, attempt: Attempt, state: DeliveryState, claim: str
    ) -> BegunAttempt:
        """As the log does; who is on the suppression list is counted."""
        begun = await self._log.begin(notification_id, attempt, state, claim)
        if begun.suppression is not None:
            self._meter.suppressed(begun.notification.channel, begun.suppression.reason)
        return begun

    async def suppress(self, notification_id: UUID, reason: SuppressionReason, provider: str) -> None:
        """As the log does, and counted."""
        await self._log.suppress(notification_id, reason, provider)
        self._meter.listed(reason, provider)

    async def withdraw(self, notification_id: UUID, number: int, state: DeliveryState) -> Attempt | None:
        """As the log does; an end is counted."""
        begun = await self._log.withdraw(notification_id, number, state)
        if begun is None:
            self._count_end(state)
        return begun

    async def record(self, notification_id: UUID, state: DeliveryState, attempt: Attempt | None) -> None:
        """As the log does; an end is counted."""
        await self._log.record(notification_id, state, attempt)
        self._count_end(state)

    def _count_end(self, state: DeliveryState) -> None:
        if state.status.is_final:
            self._meter.ended(state.status)


class MeteredReceiptLog:
    """A receipt log that counts the recipients that it puts on the suppression list."""

    def __init__(self, log: ReceiptLog, meter: RecordMeter) -> None:
        self._log = log
        self._meter = meter

    async def receive(self, receipt: Receipt) -> Received:
        """As the log does; only what is settled is counted, for the rest comes again."""
        received = await self._log.receive(receipt)
        if receipt.suppresses and received.found and received.settled and not received.repeated:
            self._meter.listed(receipt.suppresses, receipt.provider)
        return received
