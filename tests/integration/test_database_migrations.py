"""Migrations on a real Postgres: forward, back, by several at once, and in step with the tables."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.database import a_notification, open_engine
from tests.support import eventually
from tidings.database import migrations
from tidings.database.api_keys import ApiKeyRepository
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.database.storage import fetch
from tidings.database.tables import metadata
from tidings.domain.api_key import new_secret
from tidings.domain.notification import DeliveryState
from tidings.domain.vocabulary import KeyMode, Scope
from tidings.errors import SetupError

SCHEMA = {
    "columns": """
        SELECT table_name, column_name, data_type, is_nullable, column_default
        FROM information_schema.columns WHERE table_schema = 'public'
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
    """,
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "storage": "SELECT relname, reloptions::text FROM pg_class WHERE relnamespace = 'public'::regnamespace",
}


@pytest.fixture
async def engine(empty_database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(empty_database_url) as engine:
        yield engine


async def schema_of(engine: AsyncEngine) -> dict[str, set[tuple[Any, ...]]]:
    """All that the migrations made, apart from Alembic's own table."""
    return {
        part: {
            tuple(row.values())
            for row in await fetch(engine, text(query))
            if "alembic_version" not in str(row)
        }
        for part, query in SCHEMA.items()
    }


async def test_upgrade_brings_an_empty_database_up_to_date(
    engine: AsyncEngine, empty_database_url: str
) -> None:
    assert await migrations.current(engine) is None
    await migrations.upgrade(empty_database_url)
    assert await migrations.current(engine) == migrations.head()
    await migrations.check(engine)


async def test_upgrading_again_changes_nothing(engine: AsyncEngine, empty_database_url: str) -> None:
    await migrations.upgrade(empty_database_url)
    before = await schema_of(engine)
    await migrations.upgrade(empty_database_url)
    assert await schema_of(engine) == before


async def test_the_way_back_leaves_nothing_and_leads_forward_again(
    engine: AsyncEngine, empty_database_url: str
) -> None:
    await migrations.upgrade(empty_database_url)
    before = await schema_of(engine)
    await migrations.downgrade(empty_database_url, "base")
    assert not any((await schema_of(engine)).values())
    await migrations.upgrade(empty_database_url)
    assert await schema_of(engine) == before


async def test_modes_are_told_from_keys_and_the_way_back_keeps_every_notification(
    engine: AsyncEngine, empty_database_url: str
) -> None:
    await migrations.upgrade(empty_database_url)
    await migrations.downgrade(empty_database_url, "2026_11_21_0900")
    for shown in ("td_live_abcd", "td_test_abcd"):
        inserted = "INSERT INTO api_keys VALUES (gen_random_uuid(), 'acme', '', sha256(:hash), :shown, now())"
        await fetch(engine, text(inserted), {"hash": shown.encode(), "shown": shown})
    await migrations.upgrade(empty_database_url)
    keys = await fetch(engine, text("SELECT shown, mode FROM api_keys ORDER BY shown"))
    assert [row["mode"] for row in keys] == ["live", "test"]

    log = PostgresDeliveryLog(engine)
    for mode in KeyMode:
        notification = a_notification(mode=mode, idempotency_key="order-1042")
        await log.persist(notification, DeliveryState.initial(notification))
    await migrations.downgrade(empty_database_url, "2026_11_21_0900")
    kept = await fetch(engine, text("SELECT idempotency_key FROM notifications"))
    assert sorted(str(row["idempotency_key"]) for row in kept) == ["None", "order-1042"]


async def test_keys_that_are_there_may_do_everything_and_the_way_back_revokes_what_it_cannot_hold(
    engine: AsyncEngine, empty_database_url: str
) -> None:
    await migrations.upgrade(empty_database_url)
    await migrations.downgrade(empty_database_url, "2026_11_21_1040")
    inserted = """INSERT INTO api_keys (id, tenant, mode, name, key_hash, shown, created_at)
        VALUES (gen_random_uuid(), 'acme', 'live', 'there', sha256('there'), 'td_live_abcd', now())"""
    await fetch(engine, text(inserted))
    await migrations.upgrade(empty_database_url)

    keys = ApiKeyRepository(engine)
    (there,) = await keys.all()
    assert (there.scopes, there.expires_at) == (tuple(Scope), None)
    past = datetime.now(UTC) - timedelta(days=1)
    await keys.create("acme", "expired", new_secret(), expires_at=past)
    await keys.create("acme", "reads", new_secret(), scopes=[Scope.READ])
    await keys.create("acme", "usual", new_secret())
    await migrations.downgrade(empty_database_url, "2026_11_21_1040")
    revoked = await fetch(engine, text("SELECT name FROM api_keys WHERE revoked_at IS NOT NULL"))
    assert {row["name"] for row in revoked} == {"expired", "reads"}


async def test_the_migrations_make_exactly_the_tables_of_the_code(
    engine: AsyncEngine, empty_database_url: str
) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    from_code = await schema_of(engine)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
    await migrations.upgrade(empty_database_url)
    assert await schema_of(engine) == from_code


async def test_autogenerate_finds_nothing_to_do(engine: AsyncEngine, empty_database_url: str) -> None:
    await migrations.upgrade(empty_database_url)
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), metadata)
        )
    assert differences == []


async def test_a_newer_database_is_refused_in_one_line(engine: AsyncEngine, empty_database_url: str) -> None:
    await migrations.upgrade(empty_database_url)
    await fetch(engine, text("UPDATE alembic_version SET version_num = '2999_01_01_0000'"))
    before = await schema_of(engine)
    for refused in (migrations.check(engine), migrations.upgrade(empty_database_url)):
        with pytest.raises(SetupError, match="2999_01_01_0000, newer than this version") as caught:
            await refused
        assert "\n" not in str(caught.value)
    assert await schema_of(engine) == before


async def test_an_older_database_is_told_to_migrate(engine: AsyncEngine) -> None:
    with pytest.raises(SetupError, match="run `tidings migrate`") as caught:
        await migrations.check(engine)
    assert "\n" not in str(caught.value)


async def test_many_processes_may_upgrade_at_once(engine: AsyncEngine, empty_database_url: str) -> None:
    program = "import asyncio, sys; from tidings.database.migrations import upgrade; "
    program += "asyncio.run(upgrade(sys.argv[1]))"
    root = Path(__file__).parents[2]
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, empty_database_url, cwd=root, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    here = [migrations.upgrade(empty_database_url) for _ in range(3)]
    ends = await asyncio.gather(*(process.communicate() for process in processes), *here)
    assert [process.returncode for process in processes] == [0, 0], ends
    await migrations.check(engine)


async def test_an_upgrade_waits_for_the_one_under_way(engine: AsyncEngine, empty_database_url: str) -> None:
    async with engine.connect() as holder:
        await holder.execute(text(f"SELECT pg_advisory_lock({migrations.LOCK})"))
        await holder.commit()
        waiting = asyncio.ensure_future(migrations.upgrade(empty_database_url))
        tries = text(
            "SELECT query_start FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'tidings-migrate' AND query IN ('COMMIT;', 'COMMIT')"
        )
        seen: set[Any] = set()

        async def tried_again_and_again() -> bool:
            seen.update(row["query_start"] for row in await fetch(engine, tries))
            return len(seen) >= 3

        await eventually(tried_again_and_again)
        assert await migrations.current(engine) is None
        await holder.execute(text(f"SELECT pg_advisory_unlock({migrations.LOCK})"))
        await waiting
    await migrations.check(engine)


async def test_alembic_runs_from_its_own_command_line(engine: AsyncEngine, empty_database_url: str) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "alembic", "-c", str(root / "migrations" / "alembic.ini")]
    environment = {"PATH": "/usr/bin:/bin", "TIDINGS_DATABASE_URL": empty_database_url}

    async def run(*arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *command,
            *arguments,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return output.decode()

    assert "CREATE TABLE notifications" in await run("upgrade", "head", "--sql")
    assert await migrations.current(engine) is None
    await run("upgrade", "head")
    await migrations.check(engine)
    assert "No new upgrade operations" in await run("check")
