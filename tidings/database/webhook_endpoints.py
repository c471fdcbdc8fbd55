"""Webhook endpoints: one for each tenant and URL. Their secrets are not here."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from tidings.database.storage import fetch
from tidings.database.tables import webhook_endpoints
from tidings.domain.identifiers import new_id
from tidings.domain.webhook_endpoint import WebhookEndpoint


class WebhookEndpointRepository:
    """The queries. Every call raises StorageUnavailable while Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, tenant: str, url: str, key_id: str) -> tuple[WebhookEndpoint, bool]:
        """The endpoint for that URL, and whether it is new."""
        inserted = insert(webhook_endpoints).values(
            id=new_id(), tenant=tenant, url=url, version=1, key_id=key_id, created_at=func.now()
        )
        # An update that changes nothing, for its RETURNING: it gives the row that stands.
        statement = inserted.on_conflict_do_update(
            index_elements=[webhook_endpoints.c.tenant, webhook_endpoints.c.url],
            set_={"tenant": inserted.excluded.tenant},
        ).returning(webhook_endpoints, literal_column("xmax = 0").label("is_new"))
        [row] = await fetch(self._engine, statement)
        is_new = bool(row.pop("is_new"))
        return WebhookEndpoint.model_validate(row), is_new

    async def get(self, tenant: str, id: UUID) -> WebhookEndpoint | None:
        """The endpoint, or None if this tenant has none of that id."""
        return await self._one(webhook_endpoints.c.tenant == tenant, webhook_endpoints.c.id == id)

    async def find(self, tenant: str, url: str) -> WebhookEndpoint | None:
        """The endpoint for that URL."""
        return await self._one(webhook_endpoints.c.tenant == tenant, webhook_endpoints.c.url == url)

    async def all(self, tenant: str) -> list[WebhookEndpoint]:
        """The tenant's endpoints, newest first."""
        columns = webhook_endpoints.c
        statement = select(webhook_endpoints).where(columns.tenant == tenant).order_by(columns.id.desc())
        return [WebhookEndpoint.model_validate(row) for row in await fetch(self._engine, statement)]

    async def rotate(self, seen: WebhookEndpoint, key_id: str, overlap: timedelta) -> WebhookEndpoint | None:
        """A new secret for the endpoint as it was `seen`; the one before signs on for `overlap`.

        Of several at once one takes effect, and all get what it made. None if the endpoint is gone.
        """
        columns, now = webhook_endpoints.c, datetime.now(UTC)
        statement = (
            update(webhook_endpoints)
            .where(columns.id == seen.id, columns.version == seen.version)
            .values(
                version=seen.version + 1,
                key_id=key_id,
                previous_key_id=columns.key_id,
                previous_until=now + overlap,
                rotated_at=now,
            )
            .returning(webhook_endpoints)
        )
        rows = await fetch(self._engine, statement)
        return WebhookEndpoint.model_validate(rows[0]) if rows else await self.get(seen.tenant, seen.id)

    async def remove(self, tenant: str, id: UUID) -> bool:
        """Forget the endpoint and its secret for good. False if this tenant has none of that id."""
        columns = webhook_endpoints.c
        statement = delete(webhook_endpoints).where(columns.tenant == tenant, columns.id == id)
        return bool(await fetch(self._engine, statement.returning(columns.id)))

    async def _one(self, *conditions: Any) -> WebhookEndpoint | None:
        rows = await fetch(self._engine, select(webhook_endpoints).where(*conditions))
        return WebhookEndpoint.model_validate(rows[0]) if rows else None
