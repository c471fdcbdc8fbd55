"""Submissions: each becomes a notification, unless its idempotency key has one already.

Temporal is what makes concurrent requests one: the id comes from the key, and of two workflows with one id
it starts the first. Postgres remembers for as long as the notification is kept, Temporal for its retention.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from api import problems
from api.idempotency_key import POINTER
from api.problems import FieldError, Problem
from api.schemas.submission import Accepted, AlreadyExpired, accepted_from
from api.service import NotificationService
from api.tenants import Tenants
from tidings.database.attachments import AttachmentRepository
from tidings.domain.caller import Caller
from tidings.domain.idempotency import fingerprint_of
from tidings.domain.identifiers import id_from_key, new_id
from tidings.domain.notification import DeliveryState, Notification
from tidings.domain.record import NotificationRecord
from tidings.domain.sms_segments import MOST_SEGMENTS
from tidings.errors import OrchestratorUnavailable, StorageUnavailable
from tidings.temporal.notifications import NotificationWorkflows

Answer = TypeVar("Answer")
Parameters = ParamSpec("Parameters")


@dataclass(frozen=True, slots=True)
class Submitted:
    """The notification as it stands. `replayed`: an earlier request has made it."""

    record: NotificationRecord
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Earlier:
    """What Postgres has of a key's notification: its record, if any, or why that cannot be known."""

    record: NotificationRecord | None = None
    outage: StorageUnavailable | None = None


class Submitting:
    """Raises Problem for a submission that is refused, OrchestratorUnavailable if nothing is promised."""

    def __init__(
        self,
        service: NotificationService,
        workflows: NotificationWorkflows,
        attachments: AttachmentRepository,
        tenants: Tenants,
        *,
        most_segments: int = MOST_SEGMENTS,
    ) -> None:
        """`most_segments`: how many an SMS may have."""
        self._service = service
        self._workflows = workflows
        self._attachments = attachments
        self._tenants = tenants
        self._most_segments = most_segments

    async def submit(
        self,
        caller: Caller,
        document: Any,
        key: str | None = None,
        *,
        pointer: str = POINTER,
        earlier: Earlier | None = None,
    ) -> Submitted:
        """Submit a decoded body; under an idempotency key, once in each mode.

        `pointer` says where the key stood, `earlier` what `earlier` has found of it, if it was asked.
        Raises StorageUnavailable, too, if it has attachments: they must be safe before anything is promised.
        """
        if key is not None:
            return await self._submit_once(caller, document, key, pointer, earlier)
        asked = await self._read(document, new_id(), caller)
        await self._store(asked)
        await self._service.submit(asked.notification)
        return _fresh(asked.notification)

    async def earlier(self, caller: Caller, keys: Sequence[str]) -> Mapping[str, Earlier]:
        """What Postgres has of each key's notification, asked once for all of them."""
        ids = {key: id_from_key(caller.tenant, key, caller.mode) for key in keys}
        try:
            records = await self._service.rows(caller.tenant, list(ids.values())) if ids else {}
        except StorageUnavailable as error:
            return dict.fromkeys(ids, Earlier(outage=error))
        return {key: Earlier(records.get(id)) for key, id in ids.items()}

    async def _submit_once(
        self, caller: Caller, document: Any, key: str, pointer: str, looked_up: Earlier | None
    ) -> Submitted:
        tenant = caller.tenant
        id = id_from_key(tenant, key, caller.mode)
        fingerprint = await _aside(document, fingerprint_of, document)
        # First of all, so that what was valid when it came is replayed although its time has passed.
        looked_up = looked_up or await self._look_up(tenant, id)
        earlier, outage = looked_up.record, looked_up.outage
        if earlier is None:
            try:
                asked = await self._read(document, id, caller)
                await self._store(asked)
            except AlreadyExpired as refusal:
                earlier = await self._in_flight(tenant, id, otherwise=outage or refusal)
            except StorageUnavailable as refusal:
                earlier = await self._in_flight(tenant, id, otherwise=refusal)
            else:
                notification = asked.notification.model_copy(
                    update={"idempotency_key": key, "fingerprint": fingerprint}
                )
                if await self._service.submit(notification):
                    return _fresh(notification)
                hidden = OrchestratorUnavailable("Temporal has the notification but does not show it.")
                earlier = await self._in_flight(tenant, id, otherwise=hidden)
        if earlier.notification.fingerprint != fingerprint:
            raise _reused(pointer)
        return Submitted(earlier, replayed=True)

    async def _look_up(self, tenant: str, id: UUID) -> Earlier:
        try:
            return Earlier(await self._service.row(tenant, id))
        except StorageUnavailable as error:
            return Earlier(outage=error)

    async def _read(self, document: Any, id: UUID, caller: Caller) -> Accepted:
        document = await self._tenants.with_defaults(caller.tenant, document)
        return await _aside(
            document,
            partial(accepted_from, id=id, tenant=caller.tenant, mode=caller.mode, now=datetime.now(UTC)),
            document,
            most_segments=self._most_segments,
        )

    async def _store(self, asked: Accepted) -> None:
        """Have the attachments safe before the workflow that needs them is started."""
        if asked.contents:
            notification = asked.notification
            await self._attachments.store(
                notification.tenant, notification.id, asked.contents, notification.created_at
            )

    async def _in_flight(self, tenant: str, id: UUID, *, otherwise: Exception) -> NotificationRecord:
        """The notification that has no row yet, as its workflow knows it. Raises `otherwise` if none does."""
        record = await self._workflows.find(tenant, id)
        if record is None:
            raise otherwise
        return record


async def _aside(
    document: Any, work: Callable[Parameters, Answer], *given: Parameters.args, **named: Parameters.kwargs
) -> Answer:
    """Do the work: in a thread if there are attachments, for decoding megabytes would hold up all others."""
    if isinstance(document, dict) and document.get("attachments"):
        return await asyncio.to_thread(work, *given, **named)
    return work(*given, **named)


def _fresh(notification: Notification) -> Submitted:
    return Submitted(NotificationRecord(notification=notification, state=DeliveryState.initial(notification)))


def _reused(pointer: str) -> Problem:
    return Problem(
        problems.IDEMPOTENCY_KEY_REUSED,
        f"Another body came with this {pointer[1:]} before, and nothing was done with this one: "
        "repeat the first body unchanged, or give a new notification a key of its own.",
        errors=[FieldError(pointer=pointer, detail="was used with another body")],
    )
