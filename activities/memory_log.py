"""The delivery log in memory: for tests of workflows, under the same contract as the one in Postgres."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from tidings.domain.identifiers import new_id
from tidings.domain.notification import Attempt, DeliveryState, Notification
from tidings.domain.receipt import Receipt, ReceiptKind, Received, SuppressionReason
from tidings.domain.record import BegunAttempt, NotificationRecord
from tidings.domain.suppression import Suppression
from tidings.domain.vocabulary import Outcome, Status
from tidings.errors import NotFound, StorageUnavailable

_ARRIVED = (Status.SENT, Status.DELIVERED)


@dataclass(slots=True)
class _Entry:
    notification: Notification
    state: DeliveryState
    attempts: dict[int, Attempt] = field(default_factory=dict)
    claims: dict[int, str] = field(default_factory=dict)


class InMemoryDeliveryLog:
    """Keeps notifications for as long as the process lives. `available = False` plays an outage."""

    def __init__(self) -> None:
        self.available = True
        self.suppressed: dict[str, Suppression] = {}
        """By recipient: the tests have one tenant and one channel."""
        self._entries: dict[UUID, _Entry] = {}

    async def persist(self, notification: Notification, state: DeliveryState) -> NotificationRecord:
        """Keep the notification unless it is there already; what stands there then."""
        self._check()
        entry = self._entries.setdefault(notification.id, _Entry(notification, state))
        return NotificationRecord(
            notification=entry.notification, state=entry.state, attempts=self.attempts(notification.id)
        )

    async def begin(
        self, notification_id: UUID, attempt: Attempt, state: DeliveryState, claim: str
    ) -> BegunAttempt:
        """Record that an attempt is about to call its provider; the first claim wins."""
        entry = self._entry(notification_id)
        standing = entry.attempts.get(attempt.number)
        if standing is None:
            met = self.suppressed.get(entry.notification.recipient)
            if met is not None and state.revision > entry.state.revision:
                return BegunAttempt(entry.notification, entry.state, permitted=False, suppression=met)
            if not self._advance(entry, state):
                return BegunAttempt(entry.notification, entry.state, permitted=False)
            entry.attempts[attempt.number], entry.claims[attempt.number] = attempt, claim
            return BegunAttempt(entry.notification, entry.state, permitted=True)
        permitted = entry.claims.get(attempt.number) == claim and standing.outcome is None
        return BegunAttempt(entry.notification, entry.state, permitted, None if permitted else standing)

    async def suppress(self, notification_id: UUID, reason: SuppressionReason, provider: str) -> None:
        """Put the notification's recipient on the suppression list, once."""
        notification = self._entry(notification_id).notification
        entry = Suppression(
            id=new_id(),
            tenant=notification.tenant,
            mode=notification.mode,
            channel=notification.channel,
            recipient=notification.recipient,
            reason=reason,
            provider=provider,
            notification_id=notification_id,
            created_at=datetime.now(UTC),
        )
        self.suppressed.setdefault(notification.recipient, entry)

    async def withdraw(self, notification_id: UUID, number: int, state: DeliveryState) -> Attempt | None:
        """Bring the notification to `state` unless attempt `number` has begun."""
        entry = self._entry(notification_id)
        if number not in entry.attempts:
            self._advance(entry, state)
        return entry.attempts.get(number)

    async def receive(self, receipt: Receipt) -> Received:
        """What a receipt comes to, in short: the rules are those of the log in Postgres."""
        self._check()
        entry = self._entries.get(receipt.notification_id)
        if entry is None:
            return Received(found=False)
        before = entry.state.status
        if receipt.kind is ReceiptKind.FAILED and before is Status.SENDING:
            return Received(found=True, settled=False, before=before)
        moved = receipt.kind is ReceiptKind.DELIVERED and before is not Status.DELIVERED
        if moved:
            self.deliver(receipt.notification_id)
        return Received(found=True, moved=moved, before=before)

    def deliver(self, notification_id: UUID) -> None:
        """Bring the notification to `delivered`, as a receipt does, unknown to its workflow."""
        entry = self._entry(notification_id)
        entry.state = entry.state.moved(Status.DELIVERED, datetime.now(UTC), error=None)

    async def record(self, notification_id: UUID, state: DeliveryState, attempt: Attempt | None) -> None:
        """Bring the notification to `state`, unless a later revision is there, and finish the attempt."""
        entry = self._entry(notification_id)
        if attempt is not None:
            standing = entry.attempts.get(attempt.number)
            if standing is None or standing.outcome in (None, Outcome.UNKNOWN):
                entry.attempts[attempt.number] = attempt
        self._advance(entry, state)

    def state(self, notification_id: UUID) -> DeliveryState:
        """The recorded state. Raises NotFound."""
        return self._entry(notification_id).state

    def attempts(self, notification_id: UUID) -> list[Attempt]:
        """The recorded attempts in order. Raises NotFound."""
        return [attempt for _, attempt in sorted(self._entry(notification_id).attempts.items())]

    def _entry(self, notification_id: UUID) -> _Entry:
        self._check()
        if notification_id not in self._entries:
            raise NotFound(f"notification {notification_id}")
        return self._entries[notification_id]

    def _check(self) -> None:
        if not self.available:
            raise StorageUnavailable("the database is away")

    @staticmethod
    def _advance(entry: _Entry, state: DeliveryState) -> bool:
        before, arrives = entry.state, state.status in _ARRIVED
        if before.status in _ARRIVED:
            moves = arrives and state.revision > before.revision
        else:
            moves = arrives or state.revision > before.revision
        if moves:
            latest = {
                name: max(getattr(before, name), getattr(state, name))
                for name in ("revision", "attempt_count", "automatic_attempts")
            }
            entry.state = state.model_copy(update=latest)
        return moves


@dataclass(slots=True)
class InMemoryAttachments:
    """The port `AttachmentStore`, in memory. `available = False` plays an outage."""

    contents: dict[UUID, dict[str, bytes]] = field(default_factory=dict)
    available: bool = True
    loads: int = 0

    async def load(self, notification_id: UUID) -> dict[str, bytes]:
        """What was put there."""
        self.loads += 1
        if not self.available:
            raise StorageUnavailable("the database is away")
        return self.contents.get(notification_id, {})
