"""`Idempotency-Key` over HTTP, with real Postgres, real Temporal and, where one is needed, a real worker."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import PostgresDsn
from temporalio.client import Client

from tests.integration.api import EMAIL, Answer, Api, forgotten, make_key, reaches, running_api
from tests.provider_support import RunningSandbox, running_sandbox
from tests.support import eventually
from tests.workers import at_work
from tests.workflows.delivery import delivery_worker
from tidings.domain.identifiers import id_from_key
from tidings.errors import PermanentFailure
from tidings.local.temporal_server import TemporalServer
from tidings.settings import DatabaseSettings, DeliverySettings, ProviderSettings, WorkerSettings
from tidings.temporal import names
from worker.composition import WorkerConfiguration, build_workers

PATH = "/v1/notifications"
JSON = {"Content-Type": "application/json"}
REFUSED = PermanentFailure("smtp_550", "no such mailbox")


@pytest.fixture
def tenant() -> str:
    """A tenant that has no workflows in Temporal yet."""
    return f"tenant-{uuid4().hex}"


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer, tenant: str) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url, tenant)
    # Patient: a hundred requests at once take their time on a busy machine.
    async with running_api(database_url, temporal_server.address, key=key, start_timeout=30) as api:
        yield api


@asynccontextmanager
async def real_worker(database_url: str, client: Client) -> AsyncIterator[RunningSandbox]:
    """The worker as it is shipped, which sends to the sandbox."""
    async with running_sandbox() as sandbox:
        configuration = WorkerConfiguration(
            database=DatabaseSettings(database_url=PostgresDsn(database_url)),
            providers=ProviderSettings(
                smtp_host="127.0.0.1", smtp_port=sandbox.smtp_port, sandbox_url=sandbox.url
            ),
            delivery=DeliverySettings(retry_window=0),
            worker=WorkerSettings(worker_shutdown_timeout=1),
        )
        async with build_workers(client, configuration) as workers, at_work(*workers):
            yield sandbox


async def submit(api: Api, key: str, *, as_tenant: str = "", **fields: Any) -> Answer:
    """Submit an e-mail with these fields changed, under an idempotency key."""
    return await api.post(PATH, json=EMAIL | fields, headers={"Idempotency-Key": key}, key=as_tenant)


def is_replay(answer: Answer) -> bool:
    assert answer.status == 201, answer.text
    assert answer.headers["Location"] == f"{PATH}/{answer.json['id']}"
    return bool(answer.headers.get("Idempotent-Replayed") == "true")


async def workflows_of(client: Client, tenant: str) -> list[str]:
    """The ids of all the tenant's workflow runs, as soon as Temporal's list, which lags, has any."""

    async def listed() -> list[str]:
        return [run.id async for run in client.list_workflows(f'NotificationTenant = "{tenant}"')]

    return await eventually(listed)


async def test_the_same_key_and_body_give_the_first_notification_again(
    api: Api, temporal_client: Client, tenant: str
) -> None:
    first = await submit(api, "order-1042", metadata={"order": 1042})
    assert not is_replay(first)
    again = await submit(api, "order-1042", metadata={"order": 1042})
    assert is_replay(again)
    assert again.json == first.json
    assert UUID(first.json["id"]).version == 8
    assert await workflows_of(temporal_client, tenant) == [first.json["workflow"]["id"]]
    # Without a key, and under another one, each submission is a notification.
    others = [await api.submit(metadata={"order": 1042}), await submit(api, "order-1043")]
    assert not any(is_replay(other) for other in others)
    assert len({first.json["id"], *(other.json["id"] for other in others)}) == 3


async def test_the_order_of_keys_and_whitespace_make_no_other_body(api: Api) -> None:
    first = await submit(api, "k", metadata={"a": 1, "b": [{"c": 1, "d": 2}]})
    body = dict(reversed(EMAIL.items())) | {"metadata": {"b": [{"d": 2, "c": 1}], "a": 1}}
    again = await api.post(
        PATH,
        data=json.dumps(body, indent=4),
        headers={"Idempotency-Key": "k"} | JSON,
    )
    assert is_replay(again)
    assert again.json == first.json


async def test_the_same_key_with_another_body_is_refused_and_changes_nothing(
    api: Api, temporal_client: Client, tenant: str
) -> None:
    first = await submit(api, "k")
    others: list[dict[str, Any]] = [{"body": "Hello, Eve."}, {"tags": []}]
    for other in others:
        answer = await submit(api, "k", **other)
        assert (answer.status, answer.kind) == (422, "idempotency-key-reused")
        assert [error["pointer"] for error in answer.json["errors"]] == ["/Idempotency-Key"]
        assert "a key of its own" in answer.json["detail"]
    assert is_replay(await submit(api, "k"))
    assert await workflows_of(temporal_client, tenant) == [first.json["workflow"]["id"]]


async def test_each_tenant_has_its_keys_to_itself(api: Api, database_url: str) -> None:
    ours = await submit(api, "k")
    other, _ = await make_key(database_url, "other")
    # Not even another body tells that somebody else has used the key.
    theirs = await submit(api, "k", as_tenant=other, body="Hello, Eve.")
    assert not is_replay(theirs)
    assert theirs.json["id"] != ours.json["id"]
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
        answer = await api.call(method, f"{PATH}/{ours.json['id']}{path}", key=other)
        assert (answer.status, answer.kind) == (404, "not-found")


async def test_a_refused_submission_does_not_use_up_its_key(api: Api) -> None:
    for refused in ({"subject": None}, {"expires_at": "2020-01-01T00:00:00Z"}, {"bogus": 1}):
        answer = await submit(api, "k", **refused)
        assert (answer.status, answer.kind) == (422, "validation")
    no_json = await api.post(PATH, data=b"{", headers={"Idempotency-Key": "k"} | JSON)
    assert no_json.status == 400
    assert not is_replay(await submit(api, "k"))


@pytest.mark.parametrize("worker", ["meanwhile", "afterwards"])
async def test_a_hundred_requests_at_once_make_one_notification_one_workflow_and_one_delivery(
    api: Api, database_url: str, temporal_client: Client, tenant: str, worker: str
) -> None:
    recipient = f"{tenant}@example.com"

    async def hundred() -> list[Answer]:
        return await asyncio.gather(*(submit(api, "k", recipient=recipient) for _ in range(100)))

    answers = await hundred() if worker == "afterwards" else []
    async with real_worker(database_url, temporal_client) as sandbox:
        answers = answers or await hundred()
        assert [answer.status for answer in answers] == [201] * 100
        assert len({answer.json["id"] for answer in answers}) == 1
        assert sorted(is_replay(answer) for answer in answers) == [False] + [True] * 99
        await reaches(api, answers[0].json["id"], "sent")
        await temporal_client.get_workflow_handle(answers[0].json["workflow"]["id"]).result()
        assert len(sandbox.sandbox.inbox.select(recipient=recipient)) == 1
    assert (await api.get(PATH)).json["total"] == 1
    assert await workflows_of(temporal_client, tenant) == [answers[0].json["workflow"]["id"]]


async def test_a_replay_shows_the_notification_as_it_stands_even_when_temporal_has_forgotten_it(
    api: Api, database_url: str, temporal_client: Client, tenant: str
) -> None:
    first = await submit(api, "k", recipient=f"{tenant}@example.com")
    async with real_worker(database_url, temporal_client) as sandbox:
        sent = (await reaches(api, first.json["id"], "sent")).json
        del sent["body"], sent["attempts"], sent["receipts"]
        again = await submit(api, "k", recipient=f"{tenant}@example.com")
        assert is_replay(again)
        assert again.json == sent
        await temporal_client.get_workflow_handle(first.json["workflow"]["id"]).result()
        await forgotten(temporal_client, first.json["id"])

        again = await submit(api, "k", recipient=f"{tenant}@example.com")
        assert is_replay(again)
        assert again.json == sent
        other = await submit(api, "k", recipient=f"{tenant}@example.com", body="Hello, Eve.")
        assert (other.status, other.kind) == (422, "idempotency-key-reused")
        # Nothing was started: a notification that came later has come through, and no second one before it.
        await reaches(api, (await submit(api, "later")).json["id"], "sent")
        assert len(sandbox.sandbox.inbox.select(recipient=f"{tenant}@example.com")) == 1
    assert (await api.get(PATH)).json["total"] == 2


async def test_a_replay_is_known_to_every_api_process_and_after_a_restart(
    api: Api, database_url: str, temporal_server: TemporalServer
) -> None:
    first = await submit(api, "k")
    async with running_api(database_url, temporal_server.address, key=api.key) as successor:
        again = await submit(successor, "k")
        assert is_replay(again)
        assert again.json == first.json


async def test_while_temporal_is_away_a_known_key_is_replayed_and_a_new_one_promises_nothing(
    api: Api, database_url: str, temporal_client: Client
) -> None:
    first = await submit(api, "k")
    async with real_worker(database_url, temporal_client):
        sent = (await reaches(api, first.json["id"], "sent")).json
    async with running_api(database_url, "127.0.0.1:1", key=api.key, start_timeout=1) as cut_off:
        again = await submit(cut_off, "k")
        assert is_replay(again)
        assert again.json["status"] == sent["status"]
        other = await submit(cut_off, "k", body="Hello, Eve.")
        assert (other.status, other.kind) == (422, "idempotency-key-reused")
        new = await submit(cut_off, "new")
        assert (new.status, new.kind) == (503, "orchestrator-unavailable")
    assert not is_replay(await submit(api, "new"))


async def test_a_postgres_that_hangs_does_not_hold_up_submissions_under_a_key(
    api: Api, database_url: str, temporal_client: Client, tenant: str
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE notifications")
            first = await submit(api, "k")
            again = await submit(api, "k")
            other = await submit(api, "k", body="Hello, Eve.")
    finally:
        await connection.close()
    assert (is_replay(first), is_replay(again)) == (False, True)
    assert (other.status, other.kind) == (422, "idempotency-key-reused")
    assert await workflows_of(temporal_client, tenant) == [first.json["workflow"]["id"]]
    assert (await api.get(PATH)).json["total"] == 0


async def test_a_body_that_was_valid_when_it_came_is_replayed_after_its_time(
    api: Api, database_url: str, temporal_client: Client
) -> None:
    due = datetime.now(UTC) + timedelta(seconds=3)
    times = {"send_at": (due - timedelta(seconds=1)).isoformat(), "expires_at": due.isoformat()}
    first = await submit(api, "k", **times)
    assert not is_replay(first)
    await eventually(lambda: datetime.now(UTC) > due)
    # No worker has run, so only Temporal knows of it.
    again = await submit(api, "k", **times)
    assert is_replay(again)
    assert again.json["id"] == first.json["id"]
    late = await submit(api, "another", **times)
    assert (late.status, late.pointers) == (422, ["/expires_at"])
    other = await submit(api, "k", **times, body="Hello, Eve.")
    assert (other.status, other.kind) == (422, "idempotency-key-reused")

    async with real_worker(database_url, temporal_client):
        await reaches(api, first.json["id"], "expired")
        await temporal_client.get_workflow_handle(first.json["workflow"]["id"]).result()
    await forgotten(temporal_client, first.json["id"])
    again = await submit(api, "k", **times)
    assert is_replay(again)
    assert again.json["status"] == "expired"


async def test_a_retry_by_hand_is_never_blocked_by_the_notifications_own_key(
    api: Api, temporal_client: Client
) -> None:
    async with delivery_worker(temporal_client, [REFUSED, None]) as delivery:
        id = (await submit(api, "k")).json["id"]
        await reaches(api, id, "failed")
        again = await submit(api, "k")
        assert is_replay(again)
        assert (again.json["status"], again.json["error"]["code"]) == ("failed", "smtp_550")
        retried = await api.post(f"{PATH}/{id}/retry")
        assert retried.status == 200, retried.text
        await reaches(api, id, "sent")
        assert is_replay(await submit(api, "k"))
        assert len(delivery.provider.calls) == 2


async def test_a_notification_that_cannot_be_shown_promises_nothing(
    api: Api, temporal_client: Client, tenant: str
) -> None:
    # Its tenant is not to be seen in Temporal, so nobody may be told of it.
    handle = await temporal_client.start_workflow(
        "Other", id=names.workflow_id(id_from_key(tenant, "k")), task_queue="nobody"
    )
    try:
        answer = await submit(api, "k")
        assert (answer.status, answer.kind) == (503, "orchestrator-unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    finally:
        await handle.terminate()


async def test_what_is_no_key_is_refused_and_starts_nothing(
    api: Api, temporal_client: Client, tenant: str
) -> None:
    bad = {
        "empty": [b""],
        "blank": [b" "],
        "too long": [b"k" * 256],
        "with a space": [b"a b"],
        "with a tab": [b"a\tb"],
        "UTF-8": ["é".encode()],
        "Latin-1": ["é".encode("latin-1")],
        "twice": [b"a", b"b"],
        "twice the same": [b"a", b"a"],
    }
    for name, keys in bad.items():
        status, problem = await raw_submission(api, keys)
        pointers = [error["pointer"] for error in problem.get("errors", [])]
        said = (name, status, problem.get("type"), pointers)
        assert said == (name, 422, "/problems/validation", ["/Idempotency-Key"]), problem
    # These are no HTTP (RFC 9110, section 5.5): the server's parser stops there.
    for byte in b"\x00\x01\x1b\x7f":
        status, _ = await raw_submission(api, [b"a" + bytes([byte]) + b"b"])
        assert status == 400
    assert not is_replay(await submit(api, "k" * 255))
    assert len(await workflows_of(temporal_client, tenant)) == 1
    assert (await api.get(PATH)).json["total"] == 0


async def raw_submission(api: Api, keys: list[bytes]) -> tuple[int, Any]:
    """A submission whose keys no HTTP client has looked at: the answer's status and its document."""
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps(EMAIL).encode()
    lines = [
        b"POST /v1/notifications HTTP/1.1",
        b"Host: " + host.encode(),
        b"Authorization: Bearer " + api.key.encode(),
        b"Content-Type: application/json",
        b"Content-Length: " + str(len(body)).encode(),
        b"Connection: close",
        *(b"Idempotency-Key: " + key for key in keys),
    ]
    writer.write(b"\r\n".join([*lines, b"", body]))
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, content = answer.partition(b"\r\n\r\n")
    try:
        return int(head.split()[1]), json.loads(content)
    except ValueError:
        return int(head.split()[1]), {"text": content}
