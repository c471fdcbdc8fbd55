"""Schedules over HTTP on real servers: they fire, pause, resume, end, and belong to one tenant."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.worker import Replayer

from tests.encryption import CONVERTER
from tests.integration.api import EMAIL, Api, make_key
from tests.integration.schedules import HOURLY, Schedules, ids, own_schedules, schedule_worker
from tests.support import eventually
from tidings.temporal import names
from workflows.fire_schedule import FireSchedule


@pytest.fixture
async def schedules(database_url: str, temporal_client: Client) -> AsyncIterator[Schedules]:
    async with own_schedules(database_url, temporal_client) as schedules:
        yield schedules


async def listed(api: Api, key: str = "") -> list[dict[str, Any]]:
    answer = await api.get("/v1/schedules", key=key)
    assert answer.status == 200, answer.text
    data: list[dict[str, Any]] = answer.json["data"]
    return data


async def test_a_created_schedule_is_answered_found_and_listed(schedules: Schedules) -> None:
    before = datetime.now(UTC)
    answer = await schedules.post(every=..., cron="0  9 * * 1-5", time_zone="Europe/Berlin", expires_after=60)
    assert answer.status == 201, answer.text
    created = answer.json
    assert answer.headers["Location"] == f"/v1/schedules/{created['id']}"
    assert (created["cron"], created["every"], created["time_zone"]) == ("0 9 * * 1-5", None, "Europe/Berlin")
    assert (created["paused"], created["expires_after"], created["catch_up_window"]) == (False, 60, 3_600)
    defaults = {"tags": [], "priority": "normal", "guarantee": "at_least_once"}
    assert created["notification"] == EMAIL | defaults
    assert created["firings"] == []
    assert created["url"].endswith(f"/namespaces/default/schedules/schedule-{created['id']}")
    times = [datetime.fromisoformat(time) for time in created["next_times"]]
    assert len(times) == 5
    assert before < times[0] <= before + timedelta(days=3, hours=1)
    assert all(time.weekday() < 5 and time.minute == 0 for time in times)
    # At once, whatever the list does.
    assert await schedules.get(created["id"]) == created

    async def there() -> dict[str, Any] | None:
        found = await listed(schedules.api)
        return found[0] if found else None

    entry = await eventually(there)
    detailed = {"mode", "notification", "expires_after", "catch_up_window", "firings"}
    assert entry == {name: value for name, value in created.items() if name not in detailed}


async def test_each_firing_makes_a_notification_of_its_own_that_names_its_schedule(
    schedules: Schedules, temporal_client: Client, database_url: str
) -> None:
    async with schedule_worker(temporal_client, database_url) as provider:
        template = EMAIL | {"recipient": "Ada@EXAMPLE.com", "tags": ["daily"], "priority": "high"}
        id = (await schedules.create(notification=template, expires_after=600))["id"]
        other = await schedules.api.submitted()
        await schedules.hurry(id)
        notifications = await schedules.fired(id, count=2)
        await schedules.api.call("DELETE", f"/v1/schedules/{id}")
        assert len(ids(notifications)) == len(notifications) >= 2
        for notification in notifications:
            assert notification["schedule_id"] == id
            assert notification["recipient"] == "Ada@example.com"
            assert (notification["tags"], notification["priority"]) == (["daily"], "high")
            lifetime = datetime.fromisoformat(notification["expires_at"]) - datetime.fromisoformat(
                notification["created_at"]
            )
            assert lifetime == timedelta(seconds=600)
            found = await schedules.api.get(f"/v1/notifications/{notification['id']}")
            assert found.json["schedule_id"] == id
        assert {call.notification_id for call in provider.calls} >= ids(notifications)
        # The filter lets nothing else through, and what nobody scheduled names no schedule.
        assert (await schedules.api.get(f"/v1/notifications/{other}")).json["schedule_id"] is None
        assert other not in {notification["id"] for notification in notifications}
        none = await schedules.api.get(f"/v1/notifications?schedule={uuid4()}")
        assert (none.status, none.json["total"]) == (200, 0)


async def test_a_fired_notification_runs_as_one_that_was_submitted(
    schedules: Schedules, temporal_client: Client, database_url: str
) -> None:
    async with schedule_worker(temporal_client, database_url):
        schedule = await schedules.create(notification=EMAIL | {"priority": "critical"})
        await temporal_client.get_schedule_handle(names.schedule_id(schedule["id"])).trigger()
        (notification,) = await schedules.fired(schedule["id"])
        handle = temporal_client.get_workflow_handle(names.workflow_id(notification["id"]))
        description = await handle.describe()
        assert description.task_queue == names.TASK_QUEUE
        assert description.raw_description.workflow_execution_info.priority.priority_key == 1
        assert description.typed_search_attributes[names.NOTIFICATION_CHANNEL] == "email"
        assert description.typed_search_attributes[names.NOTIFICATION_TENANT].startswith("tenant-")
        assert await description.static_summary() == "email notification, critical priority"

        async def shown() -> dict[str, Any] | None:
            firings = (await schedules.get(schedule["id"]))["firings"]
            return firings[0] if firings and firings[0]["notification_id"] else None

        firing = await eventually(shown)
        assert firing["notification_id"] == notification["id"]
        assert firing["workflow"]["id"].startswith(f"schedule-{schedule['id']}-fire-")
        assert "%3A" in firing["workflow"]["url"]
        fired = temporal_client.get_workflow_handle(firing["workflow"]["id"])
        history = await fired.fetch_history()
        assert len(history.events) <= 12
        replayer = Replayer(workflows=[FireSchedule], data_converter=CONVERTER)
        await replayer.replay_workflow(history)


async def test_nothing_that_operators_can_list_holds_personal_data(
    schedules: Schedules, temporal_client: Client
) -> None:
    id = (await schedules.create())["id"]
    description = await temporal_client.get_schedule_handle(names.schedule_id(id)).describe()
    raw = description.raw_description
    raw.schedule.action.start_workflow.ClearField("input")
    for personal in (EMAIL["recipient"], EMAIL["subject"], EMAIL["body"]):
        assert personal not in str(raw)


async def test_pause_stops_it_and_resume_lets_it_go_on(
    schedules: Schedules, temporal_client: Client, database_url: str
) -> None:
    handle_of = temporal_client.get_schedule_handle
    async with schedule_worker(temporal_client, database_url):
        id = (await schedules.create())["id"]
        await schedules.hurry(id)
        await schedules.fired(id)
        for _ in range(2):
            paused = await schedules.api.post(f"/v1/schedules/{id}/pause")
            assert (paused.status, paused.json["paused"]) == (200, True)
        # Another schedule fires meanwhile: time does pass.
        count = (await handle_of(names.schedule_id(id)).describe()).info.num_actions
        other = (await schedules.create())["id"]
        await schedules.hurry(other)
        await schedules.fired(other, count=2)
        assert (await handle_of(names.schedule_id(id)).describe()).info.num_actions == count
        resumed_at = datetime.now(UTC)
        for _ in range(2):
            resumed = await schedules.api.post(f"/v1/schedules/{id}/resume")
            assert (resumed.status, resumed.json["paused"]) == (200, False)

        async def fires_again() -> dict[str, Any] | None:
            firings = (await schedules.get(id))["firings"]
            return firings[0] if datetime.fromisoformat(firings[0]["fired_at"]) > resumed_at else None

        assert await eventually(fires_again)


async def test_one_created_paused_shows_when_it_would_fire(schedules: Schedules) -> None:
    schedule = await schedules.create(paused=True)
    assert schedule["paused"] is True
    assert len(schedule["next_times"]) == 5


async def test_delete_ends_it_and_leaves_what_it_fired(
    schedules: Schedules, temporal_client: Client, database_url: str
) -> None:
    async with schedule_worker(temporal_client, database_url):
        id = (await schedules.create())["id"]
        await temporal_client.get_schedule_handle(names.schedule_id(id)).trigger()
        (notification,) = await schedules.fired(id)
        deleted = await schedules.api.call("DELETE", f"/v1/schedules/{id}")
        assert (deleted.status, deleted.text) == (204, "")
        for method, path in ROUTES:
            assert (await schedules.api.call(method, path.format(id))).status == 404
        assert ids(await schedules.fired(id)) == ids([notification])

    async def gone() -> bool:
        return await listed(schedules.api) == []

    await eventually(gone)


ROUTES = [
    ("GET", "/v1/schedules/{}"),
    ("POST", "/v1/schedules/{}/pause"),
    ("POST", "/v1/schedules/{}/resume"),
    ("DELETE", "/v1/schedules/{}"),
]


async def test_another_tenants_schedule_is_not_there(schedules: Schedules, database_url: str) -> None:
    id = (await schedules.create())["id"]
    stranger, _ = await make_key(database_url, "stranger")
    await schedules.api.parts.identification.caller(stranger)
    for method, path in ROUTES:
        answer = await schedules.api.call(method, path.format(id), key=stranger)
        unknown = await schedules.api.call(method, path.format(uuid4()), key=stranger)
        assert (answer.status, answer.kind, answer.json["detail"]) == (
            404,
            "not-found",
            unknown.json["detail"],
        )
    assert (await schedules.get(id))["paused"] is False

    async def own() -> bool:
        return [entry["id"] for entry in await listed(schedules.api)] == [id]

    await eventually(own)
    assert id not in {entry["id"] for entry in await listed(schedules.api, stranger)}


@pytest.mark.parametrize("id", ["x", "{0198f3a0-0000-7000-8000-000000000000}", "schedule-1", "%2e%2e"])
async def test_what_is_no_id_names_no_schedule(schedules: Schedules, id: str) -> None:
    for method, path in ROUTES:
        answer = await schedules.api.call(method, path.format(id))
        assert (answer.status, answer.kind) == (404, "not-found")


@pytest.mark.parametrize("tenant", ["o'hara", 'quo"ted', "back\\slash", "x' OR NotificationTenant != '", '"'])
async def test_a_tenant_of_any_name_lists_its_own_and_no_others(
    schedules: Schedules, database_url: str, tenant: str
) -> None:
    tenant += f" {uuid4()}"
    key, _ = await make_key(database_url, tenant)
    mine = await schedules.api.post("/v1/schedules", json=HOURLY, key=key)
    assert mine.status == 201, mine.text
    schedules.created.append(mine.json["id"])
    await schedules.create()

    async def own() -> bool:
        return [entry["id"] for entry in await listed(schedules.api, key)] == [mine.json["id"]]

    await eventually(own)


async def test_lists_come_in_pages(schedules: Schedules) -> None:
    created = {(await schedules.create())["id"] for _ in range(3)}

    async def all_there() -> bool:
        return len(await listed(schedules.api)) == 3

    await eventually(all_there)
    seen: list[str] = []
    path = "/v1/schedules?per_page=2"
    cursor: str | None = ""
    while cursor is not None:
        page = await schedules.api.get(f"{path}&cursor={cursor}" if cursor else path)
        assert page.status == 200, page.text
        assert len(page.json["data"]) <= 2
        seen += [entry["id"] for entry in page.json["data"]]
        cursor = page.json["next_cursor"]
    assert sorted(seen) == sorted(created)
    for bad in ("x", "AAAAAAAA", "é"):
        answer = await schedules.api.get(f"{path}&cursor={bad}")
        assert (answer.status, answer.kind) == (400, "invalid-cursor")
    for query in ("per_page=0", "per_page=101", "per_page=x", "bogus=1"):
        answer = await schedules.api.get(f"/v1/schedules?{query}")
        assert (answer.status, answer.pointers) == (422, [f"/{query.partition('=')[0]}"])


async def test_notifications_are_not_filtered_by_what_is_no_id(schedules: Schedules) -> None:
    answer = await schedules.api.get("/v1/notifications?schedule=daily")
    assert answer.pointers == ["/schedule"]
    assert answer.json["errors"][0]["detail"] == "must be a UUID"


async def test_the_routes_are_described(schedules: Schedules) -> None:
    described = (await schedules.api.get("/openapi.json", key=None)).json
    body = described["paths"]["/v1/schedules"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/ScheduleSubmission"}
    for path, operations in described["paths"].items():
        if path.startswith("/v1/schedules"):
            for operation in operations.values():
                assert {"401", "503"} <= set(operation["responses"])
                assert operation["summary"]
