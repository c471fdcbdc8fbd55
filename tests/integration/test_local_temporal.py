"""The local Temporal server: what it keeps over a crash, and where it listens."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from tests.support import eventually, free_port
from tidings.local.temporal_server import TemporalServer, answers
from tidings.temporal.names import NOTIFICATION_STATUS


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[TemporalServer]:
    server = TemporalServer(
        free_port(), free_port(), db_file=tmp_path / "db" / "temporal.db", log_file=tmp_path / "temporal.log"
    )
    yield server
    await server.stop(hurry=True)


async def start_workflow(server: TemporalServer, workflow_id: str) -> None:
    client = await Client.connect(server.address)
    await client.start_workflow(
        "Nothing",
        id=workflow_id,
        task_queue="nobody",
        search_attributes=TypedSearchAttributes([SearchAttributePair(NOTIFICATION_STATUS, "pending")]),
    )


async def pending(server: TemporalServer) -> set[str]:
    client = await Client.connect(server.address)
    return {found.id async for found in client.list_workflows("NotificationStatus = 'pending'")}


async def test_workflows_and_search_attributes_survive_kill_and_stop(server: TemporalServer) -> None:
    await server.start()
    await start_workflow(server, "before-kill")
    process = psutil.Process(server.pid)
    process.kill()
    await server.exited()

    await server.start()
    await start_workflow(server, "before-stop")
    await server.stop()
    assert server.pid is None

    await server.start()
    await eventually(lambda: _is(server, {"before-kill", "before-stop"}))


async def test_the_web_ui_is_told_where_payloads_are_opened(tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}/v1/codec"
    server = TemporalServer(
        free_port(),
        free_port(),
        db_file=None,
        log_file=tmp_path / "temporal.log",
        codec_endpoint=endpoint,
    )
    await server.start()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{server.ui_url}/api/v1/settings") as told,
        ):
            assert (await told.json())["Codec"]["Endpoint"] == endpoint
    finally:
        await server.stop(hurry=True)


async def _is(server: TemporalServer, expected: set[str]) -> bool:
    found = await pending(server)
    assert found == expected
    return True


async def test_listens_on_loopback_only_and_serves_the_web_ui(server: TemporalServer) -> None:
    await server.start()
    listening = {
        connection.laddr.ip
        for connection in psutil.Process(server.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    assert await answers(f"{server.ui_url}/namespaces/default/workflows")


async def test_a_living_server_of_our_file_is_ended_first(server: TemporalServer) -> None:
    await server.start()
    successor = TemporalServer(server.port, server.ui_port, db_file=server.db_file, log_file=server.log_file)
    await successor.start()
    try:
        assert server.pid is None
    finally:
        await successor.stop(hurry=True)
