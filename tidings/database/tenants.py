"""Tenants: what was set for each. Never deleted but disabled."""

from typing import Any

from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from tidings.database.storage import fetch
from tidings.database.tables import tenants
from tidings.domain.tenant import Tenant


class TenantRepository:
    """The queries. Every call raises StorageUnavailable while Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create(self, name: str, settings: dict[str, str | None]) -> Tenant | None:
        """A new tenant with these settings, by column; None if there is one of that name."""
        values = {"name": name, "created_at": func.now(), **settings}
        statement = insert(tenants).values(**values).on_conflict_do_nothing().returning(tenants)
        return _only(await fetch(self._engine, statement))

    async def get(self, name: str) -> Tenant | None:
        """The tenant, or None."""
        return _only(await fetch(self._engine, select(tenants).where(tenants.c.name == name)))

    async def all(self) -> list[Tenant]:
        """All tenants, by name, disabled ones included."""
        rows = await fetch(self._engine, select(tenants).order_by(tenants.c.name))
        return [Tenant.model_validate(row) for row in rows]

    async def change(self, name: str, settings: dict[str, str | None]) -> Tenant | None:
        """The tenant with these settings changed, by column; None if there is none of that name."""
        return await self._update(name, settings)

    async def disable(self, name: str, disabled: bool) -> Tenant | None:
        """Close or open the API for a tenant. The time of the first closing stays."""
        since = case((tenants.c.disabled_at.is_(None), func.now()), else_=tenants.c.disabled_at)
        return await self._update(name, {"disabled_at": since if disabled else None})

    async def _update(self, name: str, values: dict[str, Any]) -> Tenant | None:
        statement = update(tenants).where(tenants.c.name == name).values(**values).returning(tenants)
        return _only(await fetch(self._engine, statement))


def _only(rows: list[dict[str, Any]]) -> Tenant | None:
    return Tenant.model_validate(rows[0]) if rows else None
