"""Fixtures shared by all tests: a real Postgres, a real Temporal, and Temporal's time-skipping server."""

import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from tests.encryption import CODEC_KEYS, CONVERTER
from tests.figures import Figures
from tests.support import free_port
from tidings.local.postgres import PostgresServer
from tidings.local.temporal_server import NAMESPACE, TemporalServer
from tidings.temporal.names import SEARCH_ATTRIBUTES

# Processes that tests start have it too.
os.environ["TIDINGS_CODEC_KEYS"] = CODEC_KEYS

# A shell lets what it runs in the background ignore Ctrl-C, and all that it starts in turn.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--figures", type=Path, metavar="FILE", help="write what the run has shown to FILE")


def pytest_configure(config: pytest.Config) -> None:
    if (file := config.getoption("--figures")) is not None:
        config.pluginmanager.register(Figures(file))


@pytest.fixture(scope="session")
async def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PostgresServer]:
    """A Postgres server of the test run's own; `dsn` is its maintenance database's."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres") / "data", free_port())
    await server.start()
    try:
        yield server
    finally:
        await server.stop(hurry=True)


@asynccontextmanager
async def _database(server: PostgresServer, template: str = "template1") -> AsyncIterator[str]:
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(server.dsn)
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        yield server.database_url(name)
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def _migrated_template(postgres_server: PostgresServer) -> AsyncIterator[str]:
    from tidings.database.migrations import upgrade

    async with _database(postgres_server) as url:
        await upgrade(url)
        yield url.rpartition("/")[2]


@pytest.fixture
async def database_url(postgres_server: PostgresServer, _migrated_template: str) -> AsyncIterator[str]:
    """The address of a fresh, fully migrated database of the test's own."""
    async with _database(postgres_server, _migrated_template) as url:
        yield url


@pytest.fixture
async def empty_database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The address of a fresh, empty database of the test's own."""
    async with _database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
async def shared_temporal_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TemporalServer]:
    """A Temporal server of the test run's own, in memory, with our search attributes."""
    log_file = tmp_path_factory.mktemp("temporal") / "temporal.log"
    server = TemporalServer(
        free_port(),
        free_port(),
        db_file=None,
        log_file=log_file,
        # Drops a closed workflow when told to, not half a minute later.
        dynamic_config=["history.transferProcessorEnsureCloseBeforeDelete=false"],
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop(hurry=True)


@pytest.fixture(scope="session")
async def _sweeper(shared_temporal_server: TemporalServer) -> Client:
    return await Client.connect(shared_temporal_server.address, namespace=NAMESPACE)


@pytest.fixture
async def temporal_server(
    shared_temporal_server: TemporalServer, _sweeper: Client
) -> AsyncIterator[TemporalServer]:
    """The run's Temporal server. What a test leaves open ends with it: no later test's worker picks it up."""
    yield shared_temporal_server
    async for execution in _sweeper.list_workflows("ExecutionStatus = 'Running'"):
        with contextlib.suppress(RPCError):
            await _sweeper.get_workflow_handle(execution.id).terminate()


@pytest.fixture
async def temporal_client(temporal_server: TemporalServer) -> Client:
    """A client of `temporal_server`, with the data converter of all our processes."""
    return await Client.connect(temporal_server.address, namespace=NAMESPACE, data_converter=CONVERTER)


@pytest.fixture(scope="session")
async def time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    """Temporal's time-skipping test server, with our search attributes."""
    program = Path(sys.executable).with_name("temporal-test-server")
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(program), data_converter=CONVERTER
    )
    async with environment:
        # The server wedges a workflow task that upserts an attribute it does not know.
        await environment.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=environment.client.namespace,
                search_attributes={
                    attribute.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
                    for attribute in SEARCH_ATTRIBUTES
                },
            )
        )
        yield environment
