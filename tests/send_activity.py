"""What tests of the send activity begin with: a stored notification, and the request for its attempt."""

from datetime import UTC, datetime
from typing import Any

from activities.memory_log import InMemoryDeliveryLog
from tidings.domain.decision import Terms
from tidings.domain.identifiers import new_id
from tidings.domain.notification import DeliveryState, Notification
from tidings.domain.retry_schedule import RetrySchedule
from tidings.messages.delivery import SendRequest


async def persisted(log: InMemoryDeliveryLog, **given: Any) -> Notification:
    notification = Notification.model_validate(
        {
            "id": new_id(),
            "tenant": "acme",
            "channel": "email",
            "recipient": "ada@example.com",
            "subject": "Hello",
            "body": "Hello, Ada",
            "created_at": datetime.now(UTC),
            **given,
        }
    )
    await log.persist(notification, DeliveryState.initial(notification))
    return notification


def request_for(notification: Notification, *, limit: float = 30) -> SendRequest:
    terms = Terms(retry=RetrySchedule(), guarantee=notification.guarantee, automatic=True, spread=0.5)
    return SendRequest(
        notification_id=notification.id,
        number=1,
        provider="smtp",
        state=DeliveryState.initial(notification),
        terms=terms,
        timeout=limit,
    )
