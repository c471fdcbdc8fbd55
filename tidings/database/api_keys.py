"""API keys: stored by the hash of their secret, looked up by it, never deleted but revoked."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from tidings.database.rows import api_key_from
from tidings.database.storage import fetch
from tidings.database.tables import api_keys
from tidings.domain.api_key import SHOWN_LENGTH, ApiKey, hash_of, mode_of
from tidings.domain.identifiers import new_id

_PUBLIC = [column for column in api_keys.c if column is not api_keys.c.key_hash]


class ApiKeyRepository:
    """The queries. Every call raises StorageUnavailable while Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create(self, tenant: str, name: str, secret: str) -> ApiKey:
        """Store a new key for the tenant, of the mode that `secret` says; only its hash is kept."""
        inserted = insert(api_keys).values(
            id=new_id(),
            tenant=tenant,
            mode=mode_of(secret),
            name=name,
            key_hash=hash_of(secret),
            shown=secret[:SHOWN_LENGTH],
            created_at=func.now(),
        )
        # Should the statement run a second time, it gives back the row of the first.
        statement = inserted.on_conflict_do_update(
            index_elements=[api_keys.c.id], set_={"name": inserted.excluded.name}
        )
        return api_key_from((await fetch(self._engine, statement.returning(*_PUBLIC)))[0])

    async def find(self, key_hash: bytes) -> ApiKey | None:
        """The key of that hash (`tidings.domain.api_key.hash_of`), a revoked one included."""
        rows = await fetch(self._engine, select(*_PUBLIC).where(api_keys.c.key_hash == key_hash))
        return _only(rows)

    async def all(self, tenant: str | None = None) -> list[ApiKey]:
        """The keys of a tenant, or of all tenants, revoked ones included; newest first."""
        statement = select(*_PUBLIC).order_by(api_keys.c.id.desc())
        if tenant is not None:
            statement = statement.where(api_keys.c.tenant == tenant)
        return [api_key_from(row) for row in await fetch(self._engine, statement)]

    async def active(self) -> list[tuple[bytes, ApiKey]]:
        """Every key that is not revoked, with its hash: to fill a cache with."""
        rows = await fetch(self._engine, select(api_keys).where(api_keys.c.revoked_at.is_(None)))
        return [(row["key_hash"], api_key_from(row)) for row in rows]

    async def revoke(self, id: UUID) -> ApiKey | None:
        """End a key. The time of the first revocation stays. None if there is no such key."""
        statement = (
            update(api_keys)
            .where(api_keys.c.id == id)
            .values(revoked_at=func.coalesce(api_keys.c.revoked_at, func.now()))
            .returning(*_PUBLIC)
        )
        return _only(await fetch(self._engine, statement))


def _only(rows: list[dict[str, Any]]) -> ApiKey | None:
    return api_key_from(rows[0]) if rows else None
