"""Every route of the OpenAPI description, walked with a key of one tenant and the ids of another."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from temporalio.client import Client

from tests.integration.api import EMAIL, Answer, Api, make_key, running_api, signals
from tests.integration.database import open_engine
from tests.support import eventually
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.database.storage import fetch
from tidings.database.tables import metadata
from tidings.domain.api_key import new_secret
from tidings.domain.identifiers import new_id
from tidings.domain.receipt import SuppressionReason
from tidings.domain.vocabulary import KeyMode
from tidings.local.temporal_server import TemporalServer
from tidings.temporal import names

LATER = "2027-01-01T00:00:00Z"
URL = "https://example.com/hooks"
PAUSED = {"notification": EMAIL, "every": 86_400, "paused": True}
METHODS = {"get", "post", "put", "patch", "delete", "head", "options", "trace"}
NOT_BY_TENANT = {"/v1/callbacks/{provider}"}
"""No key comes with these: the provider's signature says whose notification it is."""


@dataclass(frozen=True)
class Owned:
    """All that the owner has, by the parameter of a path that names one of it."""

    ids: dict[str, list[str]]
    cursors: dict[str, str]
    """By the path of the list."""
    notifications: list[str]
    order: str
    """The idempotency key of the first."""


@pytest.fixture
async def api(
    database_url: str, temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    monkeypatch.setenv("TIDINGS_WEBHOOK_SIGNING_KEY", "bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW0=")
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        yield api


@pytest.fixture
async def owned(api: Api, database_url: str) -> AsyncIterator[Owned]:
    test_key, _ = await make_key(database_url, secret=new_secret(KeyMode.TEST))
    order = f"order-{uuid4()}"  # of this test: others, too, submit to this Temporal
    headers = {"Idempotency-Key": order}
    submitted = [
        await api.post("/v1/notifications", json=EMAIL | {"send_at": LATER}, headers=headers),
        await api.submit(recipient="gone@example.com"),
        await api.post("/v1/notifications", json=EMAIL, key=test_key),
    ]
    notifications = [answer.json["id"] for answer in submitted]
    async with open_engine(database_url) as engine:
        log = PostgresDeliveryLog(engine)
        # As a worker does; the test's notification stays without a row: its workflow answers.
        for id in notifications[:2]:
            record = await api.parts.service.get("acme", UUID(id))
            await log.persist(record.notification, record.state)
            await log.suppress(UUID(id), SuppressionReason.HARD_BOUNCE, "smtp")
    schedules = [(await api.post("/v1/schedules", json=PAUSED)).json["id"] for _ in range(2)]
    endpoints = [
        (await api.post("/v1/webhook-endpoints", json={"url": url})).json["id"] for url in (URL, f"{URL}/2")
    ]
    for id in schedules + endpoints:
        api.accepted.remove(id)

    async def cursor(path: str) -> str | None:
        page = await api.get(f"{path}?per_page=1")
        assert page.status == 200, page.text
        found: str | None = page.json["next_cursor"]
        return found

    cursors = {
        # Temporal's list of schedules lags behind.
        path: await eventually(partial(cursor, path))
        for path in ("/v1/notifications", "/v1/suppressions", "/v1/schedules")
    }
    listed = (await api.get("/v1/suppressions")).json["data"]
    yield Owned(
        ids={
            "notification_id": notifications,
            "schedule_id": schedules,
            "endpoint_id": endpoints,
            "suppression_id": [suppression["id"] for suppression in listed],
        },
        cursors=cursors,
        notifications=notifications,
        order=order,
    )
    for id in schedules:
        assert (await api.call("DELETE", f"/v1/schedules/{id}")).status == 204


async def state_of(api: Api, owned: Owned, database_url: str, client: Client) -> dict[str, Any]:
    """All that the owner has, in Postgres and in Temporal."""
    async with open_engine(database_url) as engine:
        tables = [table.name for table in metadata.sorted_tables if "tenant" in table.c]
        rows = {
            name: await fetch(engine, text(f"SELECT * FROM {name} WHERE tenant = 'acme' ORDER BY 1"))  # noqa: S608
            for name in tables
            if name != "api_keys"  # its last use may be noted
        }
    assert rows["notifications"]
    assert rows["suppressions"]
    assert rows["webhook_endpoints"]
    histories = {}
    for id in owned.notifications:
        handle = client.get_workflow_handle(names.workflow_id(id))
        histories[id] = [event.event_id async for event in handle.fetch_history_events()]
    schedules = [(await api.get(f"/v1/schedules/{id}")).json for id in owned.ids["schedule_id"]]
    return {"rows": rows, "histories": histories, "schedules": schedules}


def problem_of(answer: Answer) -> dict[str, Any]:
    """The problem, without the path that it repeats."""
    return {name: value for name, value in answer.json.items() if name != "instance"}


@dataclass(frozen=True)
class Walk:
    """The stranger, and what it was answered."""

    api: Api
    key: str
    note: Callable[[str, object], None]
    routes: dict[str, dict[str, Any]]

    async def call(self, method: str, path: str, **request: Any) -> Answer:
        return await self.api.call(method, path, key=self.key, **request)

    def noted(self, method: str, path: str, answer: Answer) -> None:
        kind = f" {answer.kind}" if answer.status >= 400 else ""
        self.note("foreign tenant", f"{method} {path}: {answer.status}{kind}")

    def with_ids(self) -> Iterator[tuple[str, str, str]]:
        """Method, path and parameter of each route that takes an id of a tenant's."""
        for path, operations in self.routes.items():
            parameters = re.findall(r"{(\w+)}", path)
            if parameters and path not in NOT_BY_TENANT:
                assert len(parameters) == 1, f"{path}: say here what its ids are"
                for name in sorted(METHODS & set(operations)):
                    yield name.upper(), path, parameters[0]

    def lists(self) -> Iterator[tuple[str, set[str]]]:
        """Path and query parameters of each list."""
        for path, operations in self.routes.items():
            if "{" not in path and path.startswith("/v1/") and "get" in operations:
                yield path, {given["name"] for given in operations["get"].get("parameters", [])}


@pytest.fixture
async def walk(
    api: Api,
    owned: Owned,
    database_url: str,
    temporal_client: Client,
    record_property: Callable[[str, object], None],
) -> AsyncIterator[Walk]:
    """For the walk; afterwards nothing of the owner's has changed, and nothing was signalled."""
    stranger, _ = await make_key(database_url, "rival")
    routes = (await api.get("/openapi.json")).json["paths"]
    before = await state_of(api, owned, database_url, temporal_client)
    yield Walk(api, stranger, record_property, routes)
    assert await state_of(api, owned, database_url, temporal_client) == before
    for id in owned.notifications:
        assert await signals(temporal_client, id) == []


async def test_with_another_tenants_ids_no_route_finds_anything(walk: Walk, owned: Owned) -> None:
    walked = set()
    for method, path, parameter in walk.with_ids():
        assert owned.ids.get(parameter), f"{path}: say here what the owner has of it"
        body = {"json": dict[str, Any]()} if "requestBody" in walk.routes[path][method.lower()] else {}
        unknown = await walk.call(method, path.replace(f"{{{parameter}}}", str(new_id())), **body)
        for id in owned.ids[parameter]:
            answer = await walk.call(method, path.replace(f"{{{parameter}}}", id), **body)
            assert (answer.status, answer.kind) == (404, "not-found"), f"{method} {path}: {answer.text}"
            # Not to be told from an id that nobody has.
            assert problem_of(answer) == problem_of(unknown)
        walk.noted(method, path, unknown)
        walked.add(f"{method} {path}")
    assert {"GET /v1/notifications/{notification_id}", "DELETE /v1/schedules/{schedule_id}"} <= walked


async def test_another_tenants_things_are_in_no_list(walk: Walk, owned: Owned) -> None:
    filters = {"schedule": owned.ids["schedule_id"][0], "recipient": "gone@example.com"}
    listed = set()
    for path, queries in walk.lists():
        for query in ["", *(f"?{name}={value}" for name, value in filters.items() if name in queries)]:
            empty = await walk.call("GET", path + query)
            assert (empty.status, empty.json["data"]) == (200, []), path + query
            walk.noted("GET", path + query.partition("=")[0], empty)
        if "cursor" in queries:
            assert path in owned.cursors, f"{path}: take a cursor of the owner's here"
            refused = await walk.call("GET", f"{path}?cursor={owned.cursors[path]}")
            assert (refused.status, refused.kind) == (400, "invalid-cursor"), path
            walk.noted("GET", f"{path}?cursor", refused)
        listed.add(path)
    assert {"/v1/notifications", "/v1/schedules", "/v1/suppressions", "/v1/webhook-endpoints"} <= listed


async def test_another_tenants_idempotency_key_and_url_are_free(walk: Walk, owned: Owned) -> None:
    headers = {"Idempotency-Key": owned.order}
    other = EMAIL | {"body": "Another."}
    own = await walk.call("POST", "/v1/notifications", json=other, headers=headers)
    assert own.status == 201
    assert own.json["id"] not in owned.notifications
    assert "Idempotent-Replayed" not in own.headers
    walk.noted("POST", "/v1/notifications with the other's Idempotency-Key", own)
    many = {"notifications": [other | {"idempotency_key": owned.order}]}
    bulk = await walk.call("POST", "/v1/notifications/bulk", json=many)
    assert bulk.status == 207
    (item,) = bulk.json["data"]
    # The stranger's own, which that key has made before.
    assert (item["status"], item["replayed"]) == (201, True)
    assert item["notification"]["id"] == own.json["id"]
    walk.noted("POST", "/v1/notifications/bulk with the other's idempotency_key", bulk)
    endpoint = await walk.call("POST", "/v1/webhook-endpoints", json={"url": URL})
    assert endpoint.status == 201
    walk.api.accepted.remove(endpoint.json["id"])
    theirs = await walk.api.get(f"/v1/webhook-endpoints/{owned.ids['endpoint_id'][0]}")
    assert endpoint.json["secret"] != theirs.json["secret"]
    walk.noted("POST", "/v1/webhook-endpoints with the other's URL", endpoint)
