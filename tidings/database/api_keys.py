"""API keys: stored by the hash of their secret, looked up by it, never deleted but revoked."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, TIMESTAMP, Uuid, bindparam, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from tidings.database.rows import api_key_from
from tidings.database.storage import fetch
from tidings.database.tables import api_keys
from tidings.domain.api_key import DEFAULT_SCOPES, SHOWN_LENGTH, ApiKey, hash_of, in_order, mode_of
from tidings.domain.identifiers import new_id
from tidings.domain.vocabulary import Scope

_PUBLIC = [column for column in api_keys.c if column is not api_keys.c.key_hash]


class ApiKeyRepository:
    """The queries. Every call raises StorageUnavailable while Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create(
        self,
        tenant: str,
        name: str,
        secret: str,
        *,
        scopes: Iterable[Scope] = DEFAULT_SCOPES,
        expires_at: datetime | None = None,
    ) -> ApiKey:
        """Store a new key for the tenant, of the mode that `secret` says; only its hash is kept."""
        inserted = insert(api_keys).values(
            id=new_id(),
            tenant=tenant,
            mode=mode_of(secret),
            name=name,
            key_hash=hash_of(secret),
            shown=secret[:SHOWN_LENGTH],
            scopes=list(in_order(scopes)),
            created_at=func.now(),
            expires_at=expires_at,
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
        """Every key that is neither revoked nor expired, with its hash: to fill a cache with."""
        unexpired = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > func.now())
        rows = await fetch(self._engine, select(api_keys).where(api_keys.c.revoked_at.is_(None), unexpired))
        return [(row["key_hash"], api_key_from(row)) for row in rows]

    async def get(self, id: UUID) -> ApiKey | None:
        """The key with that id."""
        return _only(await fetch(self._engine, select(*_PUBLIC).where(api_keys.c.id == id)))

    async def rotate(
        self, id: UUID, secret: str, overlap: timedelta, expires_at: datetime | None
    ) -> ApiKey | None:
        """Store a key that takes the place of another, which expires once the overlap is over.

        The new one has its tenant, mode, name and scopes, and `expires_at`. None if there is no such key, it
        is revoked or of another mode than `secret`.
        """
        old = (
            update(api_keys)
            .where(api_keys.c.id == id, api_keys.c.revoked_at.is_(None), api_keys.c.mode == mode_of(secret))
            # An earlier end stays, be it the key's own or that of a first run of this statement.
            .values(expires_at=func.least(api_keys.c.expires_at, func.now() + overlap))
            .returning(api_keys.c.tenant, api_keys.c.mode, api_keys.c.name, api_keys.c.scopes)
            .cte("old")
        )
        values = {
            "id": literal(new_id(), Uuid),
            "key_hash": literal(hash_of(secret)),
            "shown": literal(secret[:SHOWN_LENGTH]),
            "created_at": func.now(),
            "expires_at": literal(expires_at, TIMESTAMP(timezone=True)),
        }
        inserted = insert(api_keys).from_select(
            ["tenant", "mode", "name", "scopes", *values], select(old, *values.values())
        )
        statement = inserted.on_conflict_do_update(
            index_elements=[api_keys.c.id], set_={"name": inserted.excluded.name}
        )
        return _only(await fetch(self._engine, statement.returning(*_PUBLIC)))

    async def used(self, at: Mapping[UUID, datetime]) -> None:
        """Note when keys were last used; a later time that is there already stays."""
        listed = func.unnest(
            bindparam("ids", list(at), type_=ARRAY(Uuid)),
            bindparam("times", list(at.values()), type_=ARRAY(TIMESTAMP(timezone=True))),
        )
        uses = listed.table_valued("id", "used_at").render_derived("uses")
        statement = (
            update(api_keys)
            .where(api_keys.c.id == uses.c.id)
            # GREATEST passes over null.
            .values(last_used_at=func.greatest(api_keys.c.last_used_at, uses.c.used_at))
        )
        await fetch(self._engine, statement)

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
