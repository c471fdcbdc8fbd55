"""Postgres away, in each way it can be: always StorageUnavailable, never a password, and no lasting harm."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.database import a_notification, a_state, an_attempt, open_engine
from tests.support import eventually, free_port
from tidings.database import migrations
from tidings.database.api_keys import ApiKeyRepository
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.database.notifications import NotificationRepository
from tidings.database.storage import fetch
from tidings.domain.api_key import hash_of, new_secret
from tidings.domain.identifiers import new_id
from tidings.domain.notification import DeliveryState
from tidings.domain.record import NotificationFilter
from tidings.errors import StorageUnavailable
from tidings.local.postgres import PostgresServer

ONE = select(func.now().label("now"))

CALLS: dict[str, Callable[[AsyncEngine], Awaitable[object]]] = {
    "persist": lambda engine: PostgresDeliveryLog(engine).persist(a_notification(), a_state(0)),
    "begin": lambda engine: PostgresDeliveryLog(engine).begin(new_id(), an_attempt(), a_state(1), "run"),
    "record": lambda engine: PostgresDeliveryLog(engine).record(new_id(), a_state(1), an_attempt()),
    "get": lambda engine: NotificationRepository(engine).get("acme", new_id()),
    "page": lambda engine: NotificationRepository(engine).page("acme", NotificationFilter(), 1, 20),
    "after": lambda engine: NotificationRepository(engine).after("acme", NotificationFilter(), None, 20),
    "create": lambda engine: ApiKeyRepository(engine).create("acme", "ci", new_secret()),
    "find": lambda engine: ApiKeyRepository(engine).find(hash_of("any")),
    "all": lambda engine: ApiKeyRepository(engine).all(),
    "active": lambda engine: ApiKeyRepository(engine).active(),
    "revoke": lambda engine: ApiKeyRepository(engine).revoke(new_id()),
    "check": migrations.check,
}


@pytest.mark.parametrize("call", CALLS)
async def test_every_call_says_that_nobody_listens(call: str) -> None:
    async with open_engine(f"postgresql://tidings:s3cret@127.0.0.1:{free_port()}/tidings") as engine:
        with pytest.raises(StorageUnavailable, match="Connection refused") as caught:
            await CALLS[call](engine)
    assert_no_secret(caught.value)


async def test_migrating_says_that_nobody_listens() -> None:
    with pytest.raises(StorageUnavailable, match="Connection refused") as caught:
        await migrations.upgrade(f"postgresql://tidings:s3cret@127.0.0.1:{free_port()}/tidings")
    assert_no_secret(caught.value)


@pytest.mark.parametrize(
    ("part", "wrong", "says"),
    [
        ("tidings:", "nobody:s3cret-", "password authentication failed"),
        ("/test_", "/missing_", "does not exist"),
        ("127.0.0.1", "host.invalid", "no connection|in time"),
    ],
)
async def test_a_wrong_address_or_login_is_unavailable_and_named(
    database_url: str, part: str, wrong: str, says: str
) -> None:
    async with open_engine(database_url.replace(part, wrong, 1)) as engine:
        with pytest.raises(StorageUnavailable, match=says) as caught:
            await fetch(engine, ONE)
    assert_no_secret(caught.value)


async def test_too_many_connections_on_the_server(database_url: str, postgres_server: PostgresServer) -> None:
    name = database_url.rpartition("/")[2]
    admin = await asyncpg.connect(postgres_server.dsn)
    role = f"guest_{name}"
    await admin.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 's3cret' CONNECTION LIMIT 0")
    try:
        url = f"postgresql://{role}:s3cret@127.0.0.1:{postgres_server.port}/{name}"
        async with open_engine(url) as engine:
            with pytest.raises(StorageUnavailable, match="53300") as caught:
                await fetch(engine, ONE)
        assert_no_secret(caught.value)
    finally:
        await admin.execute(f'DROP ROLE "{role}"')
        await admin.close()


async def test_a_full_pool_is_unavailable_to_the_next_caller(database_url: str) -> None:
    async with (
        open_engine(
            database_url, database_pool_size=1, database_pool_overflow=0, database_pool_timeout=0.1
        ) as engine,
        engine.connect(),
    ):
        with pytest.raises(StorageUnavailable, match="in use"):
            await fetch(engine, ONE)


async def test_a_read_only_server_is_unavailable_for_writing(database_url: str) -> None:
    async with open_engine(f"{database_url}?default_transaction_read_only=on") as engine:
        with pytest.raises(StorageUnavailable, match="25006"):
            await CALLS["persist"](engine)


async def test_a_statement_beyond_its_time_is_unavailable_and_harms_no_other(database_url: str) -> None:
    async with (
        open_engine(database_url, database_command_timeout=0.5, database_pool_size=1) as engine,
        open_engine(database_url) as other,
        other.begin() as holder,
    ):
        await holder.execute(text("LOCK TABLE api_keys"))
        with pytest.raises(StorageUnavailable, match="57014"):
            await CALLS["all"](engine)
        assert await fetch(engine, ONE)


async def test_a_fault_of_ours_is_not_dressed_up_as_an_outage(empty_database_url: str) -> None:
    async with open_engine(empty_database_url) as engine:
        with pytest.raises(DBAPIError, match="api_keys"):
            await CALLS["all"](engine)


async def test_a_connection_that_died_in_the_pool_costs_the_caller_nothing(database_url: str) -> None:
    async with open_engine(database_url) as engine, open_engine(database_url) as other:
        notification = a_notification()
        log = PostgresDeliveryLog(engine)
        await log.persist(notification, DeliveryState.initial(notification))
        (row,) = await fetch(engine, select(func.pg_backend_pid().label("pid")))
        await fetch(other, select(func.pg_terminate_backend(row["pid"], 5000)))
        begun = await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
        assert begun.earlier is None


@asynccontextmanager
async def own_server(folder: Path) -> AsyncIterator[PostgresServer]:
    server = PostgresServer(folder / "data", free_port())
    await server.start()
    try:
        yield server
    finally:
        await server.stop(hurry=True)


async def test_a_stopped_server_is_unavailable_and_back_when_it_is_back(tmp_path: Path) -> None:
    async with own_server(tmp_path) as server:
        await migrations.upgrade(server.database_url())
        async with open_engine(server.database_url()) as engine:
            notification = a_notification()
            log = PostgresDeliveryLog(engine)
            await log.persist(notification, DeliveryState.initial(notification))
            await server.stop()
            for _ in range(3):
                with pytest.raises(StorageUnavailable):
                    await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
            await server.start()
            begun = await log.begin(notification.id, an_attempt(), a_state(1), "run-1")
            assert begun.notification == notification


async def test_a_server_that_hangs_is_unavailable_and_usable_when_it_goes_on(tmp_path: Path) -> None:
    async with (
        own_server(tmp_path) as server,
        open_engine(server.database_url(), database_command_timeout=1, database_connect_timeout=1) as engine,
    ):
        (row,) = await fetch(engine, select(func.pg_backend_pid().label("pid")))
        session = psutil.Process(row["pid"])
        postmaster = session.parent()
        assert postmaster is not None
        os.kill(postmaster.pid, signal.SIGSTOP)
        os.kill(session.pid, signal.SIGSTOP)
        try:
            with pytest.raises(StorageUnavailable, match="in time"):
                await fetch(engine, ONE)
        finally:
            os.kill(session.pid, signal.SIGCONT)
            os.kill(postmaster.pid, signal.SIGCONT)
        assert await eventually(lambda: fetch(engine, ONE))
        (later,) = await fetch(engine, select(func.pg_backend_pid().label("pid")))
        assert later["pid"] != row["pid"], "the connection that timed out is not used again"


async def test_a_cancelled_call_gives_its_connection_back(database_url: str) -> None:
    async with (
        open_engine(database_url, database_pool_size=1, database_pool_overflow=0) as engine,
        open_engine(database_url) as other,
    ):
        waiting = text(
            "SELECT pid FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%api_keys%'"
        )
        async with other.begin() as holder:
            await holder.execute(text("LOCK TABLE api_keys"))
            call = asyncio.ensure_future(CALLS["all"](engine))
            await eventually(lambda: fetch(other, waiting))
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert await CALLS["all"](engine) == []


def assert_no_secret(error: BaseException | None) -> None:
    """Neither the message nor anything it was raised from names the password."""
    while error is not None:
        assert "s3cret" not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
