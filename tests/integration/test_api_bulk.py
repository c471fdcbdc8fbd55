"""`POST /v1/notifications/bulk` with real Postgres and real Temporal: each item for itself."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from temporalio.client import Client

from tests.integration.api import EMAIL, Answer, Api, make_key, running_api
from tests.support import eventually, free_port
from tidings.domain.api_key import new_secret
from tidings.domain.identifiers import id_from_key
from tidings.domain.vocabulary import KeyMode
from tidings.local.temporal_server import TemporalServer
from tidings.temporal import names

PATH = "/v1/notifications/bulk"
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def tenant() -> str:
    """A tenant that has no workflows in Temporal yet."""
    return f"tenant-{uuid4().hex}"


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer, tenant: str) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url, tenant)
    async with running_api(database_url, temporal_server.address, key=key, start_timeout=30) as api:
        yield api


async def bulk(api: Api, items: list[Any], **request: Any) -> list[dict[str, Any]]:
    """Submit the items; the answer to each."""
    answer = await api.post(PATH, json={"notifications": items}, **request)
    assert answer.status == 207, answer.text
    data: list[dict[str, Any]] = answer.json["data"]
    assert len(data) == len(items)
    api.accepted.extend(item["notification"]["id"] for item in data if item["status"] == 201)
    return data


def kind_of(item: dict[str, Any]) -> str:
    assert item["problem"]["status"] == item["status"]
    kind: str = item["problem"]["type"].removeprefix("/problems/")
    return kind


def pointers_of(item: dict[str, Any]) -> list[str]:
    return [error["pointer"] for error in item["problem"]["errors"]]


async def workflows_of(client: Client, tenant: str, count: int) -> set[str]:
    """The ids of the tenant's workflow runs, as soon as Temporal's list, which lags, has so many."""

    async def listed() -> list[str]:
        ids = [run.id async for run in client.list_workflows(f'NotificationTenant = "{tenant}"')]
        assert len(ids) >= count
        return ids

    ids = await eventually(listed)
    assert len(ids) == len(set(ids)) == count
    return set(ids)


async def test_a_thousand_items_are_answered_in_order_and_each_has_its_workflow(
    api: Api, temporal_client: Client, tenant: str
) -> None:
    items = [EMAIL | {"recipient": f"user-{number}@example.com"} for number in range(1_000)]
    answers = await bulk(api, items)
    assert {answer["status"] for answer in answers} == {201}
    assert {answer["replayed"] for answer in answers} == {False}
    assert [answer["notification"]["recipient"] for answer in answers] == [
        item["recipient"] for item in items
    ]
    started = {answer["notification"]["workflow"]["id"] for answer in answers}
    assert await workflows_of(temporal_client, tenant, 1_000) == started


async def test_each_answer_is_the_one_that_the_item_would_get_alone(api: Api) -> None:
    item = EMAIL | {"metadata": {"é": [1.5, None]}, "send_at": "2000-01-01T00:00:00Z", "tags": ["a"]}
    (answer,) = await bulk(api, [item])
    found = await api.get(f"/v1/notifications/{answer['notification']['id']}")
    assert found.status == 200
    assert answer["notification"].items() <= found.json.items()
    alone = (await api.submit(**item)).json
    assert list(answer["notification"]) == list(alone)


async def test_one_bad_item_harms_no_other(api: Api, temporal_client: Client, tenant: str) -> None:
    bad: list[tuple[Any, list[str]]] = [
        (EMAIL | {"recipient": "nobody"}, ["/recipient"]),
        (EMAIL | {"bogus": 1, "channel": "pigeon"}, ["/channel", "/bogus"]),
        ({}, ["/channel", "/recipient", "/body"]),
        ("an email", [""]),
        (None, [""]),
        ([EMAIL], [""]),
        (EMAIL | {"metadata": {"secret": "x" * 17_000}}, ["/metadata"]),
        (EMAIL | {"idempotency_key": ""}, ["/idempotency_key"]),
        (EMAIL | {"idempotency_key": "two words"}, ["/idempotency_key"]),
        (EMAIL | {"idempotency_key": "k" * 256}, ["/idempotency_key"]),
        (EMAIL | {"idempotency_key": 1042}, ["/idempotency_key"]),
        (EMAIL | {"expires_at": "2000-01-01T00:00:00Z"}, ["/expires_at"]),
        (EMAIL | {"attachments": [{"filename": "a", "content": "?"}]}, []),
        (EMAIL | {"\ud800".encode("utf-8", "replace").decode(): 1}, ["/?"]),
    ]
    items = [part for item, _ in bad for part in (item, EMAIL)]
    answers = await bulk(api, items)
    assert [answer["status"] for answer in answers] == [422, 201] * len(bad)
    for place, (answer, (item, pointers)) in enumerate(zip(answers[::2], bad, strict=True)):
        assert kind_of(answer) == "validation", item
        assert answer["problem"]["instance"] == f"{PATH}#/notifications/{2 * place}"
        if pointers:
            assert pointers_of(answer) == pointers
        assert "xxx" not in json.dumps(answer)
    assert len(await workflows_of(temporal_client, tenant, len(bad))) == len(bad)


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ({"notifications": []}, ["/notifications"]),
        ({"notifications": [EMAIL] * 1_001}, ["/notifications"]),
        ({"notifications": EMAIL}, ["/notifications"]),
        ({"notifications": None}, ["/notifications"]),
        ({}, ["/notifications"]),
        ({"notifications": [EMAIL], "tenant": "other"}, ["/tenant"]),
        ([EMAIL], [""]),
        (None, [""]),
        (EMAIL, ["/notifications", "/channel", "/recipient", "/subject", "/body"]),
    ],
    ids=["none", "too many", "one", "null", "missing", "a field too many", "a list", "nothing", "single"],
)
async def test_what_is_no_batch_is_refused_as_a_whole(
    api: Api, temporal_client: Client, tenant: str, document: Any, pointers: list[str]
) -> None:
    answer = await api.post(PATH, data=json.dumps(document), headers={"Content-Type": "application/json"})
    assert answer.status == 422
    assert answer.pointers == pointers
    # What comes after it is all there is.
    (only,) = await bulk(api, [EMAIL])
    assert await workflows_of(temporal_client, tenant, 1) == {only["notification"]["workflow"]["id"]}


async def test_other_bad_requests_are_refused_as_single_ones_are(
    database_url: str, temporal_server: TemporalServer
) -> None:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key, max_bulk_bytes=100_000) as api:
        batch = {"notifications": [EMAIL]}
        large = await api.post(PATH, json=batch | {"x": "x" * 100_000})
        assert (large.status, large.kind) == (413, "too-large")
        assert "100000" in large.json["detail"]
        text = await api.post(PATH, data="{", headers={"Content-Type": "application/json"})
        assert (text.status, text.kind) == (400, "invalid-json")
        form = await api.post(PATH, data="{}", headers={"Content-Type": "text/plain"})
        assert (form.status, form.kind) == (415, "unsupported-media-type")
        stranger = await api.post(PATH, json=batch, key=new_secret())
        assert (stranger.status, stranger.kind) == (401, "unauthorized")
        headers = {"Idempotency-Key": "k"}
        keyed = await api.post(PATH, json=batch, headers=headers)
        assert (keyed.status, keyed.pointers) == (422, ["/Idempotency-Key"])
        assert "idempotency_key" in keyed.json["errors"][0]["detail"]
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            answer = await api.call(method, PATH)
            assert (answer.status, answer.kind) == (405, "method-not-allowed")
            assert answer.headers["Allow"] == "POST"
        assert (await api.post(f"{PATH}/", json={})).status == 422


async def test_a_batch_may_be_repeated_and_makes_each_notification_once(
    api: Api, temporal_client: Client, tenant: str
) -> None:
    items = [EMAIL | {"idempotency_key": f"order-{number}"} for number in range(20)]
    first = await bulk(api, items)
    assert [(answer["status"], answer["replayed"]) for answer in first] == [(201, False)] * 20
    assert all(UUID(answer["notification"]["id"]).version == 8 for answer in first)
    again = await bulk(api, list(reversed(items)))
    assert [(answer["status"], answer["replayed"]) for answer in again] == [(201, True)] * 20
    assert [answer["notification"] for answer in reversed(again)] == [
        answer["notification"] for answer in first
    ]
    other = await bulk(api, [item | {"body": "Hello, Eve."} for item in items])
    assert {(answer["status"], kind_of(answer)) for answer in other} == {(422, "idempotency-key-reused")}
    assert pointers_of(other[0]) == ["/idempotency_key"]
    assert "idempotency_key" in other[0]["problem"]["detail"]
    await workflows_of(temporal_client, tenant, 20)


async def test_an_items_key_is_the_header_of_a_single_submission(api: Api) -> None:
    (ours,) = await bulk(api, [EMAIL | {"idempotency_key": "order-1042"}])
    alone = await api.post("/v1/notifications", json=EMAIL, headers={"Idempotency-Key": "order-1042"})
    assert (alone.status, alone.headers["Idempotent-Replayed"]) == (201, "true")
    assert alone.json == ours["notification"]
    first = await api.post("/v1/notifications", json=EMAIL, headers={"Idempotency-Key": "order-1043"})
    (again,) = await bulk(api, [EMAIL | {"idempotency_key": "order-1043"}])
    assert (again["replayed"], again["notification"]) == (True, first.json)
    # No key is no key.
    plain = await bulk(api, [EMAIL | {"idempotency_key": None}, EMAIL])
    assert [answer["replayed"] for answer in plain] == [False, False]
    assert plain[0]["notification"]["id"] != plain[1]["notification"]["id"]


async def test_one_key_twice_in_a_batch_makes_one_notification_the_first_that_is_valid(
    api: Api, temporal_client: Client, tenant: str
) -> None:
    keyed = EMAIL | {"idempotency_key": "k"}
    answers = await bulk(
        api,
        [keyed | {"recipient": "nobody"}, keyed, keyed | {"body": "Hello, Eve."}, keyed, EMAIL],
    )
    assert [answer["status"] for answer in answers] == [422, 201, 422, 201, 201]
    assert [kind_of(answer) for answer in (answers[0], answers[2])] == [
        "validation",
        "idempotency-key-reused",
    ]
    assert [answers[place]["replayed"] for place in (1, 3)] == [False, True]
    assert answers[1]["notification"] == answers[3]["notification"]
    await workflows_of(temporal_client, tenant, 2)


async def test_one_batch_many_times_at_once_makes_each_notification_once(
    api: Api, temporal_client: Client, tenant: str
) -> None:
    items = [EMAIL | {"idempotency_key": f"k-{number}"} for number in range(10)]
    batches = await asyncio.gather(*(bulk(api, items) for _ in range(5)))
    for place in range(10):
        of_one = [batch[place] for batch in batches]
        assert {answer["status"] for answer in of_one} == {201}
        assert len({answer["notification"]["id"] for answer in of_one}) == 1
        assert sum(not answer["replayed"] for answer in of_one) == 1
    await workflows_of(temporal_client, tenant, 10)


async def test_what_has_a_row_is_replayed_from_it_though_its_time_has_passed(
    api: Api, database_url: str, tenant: str
) -> None:
    """As after Temporal has forgotten it: the row is all that there is."""
    from tests.integration.test_api_notifications import stored
    from tidings.database.delivery_log import PostgresDeliveryLog
    from tidings.database.engine import create_engine
    from tidings.domain.idempotency import fingerprint_of
    from tidings.domain.notification import DeliveryState
    from tidings.settings import DatabaseSettings

    engine = create_engine(DatabaseSettings.model_validate({"database_url": database_url}))
    late = EMAIL | {"expires_at": "2020-01-01T00:00:00Z"}
    notification = stored(
        id=id_from_key(tenant, "late"),
        tenant=tenant,
        idempotency_key="late",
        fingerprint=fingerprint_of(late),
    )
    await PostgresDeliveryLog(engine).persist(notification, DeliveryState.initial(notification))
    await engine.dispose()
    first, second = await bulk(
        api, [late | {"idempotency_key": "late"}, late | {"idempotency_key": "another"}]
    )
    assert (first["status"], first["replayed"]) == (201, True)
    assert first["notification"]["id"] == str(notification.id)
    assert (second["status"], pointers_of(second)) == (422, ["/expires_at"])


async def test_attachments_are_stored_once_and_before_anything_is_promised(
    api: Api, database_url: str
) -> None:
    def with_file(content: bytes) -> dict[str, Any]:
        file = {"filename": "a.txt", "content_type": "text/plain"}
        return EMAIL | {"attachments": [file | {"content": base64.b64encode(content).decode()}]}

    items = [with_file(b"the same"), with_file(b"another"), EMAIL, with_file(b""), with_file(b"the same")]
    answers = await bulk(api, items)
    assert [answer["status"] for answer in answers] == [201, 201, 201, 422, 201]
    assert pointers_of(answers[3]) == ["/attachments/0/content"]
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM attachments") == 2
        referring = await connection.fetch("SELECT notification_id FROM notification_attachments")
    finally:
        await connection.close()
    assert {str(row["notification_id"]) for row in referring} == {
        answers[place]["notification"]["id"] for place in (0, 1, 4)
    }


async def test_a_test_keys_batch_is_for_the_sandbox(
    database_url: str, temporal_server: TemporalServer, tenant: str
) -> None:
    key, _ = await make_key(database_url, tenant, secret=new_secret(KeyMode.TEST))
    async with running_api(database_url, temporal_server.address, key=key) as api:
        answers = await bulk(api, [EMAIL | {"idempotency_key": "k"}, EMAIL])
        assert [answer["notification"]["mode"] for answer in answers] == ["test", "test"]
        assert answers[0]["notification"]["id"] == str(id_from_key(tenant, "k", KeyMode.TEST))


async def test_the_batches_of_two_tenants_share_no_keys(api: Api, database_url: str) -> None:
    other, _ = await make_key(database_url, f"other-{uuid4().hex}")
    item = EMAIL | {"idempotency_key": "k"}
    (ours,) = await bulk(api, [item])
    (theirs,) = await bulk(api, [item | {"body": "Hello, Eve."}], key=other)
    assert (theirs["status"], theirs["replayed"]) == (201, False)
    found = await api.get(f"/v1/notifications/{theirs['notification']['id']}")
    assert (found.status, ours["notification"]["id"] != theirs["notification"]["id"]) == (404, True)


async def test_with_temporal_away_each_item_is_a_503_and_nothing_is_promised(
    database_url: str, tmp_path: Path
) -> None:
    key, _ = await make_key(database_url)
    server = TemporalServer(free_port(), free_port(), db_file=None, log_file=tmp_path / "temporal.log")
    async with running_api(database_url, server.address, key=key, start_timeout=5, bulk_in_flight=5) as api:
        items = [EMAIL | {"idempotency_key": f"k-{number}"} for number in range(300)]
        answers = await bulk(api, [*items, EMAIL | {"recipient": "nobody"}])
        assert {(answer["status"], kind_of(answer)) for answer in answers[:300]} == {
            (503, "orchestrator-unavailable")
        }
        assert answers[0]["problem"]["detail"]
        await server.start()
        try:

            async def accepted() -> list[dict[str, Any]]:
                answers = await bulk(api, items)
                assert {answer["status"] for answer in answers} == {201}
                return answers

            await eventually(accepted)
            client = await Client.connect(server.address)
            for number in (0, 299):
                id = id_from_key("acme", f"k-{number}")
                handle = client.get_workflow_handle(names.workflow_id(id))
                assert (await handle.describe()).id == names.workflow_id(id)
        finally:
            await server.stop(hurry=True)


async def test_with_temporal_away_a_batch_takes_no_longer_than_a_few_single_ones(
    database_url: str,
) -> None:
    """A thousand waits one after the other would take most of an hour: the test's own limit is shorter."""
    key, _ = await make_key(database_url)
    async with running_api(database_url, NOWHERE, key=key, start_timeout=2, bulk_in_flight=1) as api:
        answers = await bulk(api, [EMAIL] * 1_000)
        assert {(answer["status"], kind_of(answer)) for answer in answers} == {
            (503, "orchestrator-unavailable")
        }


async def test_each_item_counts_as_a_submission(api: Api) -> None:
    sms = {"channel": "sms", "recipient": "+14155550123", "body": "Hi"}
    await bulk(api, [EMAIL, EMAIL, sms, sms | {"recipient": "12"}, {}])
    refused: Answer = await api.post(PATH, json={})
    assert refused.status == 422
    counted = (await api.get("/metrics", key=None)).text
    lines = [line for line in counted.splitlines() if line.startswith("tidings_submissions_total")]
    assert sorted(lines) == [
        'tidings_submissions_total{channel="email",status="2xx"} 2.0',
        'tidings_submissions_total{channel="none",status="4xx"} 2.0',
        'tidings_submissions_total{channel="sms",status="2xx"} 1.0',
        'tidings_submissions_total{channel="sms",status="4xx"} 1.0',
    ]


async def test_the_description_knows_the_items(api: Api) -> None:
    described = (await api.get("/openapi.json", key=None)).json
    schemas = described["components"]["schemas"]
    items = schemas["BulkSubmission"]["properties"]["notifications"]
    assert (items["minItems"], items["maxItems"]) == (1, 1_000)
    single = schemas["Submission"]["properties"]
    assert set(items["items"]["properties"]) == {*single, "idempotency_key"}
    assert {"207", "413", "422"} <= set(described["paths"][PATH]["post"]["responses"])
