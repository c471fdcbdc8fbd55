"""Running a statement, and the one place where the driver's errors become StorageUnavailable."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ssl import SSLError
from typing import Any

from sqlalchemy import Executable
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from tidings.errors import QueryTooSlow, StorageUnavailable

_AWAY = (
    "08",  # connection exceptions
    "28",  # the login is refused
    "3D000",  # there is no such database
    "53",  # out of memory, disk or connections
    "57P",  # shut down, starting up, or the session was ended by an administrator
    "57014",  # statement timeout
    "58",  # the server's own input and output fails
    "25006",  # read-only: a standby, or the old primary after a failover
    "40001",  # serialization failure
    "40P01",  # deadlock
    "55P03",  # lock timeout
)
"""SQLSTATE prefixes (PostgreSQL manual, appendix A) of faults of the server or the moment, not of ours."""
_STATEMENT_TIMEOUT = "57014"
_SESSION_LOST = ("08", "57P")


async def fetch(
    engine: AsyncEngine, statement: Executable, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Run one statement as a transaction of its own, in one round trip, and return its rows.

    If the connection from the pool had died meanwhile, the statement runs once more on a fresh one, even
    if the first run may have reached the server: every statement here can be run any number of times.
    Raises StorageUnavailable while Postgres cannot be reached or cannot serve.
    """
    with translated():
        try:
            return await _fetch(engine, statement, parameters)
        except DBAPIError as error:
            if not _lost_its_session(error):
                raise
        return await _fetch(engine, statement, parameters)


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors that say "not now" into StorageUnavailable; all others pass, for they are bugs."""
    try:
        yield
    except Exception as error:
        reason = _reason(error)
        if reason is None:
            raise
        kind = QueryTooSlow if sqlstate_of(error) == _STATEMENT_TIMEOUT else StorageUnavailable
        raise kind(f"Postgres is not available: {reason}") from error


def sqlstate_of(error: BaseException | None) -> str | None:
    """The SQLSTATE, wherever in the chain SQLAlchemy has put asyncpg's error; None if it has none."""
    while error is not None:
        if isinstance(state := getattr(error, "sqlstate", None), str):
            return state
        error = error.__cause__
    return None


async def _fetch(
    engine: AsyncEngine, statement: Executable, parameters: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        # One statement is a transaction by itself; BEGIN and COMMIT would be two more round trips.
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            result = await connection.execute(statement, parameters)
        except TimeoutError:
            # The driver's own limit: the network may be gone, so the next user must not get this connection.
            await connection.invalidate()
            raise
        return [dict(row) for row in result.mappings()] if result.returns_rows else []


def _lost_its_session(error: DBAPIError) -> bool:
    return error.connection_invalidated or (sqlstate_of(error) or "").startswith(_SESSION_LOST)


def _reason(error: Exception) -> str | None:
    """Why Postgres cannot serve now, without any address or credential; None for errors of another kind."""
    if isinstance(error, PoolTimeout):
        return "all connections of the pool are in use"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, OSError):
        return f"no connection ({_fault(error)})"
    state = sqlstate_of(error)
    if state is not None and state.startswith(_AWAY):
        return f"{_words(error)} (SQLSTATE {state})"
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return "the connection was lost"
    return None


def _fault(error: OSError) -> str:
    # asyncio puts the address into `strerror`; the number says it without.
    if error.errno is not None and error.errno > 0 and not isinstance(error, SSLError):
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__


def _words(error: BaseException) -> str:
    """The server's own message, without the statement that SQLAlchemy adds."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().partition("\n")[0]
