"""A Temporal that is not set up, is not for us, or goes away: what everybody says then, and does later."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psutil
import pytest
from structlog.testing import capture_logs
from temporalio.api.operatorservice.v1 import RemoveSearchAttributesRequest
from temporalio.client import Client

from tests.encryption import CONVERTER
from tests.grpc_server import scripted_grpc
from tests.held_mail import held_mail
from tests.integration.api import make_key, running_api, signals
from tests.integration.command_line import tidings
from tests.integration.database import a_notification
from tests.provider_support import running_sandbox
from tests.support import eventually, free_port
from tests.worker_process import WorkerProcess, worker_process
from tidings.domain.identifiers import new_id
from tidings.local.temporal_server import TemporalServer
from tidings.temporal.namespace_setup import set_up
from tidings.temporal.notifications import NotificationWorkflows
from worker.namespace_watch import watch_namespace

MONTH = timedelta(days=30)


@pytest.fixture
async def nowhere(temporal_server: TemporalServer) -> Client:
    """A client of a namespace that is not there."""
    return await Client.connect(
        temporal_server.address, namespace=f"test-{uuid4().hex}", data_converter=CONVERTER
    )


@pytest.fixture
async def own_temporal(tmp_path: Path) -> AsyncIterator[TemporalServer]:
    """A Temporal that the test may stop."""
    server = TemporalServer(free_port(), free_port(), db_file=None, log_file=tmp_path / "temporal.log")
    await server.start()
    try:
        yield server
    finally:
        await server.stop(hurry=True)


def nothing(line: str) -> None:
    """Nobody is told."""


async def forget_attribute(client: Client) -> None:
    await client.operator_service.remove_search_attributes(
        RemoveSearchAttributesRequest(namespace=client.namespace, search_attributes=["NotificationStatus"])
    )


async def test_commands_name_a_namespace_that_is_not_there(
    temporal_server: TemporalServer, nowhere: Client, database_url: str
) -> None:
    for command in ("cancel", "retry"):
        ended = await tidings(
            *(command, str(new_id())),
            TEMPORAL_ADDRESS=temporal_server.address,
            TEMPORAL_NAMESPACE=nowhere.namespace,
            TIDINGS_DATABASE_URL=database_url,
        )
        assert ended.status == 1
        assert f"not done: Temporal has no namespace '{nowhere.namespace}': `tidings migrate`" in ended.out
        assert "not found" not in ended.out
        assert ended.err == ""


@pytest.mark.parametrize("missing", ["namespace", "search attribute"])
async def test_the_api_is_not_ready_promises_nothing_and_goes_on_once_it_is_set_up(
    temporal_server: TemporalServer, nowhere: Client, database_url: str, missing: str
) -> None:
    key, _ = await make_key(database_url)
    if missing == "search attribute":
        await set_up(nowhere, MONTH, nothing)
        await forget_attribute(nowhere)
        reason = "NotificationStatus"
    else:
        reason = f"no namespace '{nowhere.namespace}'"
    place = {"TEMPORAL_NAMESPACE": nowhere.namespace}
    async with running_api(database_url, temporal_server.address, key=key, environment=place) as api:
        with capture_logs() as lines:
            answer = await api.submit()
            ready = await api.get("/health/ready", key=None)
        assert (answer.status, answer.kind) == (503, "orchestrator-unavailable")
        assert answer.json["detail"].startswith("Temporal is not set up for this")
        assert (ready.status, ready.json["parts"]) == (503, ["temporal"])
        assert ready.json["detail"] == "Cannot be used now: temporal (not set up: `tidings migrate`)."
        said = {line["event"]: line["reason"] for line in lines if "reason" in line}
        for event in ("temporal_unavailable", "part_unavailable"):
            assert reason in said[event]
            assert "`tidings migrate`" in said[event]

        await set_up(nowhere, MONTH, nothing)
        assert (await api.get("/health/ready", key=None)).status == 200
        id = await api.submitted()
        await nowhere.get_workflow_handle(f"notification-{id}").terminate()


def waits(worker: WorkerProcess) -> list[float]:
    """How long it waits after each try, by its log."""
    lines = [json.loads(line) for line in worker.log_file.read_text().splitlines() if line.startswith("{")]
    return [line["retry_in_seconds"] for line in lines if line["message"] == "temporal_not_set_up"]


@pytest.mark.parametrize("missing", ["namespace", "search attribute"])
async def test_a_worker_waits_ever_longer_until_it_is_set_up(
    temporal_server: TemporalServer, nowhere: Client, database_url: str, tmp_path: Path, missing: str
) -> None:
    if missing == "search attribute":
        await set_up(nowhere, MONTH, nothing)
        await forget_attribute(nowhere)
    async with worker_process(
        tmp_path / "worker.log",
        temporal_address=temporal_server.address,
        database_url=database_url,
        smtp_port=free_port(),
        begins_with="temporal_not_set_up",
        TEMPORAL_NAMESPACE=nowhere.namespace,
    ) as worker:
        await eventually(lambda: waits(worker)[:2] == [2.0, 4.0])
        assert "`tidings migrate`" in worker.log_file.read_text()
        await set_up(nowhere, MONTH, nothing)
        await worker.says("worker_ready")
        assert len(waits(worker)) <= 4


async def test_a_running_worker_says_that_its_namespace_is_no_longer_set_up(nowhere: Client) -> None:
    await set_up(nowhere, MONTH, nothing)
    with capture_logs() as lines:
        watching = asyncio.create_task(watch_namespace(nowhere, every=0.2))
        try:
            await forget_attribute(nowhere)
            await eventually(lambda: len(lines) >= 2)
            assert not watching.done()
        finally:
            watching.cancel()
    assert {line["event"] for line in lines} == {"temporal_not_set_up"}
    assert "lacks the search attributes NotificationStatus: run `tidings migrate`" in lines[0]["error"]


async def test_a_search_attribute_that_goes_away_holds_workflows_up_and_loses_none(
    temporal_server: TemporalServer, nowhere: Client, database_url: str, tmp_path: Path
) -> None:
    await set_up(nowhere, MONTH, nothing)
    notification = a_notification()
    handle = nowhere.get_workflow_handle(f"notification-{notification.id}")

    async def tried_again() -> bool:
        description = await handle.describe()
        return description.raw_description.pending_workflow_task.attempt >= 2

    async with (
        held_mail() as mail,
        worker_process(
            tmp_path / "worker.log",
            temporal_address=temporal_server.address,
            database_url=database_url,
            smtp_port=mail.port,
            TEMPORAL_NAMESPACE=nowhere.namespace,
        ) as worker,
    ):
        mail.hold()
        await NotificationWorkflows(nowhere, "http://127.0.0.1:8233").start(notification)
        await eventually(lambda: mail.waiting)
        await forget_attribute(nowhere)
        mail.let_go()
        await eventually(tried_again)
        assert "no mapping defined for search attribute NotificationStatus" in worker.log_file.read_text()

        await set_up(nowhere, MONTH, nothing)
        await asyncio.wait_for(handle.result(), 60)
        assert len(mail.inbox) == 1


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TEMPORAL_TLS": "true"}, ["TEMPORAL_TLS_…"]),
        ({"TEMPORAL_API_KEY": "a-secret-key"}, ["TEMPORAL_API_KEY"]),
        ({"TEMPORAL_TLS_CLIENT_CERT_DATA": "x", "TEMPORAL_TLS_CLIENT_KEY_DATA": "y"}, ["TEMPORAL_TLS_…"]),
    ],
    ids=["tls", "key", "certificate"],
)
async def test_commands_name_the_settings_that_do_not_fit(
    temporal_server: TemporalServer, environment: dict[str, str], said: list[str]
) -> None:
    ended = await tidings("cancel", str(new_id()), TEMPORAL_ADDRESS=temporal_server.address, **environment)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1), ended
    assert all(word in ended.err for word in said), ended.err
    assert "a-secret-key" not in ended.err


async def test_commands_name_the_settings_where_temporal_refuses_us() -> None:
    async with scripted_grpc({}) as server:
        ended = await tidings("cancel", str(new_id()), TEMPORAL_ADDRESS=server.address)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1), ended
    assert "PermissionDenied: Request unauthorized." in ended.err


async def waiting_workflow(server: TemporalServer) -> tuple[Client, UUID]:
    """A notification that no worker has taken up: a cancel waits a while for one to answer."""
    client = await Client.connect(server.address, data_converter=CONVERTER)
    notification = a_notification()
    await NotificationWorkflows(client, "http://127.0.0.1:8233").start(notification)
    return client, notification.id


async def test_a_temporal_killed_under_a_command_is_said_of_each_id(own_temporal: TemporalServer) -> None:
    client, id = await waiting_workflow(own_temporal)
    other = new_id()
    command = asyncio.create_task(
        tidings("cancel", str(id), str(other), TEMPORAL_ADDRESS=own_temporal.address)
    )

    async def signalled() -> bool:
        return bool(await signals(client, str(id)))

    await eventually(signalled)
    psutil.Process(own_temporal.pid).kill()
    ended = await command
    assert ended.status == 1
    first, second = ended.out.splitlines()
    assert first.startswith(f"{id}  not known what came of it: Temporal does not answer (UNAVAILABLE")
    assert second == f"{other}  not tried"
    assert ended.err == ""


async def test_a_postgres_that_is_away_keeps_no_other_id_from_being_seen_to(
    own_temporal: TemporalServer,
) -> None:
    client, id = await waiting_workflow(own_temporal)
    unknown = new_id()
    ended = await tidings(
        *("cancel", str(unknown), str(id)),
        TEMPORAL_ADDRESS=own_temporal.address,
        TIDINGS_DATABASE_URL=f"postgresql://tidings@127.0.0.1:{free_port()}/tidings",
    )
    assert (ended.status, ended.err) == (1, "")
    first, second = ended.out.splitlines()
    assert first.startswith(f"{unknown}  not done: Temporal does not have it, and Postgres is not available")
    assert second.startswith(f"{id}  will be cancelled")
    assert await signals(client, str(id)) == ["cancel"]


@pytest.mark.parametrize("command", ["cancel", "retry"])
async def test_a_temporal_that_answers_nothing_is_said_soon(
    own_temporal: TemporalServer, database_url: str, command: str
) -> None:
    server = psutil.Process(own_temporal.pid)
    server.suspend()
    try:
        ended = await tidings(
            *(command, str(new_id())),
            TEMPORAL_ADDRESS=own_temporal.address,
            TIDINGS_DATABASE_URL=database_url,
        )
    finally:
        server.resume()
    assert (ended.status, ended.out) == (1, "")
    said = f"Temporal at {own_temporal.address} does not answer within 10 s: see TEMPORAL_ADDRESS."
    assert ended.err == f"tidings: {said}\n"


async def test_with_temporal_gone_what_goes_by_the_api_says_so_and_tenants_are_there(
    own_temporal: TemporalServer, database_url: str
) -> None:
    key, _ = await make_key(database_url)
    async with running_api(database_url, own_temporal.address, key=key, start_timeout=1) as api:
        place = {"TIDINGS_URL": api.url, "TIDINGS_API_KEY": key, "TIDINGS_DATABASE_URL": database_url}
        psutil.Process(own_temporal.pid).kill()
        await own_temporal.exited()
        mail = ("--channel", "email", "--to", "ada@example.com", "--subject", "Hello", "--body", "Hi")
        for command in (("send", *mail, "--retry-for", "0"), ("schedules", "list")):
            ended = await tidings(*command, **place)
            assert (ended.status, ended.out) == (1, ""), ended
            assert "Temporal cannot be reached" in ended.err
            assert "Traceback" not in ended.err
        assert (await tidings("tenants", "list", **place)).status == 0


async def test_a_worker_goes_on_when_temporal_comes_back(
    own_temporal: TemporalServer, database_url: str, tmp_path: Path
) -> None:
    key, _ = await make_key(database_url)
    async with (
        running_sandbox() as sandbox,
        worker_process(
            tmp_path / "worker.log",
            temporal_address=own_temporal.address,
            database_url=database_url,
            smtp_port=sandbox.smtp_port,
        ) as worker,
        running_api(database_url, own_temporal.address, key=key) as api,
    ):
        psutil.Process(own_temporal.pid).kill()
        await own_temporal.exited()
        assert (await api.get("/health/ready", key=None)).json["parts"] == ["temporal"]
        await own_temporal.start()

        async def accepted() -> bool:
            return (await api.submit()).status == 201

        await eventually(accepted)

        async def sent() -> bool:
            listed = await api.get("/v1/notifications?status=sent")
            return bool(listed.json["data"])

        await eventually(sent)
        assert worker.process.returncode is None


async def test_a_refused_worker_tries_no_oftener_than_it_says(database_url: str, tmp_path: Path) -> None:
    async with (
        scripted_grpc({}) as server,
        worker_process(
            tmp_path / "worker.log",
            temporal_address=server.address,
            database_url=database_url,
            smtp_port=free_port(),
            begins_with="temporal_unreachable",
            TEMPORAL_API_KEY="a-secret-key",
            TEMPORAL_TLS="false",
        ) as worker,
    ):
        log = worker.log_file

        def second_wait() -> bool:
            return '"retry_in_seconds": 4.0' in log.read_text()

        await eventually(second_wait)
        tries = log.read_text().count('"temporal_unreachable"')
        # A connection asks once who the server is.
        assert server.asked.total() == tries == 2
    assert "TEMPORAL_API_KEY" in log.read_text()
    assert "a-secret-key" not in log.read_text()
