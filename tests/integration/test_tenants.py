"""Tenants: set up on the command line, and what the API makes of it; all on real servers."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.api import Api, make_key, running_api
from tests.integration.command_line import Ended, tidings
from tests.support import eventually
from tidings.local.temporal_server import TemporalServer

DEFAULTS = {"rate_limit": None, "key_rate_limit": None, "default_priority": None, "default_guarantee": None}


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key, key_cache_seconds=0.4) as api:
        yield api


async def tenants(database_url: str, *arguments: str) -> Ended:
    return await tidings("tenants", *arguments, TIDINGS_DATABASE_URL=database_url)


async def done(database_url: str, *arguments: str) -> Any:
    ended = await tenants(database_url, *arguments, "--json")
    assert ended.status == 0, ended.err
    return json.loads(ended.out)


async def test_create_show_set_list_and_disable(database_url: str) -> None:
    made = await done(database_url, "create", "acme", "--rate-limit", "120/minute", "--priority", "low")
    assert made.pop("created_at")
    assert made == DEFAULTS | {
        "name": "acme",
        "rate_limit": "120/minute",
        "default_priority": "low",
        "disabled_at": None,
    }
    changed = await done(
        database_url, "set", "acme", "--key-rate-limit", "30/10 seconds", "--priority", "default"
    )
    assert (changed["rate_limit"], changed["key_rate_limit"]) == ("120/minute", "30/10 seconds")
    assert changed["default_priority"] is None
    first = await done(database_url, "disable", "acme")
    assert first["disabled_at"]
    assert await done(database_url, "disable", "acme") == first
    assert await done(database_url, "show", "acme") == first
    await done(database_url, "create", "Beta.2_x-y")
    assert [tenant["name"] for tenant in await done(database_url, "list")] == ["Beta.2_x-y", "acme"]
    assert (await done(database_url, "enable", "acme"))["disabled_at"] is None
    shown = await tenants(database_url, "list")
    assert "30/10 seconds" in shown.out


@pytest.mark.parametrize(
    ("arguments", "status", "named"),
    [
        (("create", "with space"), 2, "'name'"),
        (("create", "-x"), 2, "-x"),
        (("create", "a/b"), 2, "'name'"),
        (("create", "é"), 2, "'name'"),
        (("create", "x" * 65), 2, "'name'"),
        (("create", ""), 2, "'name'"),
        (("create", "b", "--rate-limit", "fast"), 2, "--rate-limit"),
        (("create", "b", "--key-rate-limit", "0/second"), 2, "--key-rate-limit"),
        (("create", "b", "--priority", "soon"), 2, "--priority"),
        (("create", "b", "--guarantee", "never"), 2, "--guarantee"),
        (("create", "acme"), 1, "already"),
        (("set", "acme"), 2, "--rate-limit"),
        (("set", "nobody", "--priority", "low"), 1, "nobody"),
        (("show", "nobody"), 1, "nobody"),
        (("disable", "nobody"), 1, "nobody"),
    ],
)
async def test_what_cannot_be_is_named_and_stores_nothing(
    database_url: str, arguments: tuple[str, ...], status: int, named: str
) -> None:
    before = await done(database_url, "create", "acme")
    ended = await tenants(database_url, *arguments)
    assert ended.status == status
    assert named in ended.err
    assert "Traceback" not in ended.err
    assert await done(database_url, "list") == [before]


async def test_a_key_for_a_name_that_no_tenant_may_have_is_refused(database_url: str) -> None:
    ended = await tidings("keys", "create", "--tenant", "a/b", TIDINGS_DATABASE_URL=database_url)
    assert ended.status == 2
    assert "--tenant" in ended.err
    assert "td_live_" not in ended.out


async def test_a_disabled_tenants_keys_are_refused_and_taken_again_once_enabled(
    api: Api, database_url: str
) -> None:
    other, _ = await make_key(database_url, "other")
    id = await api.submitted(send_at="2027-01-01T00:00:00Z")
    await done(database_url, "create", "acme")
    await done(database_url, "disable", "acme")

    async def refused() -> bool:
        return (await api.get("/v1/notifications")).status == 403

    await eventually(refused)
    for method, path in (
        ("POST", "/v1/notifications"),
        ("GET", f"/v1/notifications/{id}"),
        ("POST", f"/v1/notifications/{id}/cancel"),
        ("GET", "/v1/schedules"),
    ):
        answer = await api.call(method, path)
        assert (answer.status, answer.kind) == (403, "tenant-disabled")
        assert "acme" in answer.json["detail"]
    assert (await api.get("/v1/notifications", key=other)).status == 200
    assert (await api.get("/health/live", key=None)).status == 200
    await done(database_url, "enable", "acme")

    async def taken() -> bool:
        return (await api.get(f"/v1/notifications/{id}")).status == 200

    await eventually(taken)


async def test_a_tenant_disabled_before_the_start_is_refused_from_the_first_request_on(
    database_url: str, temporal_server: TemporalServer
) -> None:
    key, _ = await make_key(database_url)
    await done(database_url, "create", "acme")
    await done(database_url, "disable", "acme")
    async with running_api(database_url, temporal_server.address, key=key) as api:
        assert (await api.submit()).kind == "tenant-disabled"


async def test_a_tenants_defaults_are_for_what_a_submission_leaves_out(api: Api, database_url: str) -> None:
    await done(database_url, "create", "acme", "--priority", "bulk", "--guarantee", "at_most_once")

    async def by_default() -> bool:
        return bool((await api.submit()).json["priority"] == "bulk")

    await eventually(by_default)
    assert (await api.submit(priority="high")).json["priority"] == "high"
    assert (await api.submit(priority=None)).pointers == ["/priority"]
    other, _ = await make_key(database_url, "other")
    body = {"channel": "sms", "recipient": "+14155550123", "body": "Hi"}
    assert (await api.post("/v1/notifications", key=other, json=body)).json["priority"] == "normal"
    schedule = await api.post("/v1/schedules", json={"notification": body, "every": 86_400, "paused": True})
    template = schedule.json["notification"]
    assert (template["priority"], template["guarantee"]) == ("bulk", "at_most_once")
    assert (await api.call("DELETE", schedule.headers["Location"])).status == 204
    api.accepted.remove(schedule.json["id"])
