"""`tidings doctor` as a user runs it: beside a system that is well, and with any part of it away."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from aiohttp import web
from temporalio.api.operatorservice.v1 import RemoveSearchAttributesRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from tests.encryption import CONVERTER, KEY, OTHER_KEY
from tests.grpc_server import scripted_grpc
from tests.http_server import http_server
from tests.integration.api import make_key, running_api
from tests.integration.command_line import Ended, tidings
from tests.integration.database import open_engine
from tests.provider_support import running_sandbox
from tests.support import eventually, free_port
from tests.worker_process import worker_process
from tidings.database.migrations import downgrade, head
from tidings.database.provider_health import ProviderHealthRepository
from tidings.doctor import api as api_check
from tidings.doctor import notifications
from tidings.doctor.finding import Finding, State
from tidings.doctor.temporal import QUEUES
from tidings.domain.identifiers import new_id
from tidings.domain.vocabulary import Channel, Status
from tidings.local.temporal_server import TemporalServer
from tidings.temporal import names
from tidings.temporal.namespace_setup import set_up

NOWHERE = "postgresql://tidings:hidden@127.0.0.1:1/tidings"
STANDS_IN = {"TIDINGS_SANDBOX_STANDS_IN": "true"}
QUEUE_CHECKS = len(QUEUES)


@pytest.fixture
async def own_namespace(temporal_server: TemporalServer) -> Client:
    """A client of a namespace of the test's own, set up."""
    client = await Client.connect(temporal_server.address, namespace=f"test-{uuid4().hex}")
    await set_up(client, timedelta(days=3), lambda line: None)
    return client


async def doctor(*arguments: str, **environment: str) -> tuple[Ended, dict[str, dict[str, Any]]]:
    """How it ended, and its findings by check."""
    ended = await tidings("doctor", "--json", *arguments, **environment)
    assert "Traceback" not in ended.err
    report = json.loads(ended.out)
    assert report["ok"] is (ended.status == 0)
    return ended, {finding["check"]: finding for finding in report["findings"]}


def failed(findings: dict[str, dict[str, Any]]) -> set[str]:
    return {check for check, finding in findings.items() if finding["state"] == "failed"}


async def test_a_system_that_is_well_is_found_well(
    temporal_server: TemporalServer, own_namespace: Client, database_url: str, tmp_path: Path
) -> None:
    key, _ = await make_key(database_url)
    place = {"TEMPORAL_ADDRESS": temporal_server.address, "TEMPORAL_NAMESPACE": own_namespace.namespace}
    async with (
        running_sandbox() as sandbox,
        worker_process(
            tmp_path / "worker.log",
            temporal_address=temporal_server.address,
            database_url=database_url,
            smtp_port=free_port(),
            TEMPORAL_NAMESPACE=own_namespace.namespace,
        ),
        running_api(database_url, temporal_server.address, key=key, environment=place) as api,
    ):
        settings = {
            **place,
            "TIDINGS_DATABASE_URL": database_url,
            "TIDINGS_URL": api.url,
            "TIDINGS_API_KEY": key,
            "TIDINGS_SANDBOX_URL": sandbox.url,
            **STANDS_IN,
        }

        async def well() -> dict[str, dict[str, Any]]:
            # Every queue has its pollers a moment after the worker says that it is ready.
            ended, findings = await doctor(**settings)
            assert ended.status == 0, ended.out
            return findings

        findings = await eventually(well)
        readable = await tidings("doctor", **settings)
    assert {finding["state"] for finding in findings.values()} == {"ok"}
    assert findings["schema"]["found"] == f"at revision {head()}"
    kept = f"{own_namespace.namespace}, closed workflows are kept 3 days"
    assert findings["namespace"]["found"] == kept
    assert findings["api key"]["found"] == "the API takes it"
    queues = [finding["found"] for check, finding in findings.items() if check.startswith("queue ")]
    assert len(queues) == QUEUE_CHECKS
    assert all(found.startswith("1 worker, last asked ") for found in queues)
    assert {"clock (Postgres)", "clock (API)"} < set(findings)
    assert "the sandbox stands in" in findings["provider smtp"]["found"]
    assert readable.status == 0
    assert " 0 failed, 0 to look at." in readable.out
    assert key not in readable.out


async def test_with_everything_away_it_says_so_of_each_and_no_secret() -> None:
    ended, findings = await doctor(
        TIDINGS_DATABASE_URL=NOWHERE,
        TIDINGS_URL="http://127.0.0.1:1",
        TIDINGS_API_KEY="td_live_hidden",
        TEMPORAL_ADDRESS="127.0.0.1:1",
        TEMPORAL_API_KEY="hidden",
        TEMPORAL_TLS="false",
        TIDINGS_SANDBOX_URL="http://127.0.0.1:1",
        **STANDS_IN,
    )
    assert ended.status == 1
    assert failed(findings) == {"postgres", "temporal", "api", "sandbox"}
    assert "TIDINGS_DATABASE_URL" in findings["postgres"]["remedy"]
    assert "TEMPORAL_ADDRESS" in findings["temporal"]["found"]
    assert "TIDINGS_URL" in findings["api"]["remedy"]
    assert "hidden" not in ended.out + ended.err


async def test_what_is_not_set_up_is_said_with_the_remedy(
    temporal_server: TemporalServer, own_namespace: Client, database_url: str
) -> None:
    await own_namespace.operator_service.remove_search_attributes(
        RemoveSearchAttributesRequest(
            namespace=own_namespace.namespace, search_attributes=["NotificationStatus"]
        )
    )
    await downgrade(database_url, "-1")
    place = {"TEMPORAL_ADDRESS": temporal_server.address, "TIDINGS_DATABASE_URL": database_url}
    ended, findings = await doctor(TEMPORAL_NAMESPACE=own_namespace.namespace, **place)
    assert ended.status == 1
    assert "`tidings migrate`" in findings["schema"]["found"]
    assert "lacks the search attributes NotificationStatus" in findings["search attributes"]["found"]
    assert findings["notifications"]["state"] == "unchecked"
    queues = [finding for check, finding in findings.items() if check.startswith("queue ")]
    assert [(queue["found"], queue["remedy"]) for queue in queues] == [
        ("no worker; nothing waits", "start a worker: `tidings worker`")
    ] * QUEUE_CHECKS

    ended, findings = await doctor(TEMPORAL_NAMESPACE="no-such-namespace", **place)
    assert "no namespace 'no-such-namespace': `tidings migrate`" in findings["namespace"]["found"]
    assert "search attributes" not in findings


async def test_a_provider_that_keeps_failing_is_named_whatever_its_own_check_says(database_url: str) -> None:
    async with open_engine(database_url) as engine:
        await ProviderHealthRepository(engine).skip(
            Channel.EMAIL, "smtp", failures=5, code="smtp_452_4.3.1", seconds=60
        )
    place = {"TIDINGS_DATABASE_URL": database_url, "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    _, findings = await doctor(**place)
    found = findings["email by smtp"]
    assert found["state"] == "warning"
    assert found["found"].startswith("keeps failing, last smtp_452_4.3.1 at ")
    assert "docs/runbook.md#tidingsproviderfailing" in found["remedy"]
    last = (await tidings("doctor", **place)).out.splitlines()[-1]
    assert " 1 failed (temporal), " in last
    assert " to look at (email by smtp, " in last


async def test_many_that_are_stuck_are_told_from_the_few_that_always_fail(own_namespace: Client) -> None:
    async def start(count: int, status: Status) -> list[WorkflowHandle[Any, Any]]:
        attributes = TypedSearchAttributes(
            [
                SearchAttributePair(names.NOTIFICATION_STATUS, status.value),
                SearchAttributePair(names.NOTIFICATION_CHANNEL, "email"),
            ]
        )
        return [
            await own_namespace.start_workflow(
                names.WORKFLOW_TYPE,
                id=names.workflow_id(new_id()),
                task_queue="nobody",
                search_attributes=attributes,
            )
            for _ in range(count)
        ]

    async def says(found: str, state: State, remedy: str | None) -> None:
        async def said() -> bool:
            # Nothing is in Temporal's index at once.
            assert [*await notifications.look(own_namespace)] == [
                Finding("notifications", state, found, remedy)
            ]
            return True

        await eventually(said)

    await says("none of 0 of the last hour is stuck", State.OK, None)
    started = [*await start(9, Status.SENT), *await start(1, Status.FAILED)]
    try:
        await says("of 10 of the last hour 1 failed", State.OK, None)
        started += await start(2, Status.RETRYING)
        await says(
            "of 12 of the last hour 1 failed, 2 retrying",
            State.WARNING,
            "`tidings list --status retrying` says why",
        )
    finally:
        for handle in started:
            await handle.terminate()


async def test_what_waits_for_a_worker_is_counted(
    temporal_server: TemporalServer, own_namespace: Client
) -> None:
    handle = await own_namespace.start_workflow("Nothing", id="it", task_queue="tidings")

    async def counted() -> bool:
        _, findings = await doctor(
            TEMPORAL_ADDRESS=temporal_server.address, TEMPORAL_NAMESPACE=own_namespace.namespace
        )
        found = findings["queue tidings (workflows)"]["found"]
        return bool(found.startswith("no worker; 1 waiting, the oldest for "))

    try:
        await eventually(counted)
    finally:
        await handle.terminate()


@pytest.mark.parametrize(
    ("settings", "keys", "payloads"),
    [
        ({"TIDINGS_CODEC_KEYS": f"{OTHER_KEY} {KEY}"}, "other seals, tests only opens", None),
        ({"TIDINGS_CODEC_KEYS": str(OTHER_KEY)}, "other seals", "the key 'tests'"),
        ({"TIDINGS_CODEC_KEYS": f"tests:{str(OTHER_KEY).partition(':')[2]}"}, "tests seals", "same id"),
        ({"TIDINGS_CODEC": "off", "TIDINGS_CODEC_KEYS": str(KEY)}, "off", None),
    ],
    ids=["rotated", "missing", "another-of-the-same-id", "off-and-kept-to-open"],
)
async def test_keys_that_do_not_open_the_newest_notification_are_found(
    temporal_server: TemporalServer,
    own_namespace: Client,
    settings: dict[str, str],
    keys: str,
    payloads: str | None,
) -> None:
    sealing = Client(
        own_namespace.service_client, namespace=own_namespace.namespace, data_converter=CONVERTER
    )
    handle = await sealing.start_workflow(names.WORKFLOW_TYPE, "canary", id="it", task_queue="nobodys")

    async def found() -> dict[str, dict[str, Any]]:
        ended, findings = await doctor(
            TEMPORAL_ADDRESS=temporal_server.address,
            TEMPORAL_NAMESPACE=own_namespace.namespace,
            **settings,
        )
        assert "sealed payloads" in findings  # listed a moment after it began
        assert not any(secret in ended.out for secret in (str(KEY), str(OTHER_KEY)))
        return findings

    try:
        findings = await eventually(found)
    finally:
        await handle.terminate()
    assert keys in findings["codec keys"]["found"]
    assert findings["codec keys"]["state"] == ("warning" if "TIDINGS_CODEC" in settings else "ok")
    sealed = findings["sealed payloads"]
    assert sealed["state"] == ("failed" if payloads else "ok")
    assert (payloads or "sealed with tests") in sealed["found"]


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        pytest.param("", "`tidings codec new-key`", id="none"),
        pytest.param("k1:short", "TIDINGS_CODEC_KEYS: key 1 (k1)", id="one that cannot be read"),
    ],
)
async def test_without_a_codec_key_it_says_so_and_looks_at_all_of_temporal(
    temporal_server: TemporalServer, own_namespace: Client, keys: str, found: str
) -> None:
    _, findings = await doctor(
        TEMPORAL_ADDRESS=temporal_server.address,
        TEMPORAL_NAMESPACE=own_namespace.namespace,
        TIDINGS_CODEC_KEYS=keys,
    )
    assert findings["codec keys"]["state"] == "failed"
    assert found in findings["codec keys"]["found"]
    for check in ("temporal", "namespace", "search attributes"):
        assert findings[check]["state"] == "ok", findings[check]
    assert "no worker" in findings["queue tidings (workflows)"]["found"]


async def test_what_no_key_is_there_for_is_not_called_unreadable(
    temporal_server: TemporalServer, own_namespace: Client
) -> None:
    sealing = Client(
        own_namespace.service_client, namespace=own_namespace.namespace, data_converter=CONVERTER
    )
    handle = await sealing.start_workflow(names.WORKFLOW_TYPE, "canary", id="it", task_queue="nobodys")

    async def unchecked() -> bool:
        _, findings = await doctor(
            TEMPORAL_ADDRESS=temporal_server.address,
            TEMPORAL_NAMESPACE=own_namespace.namespace,
            TIDINGS_CODEC_KEYS="",
        )
        # Listed a moment after it began.
        return findings.get("sealed payloads", {}).get("state") == "unchecked"

    try:
        assert await eventually(unchecked)
    finally:
        await handle.terminate()


async def test_bad_settings_are_named_and_the_rest_is_looked_at_all_the_same(
    temporal_server: TemporalServer, own_namespace: Client
) -> None:
    ended, findings = await doctor(
        TEMPORAL_ADDRESS=temporal_server.address,
        TEMPORAL_NAMESPACE=own_namespace.namespace,
        TIDINGS_DATABASE_URL="nonsense",
        TIDINGS_TEMPORAL_RETENTION="nonsense",
    )
    assert ended.status == 1
    settings = [line for line in json.loads(ended.out)["findings"] if line["check"] == "settings"]
    said = " ".join(line["found"] for line in settings)
    assert "TIDINGS_DATABASE_URL" in said
    assert "TIDINGS_TEMPORAL_RETENTION" in said
    assert "TIDINGS_DATABASE_URL" in findings["postgres"]["found"]
    assert findings["temporal"]["state"] == "ok"


async def test_a_temporal_that_answers_nothing_costs_no_more_than_the_limit(
    database_url: str, tmp_path: Path
) -> None:
    server = TemporalServer(free_port(), free_port(), db_file=None, log_file=tmp_path / "temporal.log")
    await server.start()
    process = psutil.Process(server.pid)
    process.suspend()
    try:
        ended, findings = await doctor(
            "--limit", "2", TEMPORAL_ADDRESS=server.address, TIDINGS_DATABASE_URL=database_url
        )
    finally:
        process.resume()
        await server.stop(hurry=True)
    assert ended.status == 1
    assert findings["temporal"]["found"] == "no answer within 2 s"
    assert findings["postgres"]["state"] == "ok"


async def test_a_temporal_that_refuses_us_is_said_to() -> None:
    async with scripted_grpc({}) as server:
        _, findings = await doctor(TEMPORAL_ADDRESS=server.address)
    assert "Request unauthorized" in findings["temporal"]["found"]


async def test_an_api_with_another_clock_a_key_that_is_none_and_another_server_are_told_apart() -> None:
    async def ready(request: web.Request) -> web.Response:
        return web.json_response({}, headers={"Date": "Sat, 01 Jan 2000 00:00:00 GMT"})

    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=401)

    async with http_server(web.get("/health/ready", ready), web.get("/v1/notifications", refuse)) as url:
        found = await api_check.look(url, "td_live_x", expected=True)
        elsewhere = await api_check.look(f"{url}/elsewhere", None, expected=True)
    away = [await api_check.look(url, None, expected=expected) for expected in (True, False)]
    assert [finding.state for (finding,) in away] == [State.FAILED, State.UNCHECKED]
    assert [(finding.check, finding.state) for finding in found] == [
        ("api", State.OK),
        ("api key", State.FAILED),
        ("clock (API)", State.FAILED),
    ]
    assert "answered /health/ready with 404" in elsewhere[0].found
