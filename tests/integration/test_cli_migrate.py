"""`tidings migrate`: both stores made ready, each whatever becomes of the other."""

import json
from uuid import uuid4

import pytest
from pydantic import PostgresDsn
from temporalio.client import Client

from tests.integration.command_line import Ended, tidings
from tests.support import free_port
from tidings.database import migrations
from tidings.database.engine import create_engine
from tidings.local.temporal_server import TemporalServer
from tidings.settings import DatabaseSettings
from tidings.temporal import namespace

NOWHERE = "postgresql://tidings:hidden@127.0.0.1:1/tidings"


async def migrate(*arguments: str, database_url: str, address: str, namespace: str, **more: str) -> Ended:
    return await tidings(
        "migrate",
        *arguments,
        TIDINGS_DATABASE_URL=database_url,
        TEMPORAL_ADDRESS=address,
        TEMPORAL_NAMESPACE=namespace,
        **more,
    )


@pytest.fixture
def name() -> str:
    """A namespace that is not there."""
    return f"test-{uuid4().hex}"


async def revision(url: str) -> str | None:
    engine = create_engine(DatabaseSettings(database_url=PostgresDsn(url)))
    try:
        return await migrations.current(engine)
    finally:
        await engine.dispose()


async def test_it_says_what_it_did_and_the_second_time_that_nothing_was_to_do(
    empty_database_url: str, temporal_server: TemporalServer, name: str
) -> None:
    where = {"database_url": empty_database_url, "address": temporal_server.address, "namespace": name}
    first, second = await migrate(**where), await migrate(**where)
    head = migrations.head()
    assert (first.status, first.err, first.out.splitlines()) == (
        0,
        "",
        [
            "database: migrated from revision none",
            f"database: at revision {head}",
            f"temporal: created the namespace {name}, retention 30 days",
            "temporal: registered the search attributes"
            " NotificationStatus, NotificationChannel, NotificationTenant (Keyword)",
            f"temporal: namespace {name} is ready",
        ],
    )
    assert (second.status, second.err, second.out.splitlines()) == (
        0,
        "",
        [
            f"database: at revision {head}, nothing to do",
            f"temporal: namespace {name} is ready, nothing to do",
        ],
    )


async def test_whoever_sets_the_namespace_up_needs_no_key_to_what_it_keeps(
    temporal_server: TemporalServer, name: str
) -> None:
    ended = await migrate(
        "--temporal-only",
        database_url=NOWHERE,
        address=temporal_server.address,
        namespace=name,
        TIDINGS_CODEC_KEYS="",
    )
    assert (ended.status, ended.err) == (0, "")


async def test_one_part_alone_leaves_the_other_as_it_is(
    empty_database_url: str, temporal_server: TemporalServer, name: str
) -> None:
    where = {"database_url": empty_database_url, "address": temporal_server.address, "namespace": name}
    client = await Client.connect(temporal_server.address, namespace=name)

    database = await migrate("--database-only", "--json", **where)
    assert (database.status, list(json.loads(database.out))) == (0, ["database"])
    assert await namespace.look(client) is None

    temporal = await migrate("--temporal-only", "--json", **{**where, "database_url": NOWHERE})
    assert (temporal.status, list(json.loads(temporal.out))) == (0, ["temporal"])
    assert await namespace.look(client) is not None

    neither = await migrate("--temporal-only", "--database-only", **where)
    assert neither.status == 2


async def test_without_temporal_the_database_is_migrated_all_the_same(
    empty_database_url: str, name: str
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    ended = await migrate(database_url=empty_database_url, address=nowhere, namespace=name)
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert ended.err.startswith(
        f"tidings: temporal: Temporal cannot be reached at {nowhere} (Connection refused)"
    )
    assert await revision(empty_database_url) == migrations.head()


async def test_without_postgres_temporal_is_set_up_all_the_same(
    temporal_server: TemporalServer, name: str
) -> None:
    ended = await migrate("--json", database_url=NOWHERE, address=temporal_server.address, namespace=name)
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert ended.err.startswith("tidings: database: ")
    assert "hidden" not in ended.out + ended.err
    found = json.loads(ended.out)
    assert found["database"]["error"] in ended.err
    assert found["temporal"]["error"] is None
    client = await Client.connect(temporal_server.address, namespace=name)
    await namespace.check(client)


@pytest.mark.parametrize("retention", ["30", "0d", "forever", "1.5d"])
async def test_a_retention_that_is_none_is_refused(
    empty_database_url: str, temporal_server: TemporalServer, name: str, retention: str
) -> None:
    ended = await migrate(
        "--temporal-only",
        database_url=empty_database_url,
        address=temporal_server.address,
        namespace=name,
        TIDINGS_TEMPORAL_RETENTION=retention,
    )
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "TIDINGS_TEMPORAL_RETENTION" in ended.err


async def test_a_retention_of_ones_own_is_kept_unless_another_is_set(
    empty_database_url: str, temporal_server: TemporalServer, name: str
) -> None:
    where = {"database_url": empty_database_url, "address": temporal_server.address, "namespace": name}
    made = await migrate("--temporal-only", **where, TIDINGS_TEMPORAL_RETENTION="90d")
    kept = await migrate("--temporal-only", **where, TIDINGS_TEMPORAL_RETENTION="")
    lowered = await migrate("--temporal-only", **where, TIDINGS_TEMPORAL_RETENTION="7d")
    assert "retention 90 days" in made.out
    assert kept.out == f"temporal: namespace {name} is ready, nothing to do\n"
    assert f"temporal: lowered the retention of {name} from 90 days to 7 days\n" in lowered.out


async def test_a_namespace_that_no_server_could_serve_is_refused_before_it_is_made(
    temporal_server: TemporalServer,
) -> None:
    ended = await migrate(
        "--temporal-only", database_url=NOWHERE, address=temporal_server.address, namespace="t\u00e4st"
    )
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "TEMPORAL_NAMESPACE takes printable ASCII" in ended.err


async def test_a_namespace_set_to_nothing_is_not_set(temporal_server: TemporalServer) -> None:
    ended = await migrate(
        "--temporal-only", database_url=NOWHERE, address=temporal_server.address, namespace=""
    )
    assert ended.out.splitlines()[-1].startswith("temporal: namespace default is ready")
