"""Rate limits over HTTP: per key and per tenant, in one process and, by a real Redis, over several."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs
from temporalio.client import Client

from api.rate_limits import Quota, RateLimits
from tests.integration.api import EMAIL, Answer, Api, make_key, running_api
from tests.integration.command_line import tidings
from tests.redis_server import RedisServer
from tests.support import eventually
from tidings.domain.rate_limit import RateLimit
from tidings.local.temporal_server import TemporalServer

DAILY = "3/day"


@asynccontextmanager
async def limited(
    database_url: str,
    temporal: TemporalServer,
    *,
    key: str,
    of_key: str = "off",
    of_tenant: str = "off",
    **more: Any,
) -> AsyncIterator[Api]:
    async with running_api(
        database_url,
        temporal.address,
        key=key,
        key_cache_seconds=0.4,
        rate_limit_key=of_key,
        rate_limit_tenant=of_tenant,
        **more,
    ) as api:
        yield api


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    server = RedisServer()
    await server.start()
    yield server
    await server.stop()


async def test_beyond_its_limit_a_key_gets_429_with_headers_and_nothing_is_started(
    database_url: str, temporal_server: TemporalServer, temporal_client: Client
) -> None:
    tenant = f"flood-{uuid4().hex}"
    key, _ = await make_key(database_url, tenant)
    second, _ = await make_key(database_url, tenant)
    async with limited(database_url, temporal_server, key=key, of_key=DAILY, of_tenant="9/hour") as api:
        taken = [await api.submit(tags=["flood"]) for _ in range(3)]
        assert [answer.status for answer in taken] == [201] * 3
        policy = '"key";q=3;w=86400, "tenant";q=9;w=3600'
        assert [answer.headers["RateLimit-Policy"] for answer in taken] == [policy] * 3
        assert [re.findall(r"r=(\d+);t=\d+", answer.headers["RateLimit"]) for answer in taken] == [
            ["2", "8"],
            ["1", "7"],
            ["0", "6"],
        ]
        refused = await api.submit(tags=["flood"], recipient="nobody@example.com")
        assert (refused.status, refused.kind, refused.json["limit"]) == (429, "too-many-requests", "key")
        assert "3/day" in refused.json["detail"]
        counted = api.parts.metrics.registry.get_sample_value
        assert counted("tidings_rate_limited_total", {"limit": "key"}) == 1
        assert 0 < int(refused.headers["Retry-After"]) <= 86_400
        assert refused.headers["RateLimit"].startswith('"key";r=0;t=')
        assert refused.headers["RateLimit-Policy"] == policy
        # What is refused for the key takes nothing of the tenant's.
        others = await api.get("/v1/notifications", key=second)
        assert re.findall(r"r=(\d+)", others.headers["RateLimit"]) == ["2", "5"]
        listed = await api.get("/v1/notifications?recipient=nobody@example.com", key=second)
        assert listed.json["data"] == []
        assert "RateLimit" not in (await api.get("/health/live", key=None)).headers

        async def started() -> bool:
            return (await temporal_client.count_workflows(f"NotificationTenant = '{tenant}'")).count == 3

        await eventually(started)
    assert key not in refused.text


async def test_all_keys_of_a_tenant_share_its_limit_and_no_other_tenant_does(
    database_url: str, temporal_server: TemporalServer
) -> None:
    first, _ = await make_key(database_url)
    second, _ = await make_key(database_url)
    stranger, _ = await make_key(database_url, "other")
    async with limited(database_url, temporal_server, key=first, of_tenant=DAILY) as api:
        answers = [await api.get("/v1/notifications", key=key) for key in (first, second, first, second)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert answers[-1].json["limit"] == "tenant"
        assert (await api.get("/v1/notifications", key=stranger)).status == 200


async def test_of_many_requests_at_once_as_many_pass_as_the_limit_allows(
    database_url: str, temporal_server: TemporalServer
) -> None:
    key, _ = await make_key(database_url)
    async with limited(database_url, temporal_server, key=key, of_key="20/day") as api:
        answers = await asyncio.gather(*(api.get("/v1/suppressions") for _ in range(60)))
    assert sorted(answer.status for answer in answers) == [200] * 20 + [429] * 40


async def test_after_the_wait_that_it_names_requests_pass_again(
    database_url: str, temporal_server: TemporalServer
) -> None:
    key, _ = await make_key(database_url)
    async with limited(database_url, temporal_server, key=key, of_key="2/second") as api:

        async def refused() -> bool:
            return (await api.get("/v1/suppressions")).status == 429

        async def taken() -> bool:
            return (await api.get("/v1/suppressions")).status == 200

        await eventually(refused, interval=0)
        await eventually(taken)


async def test_a_tenants_own_limits_replace_the_installations(
    database_url: str, temporal_server: TemporalServer
) -> None:
    key, _ = await make_key(database_url)
    stranger, _ = await make_key(database_url, "other")
    made = await tidings(
        *("tenants", "create", "acme", "--rate-limit", "7/hour", "--key-rate-limit", "5/hour"),
        TIDINGS_DATABASE_URL=database_url,
    )
    assert made.status == 0, made.err
    async with limited(database_url, temporal_server, key=key, of_key=DAILY, of_tenant=DAILY) as api:
        own = await api.get("/v1/notifications")
        assert own.headers["RateLimit-Policy"] == '"key";q=5;w=3600, "tenant";q=7;w=3600'
        theirs = await api.get("/v1/notifications", key=stranger)
        assert theirs.headers["RateLimit-Policy"] == '"key";q=3;w=86400, "tenant";q=3;w=86400'


async def test_without_limits_there_are_no_headers(
    database_url: str, temporal_server: TemporalServer
) -> None:
    key, _ = await make_key(database_url)
    async with limited(database_url, temporal_server, key=key) as api:
        assert "RateLimit" not in (await api.get("/v1/notifications")).headers


async def test_two_processes_share_one_limit_by_redis(
    database_url: str, temporal_server: TemporalServer, redis: RedisServer
) -> None:
    key, _ = await make_key(database_url)

    def process() -> AbstractAsyncContextManager[Api]:
        return limited(database_url, temporal_server, key=key, of_key="10/day", redis_url=redis.url)

    async with process() as one, process() as another:
        answers: list[Answer] = []
        for _ in range(8):
            answers += await asyncio.gather(one.get("/v1/suppressions"), another.get("/v1/suppressions"))
    assert sorted(answer.status for answer in answers) == [200] * 10 + [429] * 6
    remaining = {re.findall(r"r=(\d+)", answer.headers["RateLimit"])[0] for answer in answers}
    assert "0" in remaining


async def test_while_redis_is_away_each_process_counts_by_itself_and_says_so_once(redis: RedisServer) -> None:
    now = 0.0
    limits = RateLimits(redis.url, clock=lambda: now)
    quota = Quota("key", "k", RateLimit(amount=2, seconds=86_400))

    async def admitted() -> bool:
        [standing] = await limits.take([quota])
        return standing.admitted

    assert [await admitted() for _ in range(3)] == [True, True, False]
    await redis.stop()
    with capture_logs() as lines:
        answers = []
        for _ in range(3):
            now += 10
            answers.append(await admitted())
        # By its own count nothing was used yet.
        assert answers == [True, True, False]
        assert [line["event"] for line in lines] == ["rate_limits_not_shared"]
        await redis.start()
        now += 10
        assert await admitted()  # the server begins anew
        assert [line["event"] for line in lines] == ["rate_limits_not_shared", "rate_limits_shared_again"]
    await limits.aclose()


async def test_submissions_pass_while_redis_cannot_be_reached(
    database_url: str, temporal_server: TemporalServer
) -> None:
    key, _ = await make_key(database_url)
    nowhere = "redis://user:hidden@127.0.0.1:1/0"
    with capture_logs() as lines:
        async with limited(database_url, temporal_server, key=key, of_key=DAILY, redis_url=nowhere) as api:
            answers = [await api.post("/v1/notifications", json=EMAIL) for _ in range(4)]
    assert [answer.status for answer in answers] == [201, 201, 201, 429]
    assert "hidden" not in str(lines)
