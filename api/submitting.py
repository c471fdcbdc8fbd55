"""Submissions: each becomes a notification, unless its idempotency key has one already.

Temporal is what makes concurrent requests one: the id comes from the key, and of two workflows with one id
it starts the first. Postgres remembers for as long as the notification is kept, Temporal for its retention.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from api import problems
from api.idempotency_key import POINTER
from api.problems import FieldError, Problem
from api.schemas.submission import AlreadyExpired, notification_from
from api.service import NotificationService
from tidings.domain.api_key import ApiKey
from tidings.domain.idempotency import fingerprint_of
from tidings.domain.identifiers import id_from_key, new_id
from tidings.domain.notification import DeliveryState, Notification
from tidings.domain.record import NotificationRecord
from tidings.errors import OrchestratorUnavailable, StorageUnavailable
from tidings.temporal.notifications import NotificationWorkflows


@dataclass(frozen=True, slots=True)
class Submitted:
    """The notification as it stands. `replayed`: an earlier request has made it."""

    record: NotificationRecord
    replayed: bool = False


class Submitting:
    """Raises Problem for a submission that is refused, OrchestratorUnavailable if nothing is promised."""

    def __init__(self, service: NotificationService, workflows: NotificationWorkflows) -> None:
        self._service = service
        self._workflows = workflows

    async def submit(self, caller: ApiKey, document: Any, key: str | None = None) -> Submitted:
        """Submit a decoded body; under an idempotency key, once in each mode."""
        if key is not None:
            return await self._submit_once(caller, document, key)
        notification = notification_from(
            document, id=new_id(), tenant=caller.tenant, now=datetime.now(UTC), mode=caller.mode
        )
        await self._service.submit(notification)
        return _fresh(notification)

    async def _submit_once(self, caller: ApiKey, document: Any, key: str) -> Submitted:
        tenant = caller.tenant
        id, fingerprint = id_from_key(tenant, key, caller.mode), fingerprint_of(document)
        outage: StorageUnavailable | None = None
        try:
            # First of all, so that what was valid when it came is replayed although its time has passed.
            earlier = await self._service.row(tenant, id)
        except StorageUnavailable as error:
            earlier, outage = None, error
        if earlier is None:
            try:
                asked = notification_from(
                    document, id=id, tenant=tenant, now=datetime.now(UTC), mode=caller.mode
                )
            except AlreadyExpired as refusal:
                earlier = await self._in_flight(tenant, id, otherwise=outage or refusal)
            else:
                notification = asked.model_copy(update={"idempotency_key": key, "fingerprint": fingerprint})
                if await self._service.submit(notification):
                    return _fresh(notification)
                hidden = OrchestratorUnavailable("Temporal has the notification but does not show it.")
                earlier = await self._in_flight(tenant, id, otherwise=hidden)
        if earlier.notification.fingerprint != fingerprint:
            raise _reused()
        return Submitted(earlier, replayed=True)

    async def _in_flight(self, tenant: str, id: UUID, *, otherwise: Exception) -> NotificationRecord:
        """The notification that has no row yet, as its workflow knows it. Raises `otherwise` if none does."""
        record = await self._workflows.find(tenant, id)
        if record is None:
            raise otherwise
        return record


def _fresh(notification: Notification) -> Submitted:
    return Submitted(NotificationRecord(notification=notification, state=DeliveryState.initial(notification)))


def _reused() -> Problem:
    return Problem(
        problems.IDEMPOTENCY_KEY_REUSED,
        "Another body came with this Idempotency-Key before, and nothing was done with this one: "
        "repeat the first body unchanged, or give a new notification a key of its own.",
        errors=[FieldError(pointer=POINTER, detail="was used with another body")],
    )
