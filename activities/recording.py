"""Persist, record, withdraw and receive: what the database knows of a notification. Each can be run any
number of times."""

from collections.abc import Callable

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.attempt_outcome import settled
from activities.ports import DeliveryLog, ReceiptLog
from tidings.domain.notification import Notification
from tidings.domain.receipt import Receipt, Received
from tidings.domain.vocabulary import Outcome
from tidings.messages.delivery import (
    SHOWN_ATTEMPTS,
    DeliveryPlan,
    Persisted,
    PersistRequest,
    RecordRequest,
    WithdrawReport,
    WithdrawRequest,
)
from tidings.temporal.failures import FailureType


class RecordingActivities:
    """Writes to the delivery log, and says by which plan this worker delivers."""

    def __init__(
        self, log: DeliveryLog, receipts: ReceiptLog, plan_for: Callable[[Notification], DeliveryPlan]
    ) -> None:
        self._log = log
        self._receipts = receipts
        self._plan_for = plan_for

    @activity.defn(name="persist")
    async def persist(self, request: PersistRequest) -> Persisted:
        """Put the notification into the database; answer how it will be delivered and what was there.

        Raises StorageUnavailable while the database cannot be reached.
        """
        record = await self._log.persist(request.notification, request.state)
        doubts = [attempt.error for attempt in record.attempts if attempt.outcome is Outcome.UNKNOWN]
        return Persisted(
            plan=self._plan_for(request.notification),
            state=record.state,
            attempts=record.attempts[-SHOWN_ATTEMPTS:],
            doubt=doubts[-1] if doubts else None,
        )

    @activity.defn(name="record")
    async def record(self, request: RecordRequest) -> None:
        """Bring the database up to a state and the attempt that led there. Raises StorageUnavailable."""
        await self._log.record(request.notification_id, request.state, request.attempt)

    @activity.defn(name="withdraw")
    async def withdraw(self, request: WithdrawRequest) -> WithdrawReport:
        """Bring the database to a state unless the attempt has begun after all; no worker has it any more.

        Raises StorageUnavailable.
        """
        begun = await self._log.withdraw(request.notification_id, request.number, request.state)
        return WithdrawReport(attempt=settled(begun) if begun else None)

    @activity.defn(name="receive")
    async def receive(self, receipt: Receipt) -> Received:
        """Keep a receipt and what follows from it.

        Raises StorageUnavailable, and ApplicationError (`NotSettled`) while the attempt that the receipt
        speaks of has no outcome yet.
        """
        received = await self._receipts.receive(receipt)
        if not received.settled:
            raise ApplicationError(
                "the attempt is still under way",
                type=FailureType.NOT_SETTLED,
                category=ApplicationErrorCategory.BENIGN,
            )
        return received
