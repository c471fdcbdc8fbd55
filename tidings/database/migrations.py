"""Bringing the schema up to date, and telling whether it is.

The scripts lie beside the package `tidings`, in a checkout and where a wheel was installed alike. They are
found by that place, not by name: the working directory may hold another `migrations`.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tidings.database.engine import create_migration_engine
from tidings.database.storage import translated
from tidings.errors import SetupError

_SCRIPTS = Path(__file__).resolve().parents[2] / "migrations"
LOCK = int.from_bytes(b"tidings")
"""The key of the advisory lock that whoever migrates holds."""
_LOCK_POLL = 0.1
"""Seconds between two tries for the lock."""


def head() -> str:
    """The revision this code is written for."""
    (revision,) = _scripts().get_heads()
    return revision


async def current(engine: AsyncEngine) -> str | None:
    """The revision the database is at; None if it has never been migrated. Raises StorageUnavailable."""
    with translated():
        async with engine.connect() as connection:
            return await connection.run_sync(_revision)


async def check(engine: AsyncEngine) -> None:
    """Make sure that the database is at the revision of this code.

    Raises SetupError, with one line that names the remedy, if it is older or newer; StorageUnavailable if it
    cannot be reached.
    """
    revision = await current(engine)
    _check_known(revision)
    if revision != head():
        raise SetupError(
            f"The database is at revision {revision or 'none'}, older than this version of Tidings: "
            "run `tidings migrate`."
        )


async def upgrade(url: str) -> None:
    """Bring the database at `url` (postgresql://…) up to date. Any number of processes may do so at once.

    Raises SetupError if the database is newer than the code, StorageUnavailable if it cannot be reached.
    """
    await _migrate(url, lambda config: command.upgrade(config, "head"))


async def downgrade(url: str, revision: str) -> None:
    """Take the database back to `revision` (`base`: to nothing), with the data that only later ones hold.

    Raises as `upgrade` does.
    """
    await _migrate(url, lambda config: command.downgrade(config, revision))


async def _migrate(url: str, act: Callable[[Config], None]) -> None:
    def run(connection: Connection) -> None:
        _check_known(_revision(connection))
        connection.commit()
        config = _config()
        config.attributes["connection"] = connection
        act(config)

    engine = create_migration_engine(url)
    try:
        with translated():
            async with engine.connect() as connection:
                await _lock(connection)
                await connection.run_sync(run)
    finally:
        await engine.dispose()


async def _lock(connection: AsyncConnection) -> None:
    """Wait until no other process migrates. The lock goes with the connection, however that ends.

    It is tried for, not waited for: a waiting session holds a snapshot, and CREATE INDEX CONCURRENTLY in the
    process that has the lock would wait for that snapshot for ever.
    """
    locked = select(func.pg_try_advisory_lock(LOCK))
    while not await connection.scalar(locked):
        await connection.commit()
        await asyncio.sleep(_LOCK_POLL)
    await connection.commit()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _check_known(revision: str | None) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise SetupError(
            f"The database is at revision {revision}, newer than this version of Tidings: "
            "install the version that migrated it, or a later one."
        )


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    if not (_SCRIPTS / "env.py").is_file():
        raise SetupError(f"{_SCRIPTS} is missing: install the whole of Tidings.")
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
