"""Tokens that are revoked, by their `jti` claim, until they expire by themselves."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from tidings.database.storage import fetch
from tidings.database.tables import revoked_tokens

_KEPT = timedelta(minutes=5)
"""How much longer than the token a revocation is kept: clocks differ, and expiry is judged with leeway."""


class RevokedTokenRepository:
    """The queries. Every call raises StorageUnavailable while Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def revoke(self, jti: str, until: datetime) -> datetime:
        """Revoke a token until it expires by itself; until when it is revoked: a later time stays."""
        inserted = insert(revoked_tokens).values(jti=jti, expires_at=until)
        statement = inserted.on_conflict_do_update(
            index_elements=[revoked_tokens.c.jti],
            set_={"expires_at": func.greatest(revoked_tokens.c.expires_at, inserted.excluded.expires_at)},
        ).returning(revoked_tokens.c.expires_at)
        rows = await fetch(self._engine, statement)
        await fetch(
            self._engine, delete(revoked_tokens).where(revoked_tokens.c.expires_at < func.now() - _KEPT)
        )
        stays: datetime = rows[0]["expires_at"]
        return stays

    async def all(self) -> dict[str, datetime]:
        """Every token that is revoked and may not have expired yet, the last to expire first."""
        statement = (
            select(revoked_tokens)
            .where(revoked_tokens.c.expires_at >= func.now() - _KEPT)
            .order_by(revoked_tokens.c.expires_at.desc(), revoked_tokens.c.jti)
        )
        return {row["jti"]: row["expires_at"] for row in await fetch(self._engine, statement)}
