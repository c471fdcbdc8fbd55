"""What the API still does, and what it says, while Postgres or Temporal or both are away."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs
from temporalio.client import Client

from tests.integration.api import EMAIL, Answer, Api, make_key, running_api
from tests.support import eventually, free_port
from tidings.database.migrations import upgrade
from tidings.domain.api_key import new_secret
from tidings.local.postgres import PostgresServer
from tidings.local.temporal_server import TemporalServer
from tidings.temporal import names

NOWHERE = "postgresql://tidings:hidden@127.0.0.1:1/tidings"


@pytest.fixture(scope="module")
async def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PostgresServer]:
    """A Postgres that the tests here may stop."""
    server = PostgresServer(tmp_path_factory.mktemp("outages") / "data", free_port())
    await server.start()
    await upgrade(server.database_url())
    yield server
    await server.stop(hurry=True)


async def knows(api: Api) -> None:
    """Wait until the API has loaded the keys."""

    async def known() -> bool:
        return (await api.get("/v1/notifications")).status == 200

    await eventually(known)


async def test_with_postgres_down_a_known_key_submits_gets_and_cancels(
    own_postgres: PostgresServer, temporal_server: TemporalServer, temporal_client: Client
) -> None:
    await own_postgres.start()
    url = own_postgres.database_url()
    key, _ = await make_key(url)
    async with running_api(
        url, temporal_server.address, key=key, key_cache_seconds=0.1, cancel_wait=0.2
    ) as api:
        await knows(api)
        await own_postgres.stop(hurry=True)

        answer = await api.submit(metadata={"order": 1})
        assert answer.status == 201, answer.text
        found = await api.get(answer.headers["Location"])
        assert (found.status, found.json["metadata"], found.json["status"]) == (200, {"order": 1}, "pending")
        cancelled = await api.post(f"{answer.headers['Location']}/cancel")
        assert cancelled.status == 202
        handle = temporal_client.get_workflow_handle(names.workflow_id(answer.json["id"]))
        assert (await handle.describe()).history_length >= 3  # started, task scheduled, signalled

        listed = await api.get("/v1/notifications")
        assert (listed.status, listed.kind) == (503, "storage-unavailable")
        assert int(listed.headers["Retry-After"]) > 0
        # Temporal does not have it either, but only Postgres keeps them all: nobody can know.
        unknown = await api.get("/v1/notifications/0198f3a0-0000-7000-8000-000000000000")
        assert (unknown.status, unknown.kind) == (503, "storage-unavailable")
        # Nor can anybody know whether this key exists.
        stranger = await api.get("/v1/notifications", key=new_secret())
        assert (stranger.status, stranger.kind) == (503, "storage-unavailable")
        assert (await api.get("/v1/notifications", key="td_live_short")).status == 401
        ready = await api.get("/health/ready", key=None)
        assert (ready.status, ready.kind, ready.json["parts"]) == (503, "not-ready", ["postgres"])
        assert (await api.get("/health/live", key=None)).status == 200

        await own_postgres.start()
        await knows(api)
        assert (await api.get("/health/ready", key=None)).status == 200


async def test_with_postgres_down_a_key_still_makes_one_notification(
    own_postgres: PostgresServer, temporal_server: TemporalServer
) -> None:
    await own_postgres.start()
    url = own_postgres.database_url()
    key, _ = await make_key(url, "with-a-key")
    async with running_api(url, temporal_server.address, key=key) as api:
        await knows(api)
        headers = {"Idempotency-Key": f"order-{uuid4()}"}
        before = await api.post("/v1/notifications", json=EMAIL, headers=headers)
        await own_postgres.stop(hurry=True)
        again = await api.post("/v1/notifications", json=EMAIL, headers=headers)
        assert (again.status, again.headers["Idempotent-Replayed"]) == (201, "true")
        assert again.json == before.json
        other = await api.post("/v1/notifications", json=EMAIL | {"body": "Hello, Eve."}, headers=headers)
        assert (other.status, other.kind) == (422, "idempotency-key-reused")

        soon = datetime.now(UTC) + timedelta(seconds=3)

        async def submit(key: str) -> Answer:
            document = EMAIL | {"expires_at": soon.isoformat()}
            return await api.post("/v1/notifications", json=document, headers={"Idempotency-Key": key})

        answers = await asyncio.gather(*(submit("meanwhile") for _ in range(10)))
        assert [answer.status for answer in answers] == [201] * 10
        assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
        await eventually(lambda: datetime.now(UTC) > soon)
        assert (await submit("meanwhile")).headers["Idempotent-Replayed"] == "true"
        # Temporal knows nothing of this one, but Postgres may: nobody can say that it is too late.
        unknown = await submit("unknown")
        assert (unknown.status, unknown.kind) == (503, "storage-unavailable")


async def test_with_temporal_down_nothing_is_promised_and_nothing_is_half_done(
    database_url: str, tmp_path: Path
) -> None:
    key, _ = await make_key(database_url)
    server = TemporalServer(free_port(), free_port(), db_file=None, log_file=tmp_path / "temporal.log")
    async with running_api(database_url, server.address, key=key, start_timeout=1) as api:
        answer = await api.submit()
        assert (answer.status, answer.kind) == (503, "orchestrator-unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert (await api.get("/v1/notifications")).json["total"] == 0
        ready = await api.get("/health/ready", key=None)
        assert (ready.status, ready.json["parts"]) == (503, ["temporal"])
        # A notification that a 201 named may be in Temporal alone: "no" would be a guess.
        unknown = await api.get("/v1/notifications/0198f3a0-0000-7000-8000-000000000000")
        assert (unknown.status, unknown.kind) == (503, "orchestrator-unavailable")

        await server.start()
        try:

            async def accepted() -> bool:
                return (await api.submit()).status == 201

            await eventually(accepted)
            client = await Client.connect(server.address)

            async def workflows() -> int:
                return (await client.count_workflows()).count

            assert await eventually(workflows) == len(api.accepted)
            await server.stop(hurry=True)
            answer = await api.submit()
            assert (answer.status, answer.kind) == (503, "orchestrator-unavailable")
        finally:
            await server.stop(hurry=True)


async def test_it_starts_with_everything_down_and_leaks_nothing() -> None:
    async with running_api(NOWHERE, "127.0.0.1:1", key=new_secret()) as api:
        assert (await api.get("/health/live", key=None)).status == 200
        ready = await api.get("/health/ready", key=None)
        assert (ready.status, ready.json["parts"]) == (503, ["postgres", "temporal"])
        answer = await api.submit()
        assert (answer.status, answer.kind) == (503, "storage-unavailable")
        for said in (ready.text, answer.text):
            assert "hidden" not in said
            assert "127.0.0.1:1" not in said


async def test_a_database_without_tables_is_not_ready(
    empty_database_url: str, temporal_server: TemporalServer
) -> None:
    async with running_api(empty_database_url, temporal_server.address, key=new_secret()) as api:
        ready = await api.get("/health/ready", key=None)
        assert (ready.status, ready.json["parts"]) == (503, ["postgres"])


async def test_our_own_faults_are_answered_without_a_word_about_the_code(
    database_url: str, temporal_server: TemporalServer
) -> None:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        await knows(api)
        connection = await asyncpg.connect(database_url)
        await connection.execute("DROP TABLE notifications CASCADE")
        await connection.close()
        with capture_logs() as lines:
            answer = await api.get("/v1/notifications", headers={"X-Request-ID": "look-here"})
        assert (answer.status, answer.kind) == (500, "internal")
        assert answer.headers["X-Request-ID"] == "look-here"
        assert "notifications" not in answer.json["detail"]
        assert "Traceback" not in answer.text
        assert [line["event"] for line in lines] == ["request_failed", "request"]
        assert lines[0]["exc_info"]
