"""Submitting and finding notifications: Temporal is what a promise rests on, Postgres what is read first."""

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

from tidings.database.notifications import NotificationRepository
from tidings.domain.notification import Notification
from tidings.domain.record import NotificationFilter, NotificationRecord, Page, Position
from tidings.errors import NotFound, OrchestratorUnavailable, StorageUnavailable
from tidings.temporal.notifications import NotificationWorkflows

_ROW_SECONDS = 2
"""Longer than any read by primary key takes; a Postgres that is away must not hold up submissions."""


class NotificationService:
    """What callers may ask for, whoever asks and by whatever protocol."""

    def __init__(
        self,
        store: NotificationRepository,
        workflows: NotificationWorkflows,
        *,
        start_timeout: float,
        start_failed: Callable[[], None] = lambda: None,
    ) -> None:
        """`start_timeout`: seconds a submission waits for Temporal. `start_failed`: told of each in vain."""
        self._store = store
        self._workflows = workflows
        self._start_timeout = start_timeout
        self._start_failed = start_failed

    async def submit(self, notification: Notification) -> bool:
        """Start the notification's workflow: from then on it survives any crash.

        False if a workflow of the same id is there, running or closed: then this one was not started.
        Raises OrchestratorUnavailable, and then nothing is promised.
        """
        try:
            # The call has its own limit; this one holds for the connection that may have to be made first.
            async with asyncio.timeout(self._start_timeout):
                return await self._workflows.start(notification)
        except TimeoutError as error:
            self._start_failed()
            raise OrchestratorUnavailable("Temporal did not answer in time.") from error
        except OrchestratorUnavailable:
            self._start_failed()
            raise

    async def row(self, tenant: str, notification_id: UUID) -> NotificationRecord | None:
        """What Postgres alone knows of the notification. Raises StorageUnavailable, and soon."""
        try:
            async with asyncio.timeout(_ROW_SECONDS):
                return await self._store.get(tenant, notification_id)
        except TimeoutError as error:
            raise StorageUnavailable("Postgres did not answer in time.") from error

    async def rows(self, tenant: str, ids: Sequence[UUID]) -> dict[UUID, NotificationRecord]:
        """The same of several, asked at once. Raises StorageUnavailable, and soon."""
        try:
            async with asyncio.timeout(_ROW_SECONDS):
                return await self._store.several(tenant, ids)
        except TimeoutError as error:
            raise StorageUnavailable("Postgres did not answer in time.") from error

    async def get(self, tenant: str, notification_id: UUID) -> NotificationRecord:
        """The notification: from its row, or from its workflow while there is no row yet or no Postgres.

        Raises NotFound only if neither has it, and StorageUnavailable or OrchestratorUnavailable if that
        cannot be known.
        """
        outage: StorageUnavailable | None = None
        try:
            record = await self._store.get(tenant, notification_id)
        except StorageUnavailable as error:
            record, outage = None, error
        if record is None:
            record = await self._workflows.find(tenant, notification_id)
        if record is not None:
            return record
        # Temporal forgets closed workflows after a while: without Postgres its "no" says nothing.
        raise outage or NotFound(str(notification_id))

    async def page(self, tenant: str, filter: NotificationFilter, page: int, per_page: int) -> Page:
        """A page by its number, counted. Raises StorageUnavailable."""
        return await self._store.page(tenant, filter, page, per_page)

    async def after(self, tenant: str, filter: NotificationFilter, after: Position, limit: int) -> Page:
        """The page that follows a position; nothing is counted. Raises StorageUnavailable."""
        return await self._store.after(tenant, filter, after, limit)
