"""Submitting, getting and listing over HTTP, with real Postgres and real Temporal."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import PostgresDsn
from temporalio.client import Client

from tests.integration.api import Api, make_key, running_api
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.database.engine import create_engine
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Attempt, DeliveryError, DeliveryState, Notification
from tidings.domain.vocabulary import Channel, Outcome, Status
from tidings.local.temporal_server import TemporalServer
from tidings.messages.delivery import DeliveryRequest
from tidings.settings import DatabaseSettings
from tidings.temporal import names

FIELDS = [
    *("id", "mode", "channel", "recipient", "subject", "status", "priority", "tags", "metadata"),
    *("attachments", "data", "collapse_key", "segments", "provider", "provider_reference"),
    *("error", "attempt_count", "next_attempt_at", "send_at", "expires_at"),
    *("created_at", "sent_at", "delivered_at", "updated_at", "schedule_id", "workflow"),
]
NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        yield api


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[PostgresDeliveryLog]:
    """What the worker writes with."""
    engine = create_engine(DatabaseSettings(database_url=PostgresDsn(database_url)))
    yield PostgresDeliveryLog(engine)
    await engine.dispose()


def stored(number: int = 0, **fields: Any) -> Notification:
    given = {"id": new_id(), "tenant": "acme", "channel": "email", "recipient": "ada@example.com"}
    return Notification.model_validate(
        {**given, "subject": "Hi", "body": "Hi", "created_at": NOW + timedelta(minutes=number), **fields}
    )


async def test_a_201_names_a_workflow_that_holds_the_whole_notification(
    api: Api, temporal_client: Client
) -> None:
    submission = {
        "channel": "email",
        "recipient": "Ada@EXAMPLE.com",
        "subject": "Grüße 🎉",
        "body": "line\nline",
        "html": "<p>Hi</p>",
        "metadata": {"z": 1, "a": [1.5, None, True, 2**70], "é": {}},
        "tags": ["b", "a"],
        "priority": "high",
        "guarantee": "at_most_once",
        "provider": "smtp",
        "expires_at": "2099-01-01T02:00:00+02:00",
    }
    answer = await api.post("/v1/notifications", json=submission)
    assert answer.status == 201
    view = answer.json
    assert list(view) == FIELDS
    assert answer.headers["Location"] == f"/v1/notifications/{view['id']}"
    assert (view["status"], view["attempt_count"], view["next_attempt_at"]) == ("pending", 0, None)
    assert view["recipient"] == "Ada@example.com"
    assert view["expires_at"] == "2099-01-01T00:00:00Z"
    assert view["workflow"]["id"] == f"notification-{view['id']}"
    assert view["workflow"]["url"].endswith(f"/namespaces/default/workflows/notification-{view['id']}")
    for name in ("subject", "metadata", "tags", "priority", "provider"):
        assert view[name] == submission[name]

    handle = temporal_client.get_workflow_handle(names.workflow_id(view["id"]))
    async for event in handle.fetch_history_events(page_size=1):
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        (request,) = await temporal_client.data_converter.decode(payloads, [DeliveryRequest])
        held = request.notification
        assert (held.tenant, held.body, held.html) == ("acme", "line\nline", "<p>Hi</p>")
        assert held.metadata == submission["metadata"]
        assert held.guarantee == "at_most_once"
        break


async def test_a_trailing_slash_makes_no_difference(api: Api) -> None:
    answer = await api.post(
        "/v1/notifications/", json={"channel": "sms", "recipient": "+14155550123", "body": "Hi"}
    )
    assert (answer.status, answer.json["status"]) == (201, "pending")
    assert (await api.get("/v1/notifications/")).status == 200


@pytest.mark.parametrize(
    ("channel", "recipient"),
    [
        ("sms", "+14155550123"),
        ("push", "dGVzdC1kZXZpY2U:APA91b"),
        ("webhook", "https://example.com/hook?a=1"),
        ("webhook", "http://127.0.0.1:8025/hook"),
    ],
)
async def test_every_channel_takes_its_recipients(api: Api, channel: str, recipient: str) -> None:
    answer = await api.post(
        "/v1/notifications", json={"channel": channel, "recipient": recipient, "body": "Hi"}
    )
    assert (answer.status, answer.json["recipient"]) == (201, recipient)


async def test_the_limits_themselves_are_allowed(api: Api) -> None:
    answer = await api.submit(
        subject="s" * 200,
        body="é" * 10_000,
        html="h" * 500_000,
        tags=["t" * 50] * 10,
        metadata={"a": "x" * (16_384 - len('{"a":""}'))},
    )
    assert answer.status == 201, answer.text
    found = (await api.get(answer.headers["Location"])).json
    assert found["body"] == "é" * 10_000


async def test_send_at_in_the_future_is_scheduled_and_in_the_past_means_now(api: Api) -> None:
    answer = await api.submit(send_at="2000-01-01T00:00:00Z")
    assert (answer.status, answer.json["status"]) == (201, "pending")
    soon = datetime.now(UTC) + timedelta(days=300)
    answer = await api.submit(send_at=soon.isoformat())
    assert (answer.status, answer.json["status"]) == (201, "scheduled")
    assert answer.json["send_at"] == answer.json["next_attempt_at"] == soon.isoformat().replace("+00:00", "Z")


async def test_get_finds_what_a_201_named_before_any_worker_has_seen_it(api: Api) -> None:
    submitted = (await api.submit(metadata={"order": 1042})).json
    answer = await api.get(f"/v1/notifications/{submitted['id'].upper()}")
    assert answer.status == 200
    assert list(answer.json) == [*FIELDS, "body", "attempts", "receipts"]
    assert answer.json == submitted | {"body": "Hello, Ada.", "attempts": [], "receipts": []}


async def test_get_shows_every_attempt(api: Api, log: PostgresDeliveryLog) -> None:
    notification = stored(metadata={"z": 1, "a": 2})
    await log.persist(notification, DeliveryState.initial(notification))
    error = DeliveryError(code="smtp_451", message="Try later")
    failed = Attempt(
        number=1,
        provider="smtp",
        outcome=Outcome.TRANSIENT,
        error=error,
        response="Später",
        started_at=NOW,
        finished_at=NOW + timedelta(seconds=1),
    )
    due = NOW + timedelta(minutes=1)
    state = DeliveryState.initial(notification).sending(1, "smtp", NOW)
    state = state.moved(Status.RETRYING, NOW, error=error, next_attempt_at=due)
    await log.record(notification.id, state, failed)
    await log.begin(
        notification.id,
        Attempt(number=2, provider="smtp", started_at=due),
        state.sending(2, "smtp", due),
        claim="a",
    )

    found = (await api.get(f"/v1/notifications/{notification.id}")).json
    assert found["status"] == "sending"
    assert found["attempts"] == [
        {
            "number": 1,
            "provider": "smtp",
            "outcome": "transient",
            "error": {"code": "smtp_451", "message": "Try later"},
            "provider_reference": None,
            "response": "Später",
            "started_at": "2026-11-21T12:00:00.123456Z",
            "finished_at": "2026-11-21T12:00:01.123456Z",
        },
        {
            "number": 2,
            "provider": "smtp",
            "outcome": None,
            "error": None,
            "provider_reference": None,
            "response": None,
            "started_at": "2026-11-21T12:01:00.123456Z",
            "finished_at": None,
        },
    ]
    assert list(found["metadata"]) == ["z", "a"]


async def test_lists_are_newest_first_by_page_and_by_cursor(api: Api, log: PostgresDeliveryLog) -> None:
    notifications = [stored(number) for number in range(5)]
    for notification in notifications:
        await log.persist(notification, DeliveryState.initial(notification))
    newest_first = [str(notification.id) for notification in reversed(notifications)]

    first = (await api.get("/v1/notifications?per_page=2")).json
    assert [item["id"] for item in first["data"]] == newest_first[:2]
    assert list(first["data"][0]) == FIELDS
    assert (first["total"], first["page"], first["per_page"]) == (5, 1, 2)
    third = (await api.get("/v1/notifications?per_page=2&page=3")).json
    assert [item["id"] for item in third["data"]] == newest_first[4:]
    assert (third["total"], third["next_cursor"]) == (5, None)

    seen, page = [item["id"] for item in first["data"]], first
    while page["next_cursor"]:
        page = (await api.get(f"/v1/notifications?per_page=2&cursor={page['next_cursor']}")).json
        assert (page["total"], page["page"]) == (None, None)
        seen += [item["id"] for item in page["data"]]
    assert seen == newest_first


async def test_lists_are_filtered(api: Api, log: PostgresDeliveryLog) -> None:
    plain, tagged, sms, failed = (
        stored(0),
        stored(1, tags=["orders", "vip"]),
        stored(2, channel=Channel.SMS, recipient="+14155550123", subject=None),
        stored(3, recipient="Eve@example.com"),
    )
    for notification in (plain, tagged, sms, failed):
        await log.persist(notification, DeliveryState.initial(notification))
    await log.record(failed.id, DeliveryState.initial(failed).moved(Status.FAILED, NOW), None)

    async def listed(query: str) -> list[str]:
        answer = await api.get(f"/v1/notifications?{query}")
        assert answer.status == 200, answer.text
        assert answer.json["total"] == len(answer.json["data"])
        return [item["id"] for item in answer.json["data"]]

    def ids(*notifications: Notification) -> list[str]:
        return [str(notification.id) for notification in notifications]

    assert await listed("status=failed") == ids(failed)
    assert await listed("status=pending") == ids(sms, tagged, plain)
    assert await listed("channel=sms") == ids(sms)
    assert await listed("tag=vip") == ids(tagged)
    assert await listed("recipient=Eve@EXAMPLE.com") == ids(failed)
    assert await listed("recipient=%2B14155550123") == ids(sms)
    assert await listed("created_after=2026-11-21T12:02:00Z") == ids(failed, sms)
    assert await listed("created_before=2026-11-21T14:01:00.123456%2B02:00") == ids(plain)
    assert await listed("status=pending&channel=email&tag=orders") == ids(tagged)


async def test_no_tenant_sees_anothers_notifications(
    api: Api, database_url: str, log: PostgresDeliveryLog
) -> None:
    notifications = [stored(number) for number in range(2)]
    for notification in notifications:
        await log.persist(notification, DeliveryState.initial(notification))
    in_flight = await api.submitted()
    cursor = (await api.get("/v1/notifications?per_page=1")).json["next_cursor"]
    other, _ = await make_key(database_url, "other")

    for id in (str(notifications[0].id), in_flight):
        for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
            answer = await api.call(method, f"/v1/notifications/{id}{path}", key=other)
            assert (answer.status, answer.kind) == (404, "not-found")
    assert (await api.get("/v1/notifications", key=other)).json["data"] == []
    answer = await api.get(f"/v1/notifications?cursor={cursor}", key=other)
    assert (answer.status, answer.kind) == (400, "invalid-cursor")


async def test_every_answer_bears_a_request_id(api: Api) -> None:
    for path in ("/v1/notifications", "/health/live", "/nowhere"):
        answer = await api.get(path, headers={"X-Request-ID": "my-request:1"})
        assert answer.headers["X-Request-ID"] == "my-request:1"
    made = {(await api.get("/health/live")).headers["X-Request-ID"] for _ in range(2)}
    assert len(made) == 2
    for bad in ("x" * 129, "two words", "é"):
        answer = await api.get("/health/live", headers={"X-Request-ID": bad})
        assert answer.headers["X-Request-ID"] not in ("", bad)


async def test_the_description_is_whole_and_the_docs_are_served(api: Api) -> None:
    described = (await api.get("/openapi.json", key=None)).json
    schemas = described["components"]["schemas"]
    assert {"Submission", "ProblemDetails", "NotificationView", "NotificationDetails"} <= set(schemas)
    assert set(references(described)) <= {
        f"#/components/{section}/{name}"
        for section, named in described["components"].items()
        for name in named
    }
    submit = described["paths"]["/v1/notifications"]["post"]
    assert submit["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Submission")
    its_own = {"201", "400", "401", "413", "415", "421", "422", "500", "503"}
    of_limits = {"403", "408", "414", "429", "431"}
    assert set(submit["responses"]) == its_own | of_limits
    (header,) = submit["parameters"]
    assert (header["name"], header["in"], header.get("required", False)) == (
        "Idempotency-Key",
        "header",
        False,
    )
    quota = {"RateLimit-Policy", "RateLimit"}
    its_own = {"Location", "Idempotent-Replayed", "X-Request-ID"}
    assert set(submit["responses"]["201"]["headers"]) == its_own | quota
    assert "422" not in described["paths"]["/v1/notifications/{notification_id}"]["get"]["responses"]
    assert described["paths"]["/health/live"]["get"].get("security") is None
    assert "/openapi.json" in (await api.get("/docs", key=None)).text


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for child in node for found in references(child)]
    if not isinstance(node, dict):
        return []
    here = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return here + [found for child in node.values() for found in references(child)]


async def test_the_docs_page_needs_no_other_host(api: Api) -> None:
    page = (await api.get("/docs", key=None)).text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert any(source.endswith(".js") for source in sources)
    assert all(source.startswith("/") for source in sources)
    for source in sources:
        async with api.session.get(api.url + source) as response:
            assert response.status == 200
