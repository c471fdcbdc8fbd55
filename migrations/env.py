"""What Alembic runs: on the connection `tidings.database.migrations` hands over, or on one of its own."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

from alembic import context
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from tidings.database.engine import create_migration_engine
from tidings.database.tables import metadata
from tidings.settings import DatabaseSettings


def name_by_date(
    _context: MigrationContext,
    _revision: str | Iterable[str | None] | Iterable[str],
    scripts: list[MigrationScript],
) -> None:
    """Give new revisions ids that sort, and that say something to whoever reads them in a message."""
    for script in scripts:
        script.rev_id = f"{datetime.now(UTC):%Y_%m_%d_%H%M}"


def run(connection: Connection) -> None:
    """Run the asked-for migrations. All of them in one transaction: they happen or they do not."""
    context.configure(
        connection=connection, target_metadata=metadata, process_revision_directives=name_by_date
    )
    with context.begin_transaction():
        context.run_migrations()


def write_script() -> None:
    """Print the SQL instead of running it (`--sql`)."""
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_run() -> None:
    """Run on the database of `TIDINGS_DATABASE_URL`: Alembic was started from its own command line."""
    engine = create_migration_engine(str(DatabaseSettings.load().database_url))
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


if context.is_offline_mode():
    write_script()
elif (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    asyncio.run(connect_and_run())
