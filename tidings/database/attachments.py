"""The contents of attachments: stored once for each tenant, referred to by notification.

They are stored before the notification's workflow is started. Where that then fails, what was stored is an
orphan, which harms nobody; `sweep` deletes it. Each call is one statement.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, exists, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from tidings.database.storage import fetch
from tidings.database.tables import attachments, notification_attachments, notifications
from tidings.domain.attachment import AttachmentContent

ORPHANS_AFTER = timedelta(days=90)
"""How long a content waits for its notification's row, which is there once a worker has taken it up."""


class AttachmentRepository:
    """Every call raises StorageUnavailable while Postgres is away, and can be made any number of times."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def store(
        self, tenant: str, notification_id: UUID, contents: Sequence[AttachmentContent], at: datetime
    ) -> None:
        """Have these contents, for this notification. Once this returns, they survive any crash."""
        by_hash = {bytes.fromhex(each.sha256): each.content for each in contents}
        # In one order everywhere, for two submissions with the same files would else wait for one another.
        rows = [
            {"tenant": tenant, "sha256": key, "content": by_hash[key], "stored_at": at}
            for key in sorted(by_hash)
        ]
        stored = insert(attachments).values(rows)
        # Touched even if it is there: a sweep that has looked at the row looks again, and leaves it.
        kept = (
            stored.on_conflict_do_update(
                index_elements=["tenant", "sha256"], set_={"stored_at": stored.excluded.stored_at}
            )
            .returning(attachments.c.tenant, attachments.c.sha256)
            .cte("kept")
        )
        reference = select(literal(notification_id), kept.c.tenant, kept.c.sha256, literal(at))
        columns = ["notification_id", "tenant", "sha256", "stored_at"]
        statement = insert(notification_attachments).from_select(columns, reference)
        await fetch(self._engine, statement.on_conflict_do_nothing())

    async def load(self, notification_id: UUID) -> Mapping[str, bytes]:
        """The notification's contents by their SHA-256, in hex; what was erased is not among them."""
        ours, theirs = notification_attachments.c, attachments.c
        rows = await fetch(
            self._engine,
            select(theirs.sha256, theirs.content)
            .select_from(notification_attachments.join(attachments))
            .where(ours.notification_id == notification_id),
        )
        return {row["sha256"].hex(): row["content"] for row in rows}

    async def erase(self, notification_id: UUID) -> None:
        """Take the notification's attachments away; contents that no other one has go with the next sweep."""
        ours = notification_attachments.c
        await fetch(
            self._engine, delete(notification_attachments).where(ours.notification_id == notification_id)
        )

    async def sweep(self, now: datetime, orphans_after: timedelta = ORPHANS_AFTER) -> int:
        """Delete what no notification has any more, or never had; how many contents went.

        Safe at any time, beside submissions and sends.
        """
        before, ours, theirs = now - orphans_after, notification_attachments.c, attachments.c
        await fetch(
            self._engine,
            delete(notification_attachments).where(
                ours.stored_at < before, ~exists().where(notifications.c.id == ours.notification_id)
            ),
        )
        used = exists().where(ours.tenant == theirs.tenant, ours.sha256 == theirs.sha256)
        gone = (
            delete(attachments).where(theirs.stored_at < before, ~used).returning(theirs.sha256).cte("gone")
        )
        return int(
            (await fetch(self._engine, select(func.count().label("count")).select_from(gone)))[0]["count"]
        )
