"""The engine: one pool of asyncpg connections a process, and what every connection is set up with."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from tidings.database.pool import WatchedPool
from tidings.settings import DatabaseSettings

_DRIVERLESS = "postgresql://"
"""asyncpg reads the DSN itself, so that all it knows (sslmode, several hosts, passfile) can be used."""


def create_engine(settings: DatabaseSettings, *, application_name: str = "tidings") -> AsyncEngine:
    """The pool by the settings; nothing is connected yet. `application_name` shows in pg_stat_activity.

    A connection is not tested before each use (`pool_pre_ping`), for that costs three round trips more:
    `tidings.database.storage` runs a statement again instead, once, if its connection turns out dead.
    """
    limit = settings.database_command_timeout
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=_connector(
            str(settings.database_url),
            timeout=settings.database_connect_timeout,
            # The server gives up first and the connection lives; the client's limit is for a dead network.
            command_timeout=limit + 1,
            server_settings=_server_settings(application_name, statement_timeout=f"{round(limit * 1000)}ms"),
        ),
        poolclass=WatchedPool,
        pool_size=settings.database_pool_size,
        max_overflow=settings.database_pool_overflow,
        pool_timeout=settings.database_pool_timeout,
        pool_recycle=settings.database_pool_recycle,
        # A queue would spread load over all connections and keep every one of them from resting.
        pool_use_lifo=True,
        # Recipients and key hashes do not belong in logs.
        hide_parameters=True,
    )


def create_migration_engine(url: str) -> AsyncEngine:
    """One connection at a time, without a statement timeout: a migration takes as long as it takes."""
    connector = _connector(url, timeout=10, server_settings=_server_settings("tidings-migrate"))
    return create_async_engine("postgresql+asyncpg://", async_creator=connector, poolclass=NullPool)


def _connector(url: str, **options: Any) -> Callable[[], Awaitable[Any]]:
    dsn = _DRIVERLESS + url.partition("://")[2]

    async def connect() -> Any:
        return await asyncpg.connect(dsn, **options)

    return connect


def _server_settings(application_name: str, **more: str) -> dict[str, str]:
    # Compiling a plan costs more than any of our statements takes.
    return {"application_name": application_name, "timezone": "UTC", "jit": "off", **more}


def pool_of(engine: AsyncEngine) -> WatchedPool:
    """The pool of an engine that `create_engine` has made."""
    pool = engine.pool
    if not isinstance(pool, WatchedPool):
        raise TypeError(f"{pool!r} is not watched")
    return pool
