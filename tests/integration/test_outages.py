"""The whole chain, in process, while one of its two stores goes away and comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import PostgresDsn
from temporalio.client import Client

from tests.encryption import CONVERTER
from tests.integration.api import EMAIL, Api, make_key, running_api
from tests.provider_support import RunningSandbox, running_sandbox
from tests.scraping import Scrape
from tests.support import eventually, free_port
from tests.workers import at_work
from tidings.database import migrations
from tidings.domain.retry_schedule import RetrySchedule
from tidings.local.postgres import PostgresServer
from tidings.local.temporal_server import TemporalServer
from tidings.settings import DatabaseSettings, DeliverySettings, ProviderSettings, WorkerSettings
from worker.composition import WorkerConfiguration, build_workers

IMPATIENT = RetrySchedule(attempts=3, first=0.2, factor=1, cap=1, jitter=0)


@dataclass
class Chain:
    """Everything between a caller and a recipient; the stores are this test's own, to be stopped."""

    api: Api
    postgres: PostgresServer
    temporal: TemporalServer
    sandbox: RunningSandbox

    async def until(self, notification_id: str, status: str) -> dict[str, Any]:
        """Wait for a status; the notification then."""

        async def there() -> dict[str, Any] | None:
            answer = await self.api.get(f"/v1/notifications/{notification_id}")
            assert answer.status == 200, answer.text
            assert answer.json["status"] == status, answer.text
            notification: dict[str, Any] = answer.json
            return notification

        return await eventually(there)


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    async with contextlib.AsyncExitStack() as stack:
        postgres = PostgresServer(tmp_path / "postgres", free_port())
        temporal = TemporalServer(
            free_port(), free_port(), db_file=tmp_path / "temporal.db", log_file=tmp_path / "temporal.log"
        )
        for server in (postgres, temporal):
            stack.push_async_callback(server.stop, hurry=True)
        await asyncio.gather(postgres.start(), temporal.start())
        url = postgres.database_url()
        await migrations.upgrade(url)
        key, _ = await make_key(url)
        sandbox = await stack.enter_async_context(running_sandbox())
        configuration = WorkerConfiguration(
            database=DatabaseSettings(database_url=PostgresDsn(url), database_connect_timeout=2),
            providers=ProviderSettings(
                smtp_host="127.0.0.1",
                smtp_port=sandbox.smtp_port,
                sandbox_url=sandbox.url,
                sandbox_stands_in=True,
            ),
            delivery=DeliverySettings(retry_email=IMPATIENT),
            worker=WorkerSettings(worker_shutdown_timeout=1),
        )
        client = await Client.connect(temporal.address, data_converter=CONVERTER)
        workers = await stack.enter_async_context(build_workers(client, configuration))
        await stack.enter_async_context(at_work(*workers))
        api = await stack.enter_async_context(running_api(url, temporal.address, key=key, start_timeout=10))
        yield Chain(api, postgres, temporal, sandbox)


async def test_with_postgres_down_submissions_are_accepted_and_delivered_when_it_returns(
    chain: Chain,
) -> None:
    before = await chain.api.submitted(recipient="before@example.com")
    await chain.until(before, "sent")
    await chain.postgres.stop()

    accepted = await chain.api.submit(recipient="during@example.com")
    assert accepted.status == 201
    found = await chain.api.get(f"/v1/notifications/{accepted.json['id']}")
    assert (found.status, found.json["status"]) == (200, "pending")
    assert (await chain.api.get("/v1/notifications")).status == 503
    ready = await chain.api.get("/health/ready", key=None)
    assert ready.status == 503
    assert "postgres" in ready.text
    metrics = await Scrape.of(f"{chain.api.url}/metrics")
    assert metrics.value("tidings_dependency_up", dependency="postgres") == 0
    assert metrics.value("tidings_dependency_up", dependency="temporal") == 1
    assert chain.sandbox.sandbox.inbox.select(recipient="during@example.com") == []

    await chain.postgres.start()
    sent = await chain.until(accepted.json["id"], "sent")
    assert [attempt["outcome"] for attempt in sent["attempts"]] == ["accepted"]
    assert len(chain.sandbox.sandbox.inbox.select(recipient="during@example.com")) == 1
    assert (await chain.until(before, "sent"))["attempt_count"] == 1


async def test_with_temporal_down_nothing_is_promised_and_nothing_is_half_done(chain: Chain) -> None:
    before = await chain.api.submitted(recipient="before@example.com")
    await chain.until(before, "sent")
    await chain.temporal.stop()

    refused = await chain.api.submit(recipient="during@example.com")
    assert (refused.status, refused.kind) == (503, "orchestrator-unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    assert (await chain.api.get(f"/v1/notifications/{before}")).json["status"] == "sent"
    assert (await chain.api.get("/v1/notifications")).json["total"] == 1
    metrics = await Scrape.of(f"{chain.api.url}/metrics")
    assert metrics.value("tidings_workflow_start_failures_total") == 1
    assert metrics.value("tidings_dependency_up", dependency="temporal") == 0
    assert metrics.value("tidings_dependency_up", dependency="postgres") == 1
    # Zeros would say that nothing waits.
    for name in ("tidings_backlog_tasks", "tidings_backlog_age_seconds", "tidings_open_notifications"):
        assert name not in metrics.labels()

    await chain.temporal.start()
    after = await chain.api.submitted(recipient="after@example.com")
    await chain.until(after, "sent")
    assert chain.sandbox.sandbox.inbox.select(recipient="during@example.com") == []
    assert (await chain.api.get("/v1/notifications")).json["total"] == 2


@pytest.mark.parametrize(
    ("recipient", "status", "outcomes"),
    [
        ("permanent-failure@example.com", "failed", ["permanent"]),
        ("temporary-failure@example.com", "failed", ["transient"] * 3),
        ("temporary-failure-2@example.com", "sent", ["transient", "transient", "accepted"]),
    ],
)
async def test_a_refusal_is_retried_if_it_is_passing_and_said_if_it_is_for_good(
    chain: Chain, recipient: str, status: str, outcomes: list[str]
) -> None:
    notification = await chain.until(await chain.api.submitted(recipient=recipient), status)
    assert [attempt["outcome"] for attempt in notification["attempts"]] == outcomes
    assert (notification["error"] is not None) is (status == "failed")


async def test_every_channel_is_delivered_and_no_id_of_a_201_is_ever_missing(chain: Chain) -> None:
    submissions: list[dict[str, Any]] = [
        EMAIL | {"html": "<p>Hello, <b>Ada</b></p>"},
        {"channel": "sms", "recipient": "+14155550199", "body": "Your code is 493028"},
        {"channel": "push", "recipient": "fcm:0123456789abcdef", "body": "Your driver is here"},
    ]
    for submission in submissions * 10:
        answer = await chain.api.post("/v1/notifications", json=submission)
        assert answer.status == 201, answer.text
        found = await chain.api.get(answer.headers["Location"])
        assert found.status == 200
    listed = await chain.api.get("/v1/notifications?per_page=100")

    async def all_sent() -> bool:
        answer = await chain.api.get("/v1/notifications?status=sent&per_page=100")
        return bool(answer.json["total"] == 30)

    await eventually(all_sent)
    assert listed.status == 200
