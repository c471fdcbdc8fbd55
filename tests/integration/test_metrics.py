"""What Prometheus finds at API and worker after some traffic, and what alerts and dashboard ask for."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from tests.api_process import api_process, is_live
from tests.integration.api import EMAIL, make_key
from tests.metric_tables import documented
from tests.peers.prometheus import promtool
from tests.promql import BY_PROMETHEUS, COUNTED_ONCE_TASKS_FAIL, grouping_labels, queries, selectors
from tests.provider_support import running_sandbox
from tests.scraping import Scrape
from tests.support import eventually, free_port
from tests.worker_process import worker_process
from tidings.domain.identifiers import new_id
from tidings.local.temporal_server import TemporalServer

RECIPIENT = "canary-recipient@example.com"
RETRIES = '{"attempts": 3, "first": 0.1, "factor": 1, "cap": 1, "jitter": 0}'


@dataclass(frozen=True)
class Scrapes:
    """Two API processes and a worker, after four submissions to the first API and one to the second."""

    api: Scrape
    other_api: Scrape
    worker: Scrape
    ids: list[str]


@pytest.fixture
async def scrapes(
    temporal_server: TemporalServer, database_url: str, tmp_path: Path
) -> AsyncIterator[Scrapes]:
    key, _ = await make_key(database_url)
    ports, worker_port = [free_port(), free_port()], free_port()
    first, second = (f"http://127.0.0.1:{port}" for port in ports)
    ids: list[str] = []
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(running_sandbox())
        servers = {"TIDINGS_DATABASE_URL": database_url, "TEMPORAL_ADDRESS": temporal_server.address}
        for port in ports:
            await stack.enter_async_context(api_process(port, TIDINGS_LOG_LEVEL="ERROR", **servers))
        await stack.enter_async_context(
            worker_process(
                tmp_path / "worker.log",
                temporal_address=temporal_server.address,
                database_url=database_url,
                smtp_port=sandbox.smtp_port,
                TIDINGS_WORKER_METRICS_PORT=str(worker_port),
                TIDINGS_RETRY_EMAIL=RETRIES,
            )
        )
        session = await stack.enter_async_context(
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"})
        )

        async def submitted(url: str, recipient: str) -> None:
            answer = await session.post(f"{url}/v1/notifications", json=EMAIL | {"recipient": recipient})
            assert answer.status == 201, await answer.text()
            ids.append((await answer.json())["id"])

        async def ended(id: str) -> bool:
            answer = await session.get(f"{first}/v1/notifications/{id}")
            return (await answer.json())["status"] in ("sent", "failed")

        for port in ports:
            await eventually(partial(is_live, port))
        for recipient in (
            RECIPIENT,
            RECIPIENT,
            "permanent-failure@example.com",
            "temporary-failure@example.com",
        ):
            await submitted(first, recipient)
        await submitted(second, RECIPIENT)
        for id in ids:
            await eventually(partial(ended, id))
        assert (await session.get(f"{first}/v1/notifications/{new_id()}")).status == 404
        assert (await session.get(f"{first}/{RECIPIENT}")).status == 404
        assert (await session.head(f"{first}/v1/notifications/{ids[0]}")).status == 200
        assert (await session.post(f"{first}/v1/callbacks/{RECIPIENT}")).status == 404

        async def all_gathered() -> Scrapes:
            found = Scrapes(
                await Scrape.of(f"{first}/metrics"),
                await Scrape.of(f"{second}/metrics"),
                await Scrape.of(f"http://127.0.0.1:{worker_port}/metrics"),
                ids,
            )
            assert found.worker.value("tidings_notifications_ended_total", status="sent") == 3
            return found

        yield await eventually(all_gathered)


async def test_a_scrape_says_what_went_on_and_the_alerts_and_panels_find_what_they_ask_for(
    scrapes: Scrapes,
) -> None:
    says_what_went_on(scrapes)
    names_nobody(scrapes)
    every_query_finds_its_metrics(scrapes)
    for scrape in (scrapes.api, scrapes.worker):
        # Beside faults it complains of names against Prometheus' conventions, ours and the SDK's.
        assert await promtool("check", "metrics", stdin=scrape.text) == ""


def says_what_went_on(scrapes: Scrapes) -> None:
    api, other, worker = scrapes.api, scrapes.other_api, scrapes.worker
    # Each process counts its own; Prometheus adds up.
    assert api.value("tidings_submissions_total", channel="email", status="2xx") == 4
    assert other.value("tidings_submissions_total", channel="email", status="2xx") == 1
    posts = {"route": "/v1/notifications", "method": "POST", "status": "2xx"}
    assert api.value("tidings_http_request_duration_seconds_count", **posts) == 4
    gets = {"route": "/v1/notifications/{notification_id}", "status": "4xx", "method": "GET"}
    assert api.value("tidings_http_request_duration_seconds_count", **gets) == 1
    heads = gets | {"status": "2xx", "method": "HEAD"}
    assert api.value("tidings_http_request_duration_seconds_count", **heads) == 1
    assert api.total("tidings_http_request_duration_seconds_count", route="none") == 1
    refused = {"provider": "none", "reason": "unknown_provider"}
    assert api.value("tidings_callbacks_refused_total", **refused) == 1
    assert api.total("tidings_key_cache_lookups_total") >= 4
    assert api.value("tidings_key_cache_keys") == 1

    attempts = {"channel": "email", "provider": "smtp"}
    assert worker.value("tidings_attempts_total", outcome="accepted", **attempts) == 3
    assert worker.value("tidings_attempts_total", outcome="permanent", **attempts) == 1
    assert worker.value("tidings_attempts_total", outcome="transient", **attempts) == 3
    assert worker.value("tidings_retries_total", cause="schedule", **attempts) == 2
    assert worker.value("tidings_acceptance_to_provider_seconds_count", channel="email") == 3
    assert worker.value("tidings_notifications_ended_total", status="failed") == 2

    for scrape in (api, worker):
        assert scrape.value("tidings_database_pool_limit") == 20
        assert scrape.total("tidings_database_pool_connections") >= 1
        assert scrape.value("tidings_database_pool_waiting") == 0
    for dependency in ("postgres", "temporal"):
        assert api.value("tidings_dependency_up", dependency=dependency) == 1
    for queue in ("tidings-email", "tidings-chat"):
        labels = {"task_queue": queue, "type": "activity"}
        assert api.value("tidings_backlog_tasks", **labels) is not None
        assert api.value("tidings_backlog_age_seconds", **labels) is not None
        assert api.total("tidings_task_queue_pollers", **labels) >= 1
    assert api.total("tidings_open_notifications", status="failed") >= 2

    assert api.total("temporal_request_total", operation="StartWorkflowExecution") == 4
    slots = {"task_queue": "tidings-email", "worker_type": "ActivityWorker"}
    assert worker.total("temporal_worker_task_slots_available", **slots) == 100
    assert worker.total("temporal_activity_schedule_to_start_latency_seconds_count") >= 5


def names_nobody(scrapes: Scrapes) -> None:
    for scrape in (scrapes.api, scrapes.other_api, scrapes.worker):
        for word in ("canary", "example.com", "acme", *scrapes.ids):
            assert word not in scrape.text, word


def every_query_finds_its_metrics(scrapes: Scrapes) -> None:
    """What is counted only where something went wrong is known by its documentation, which is the code's."""
    known: dict[str, set[str]] = {"up": set()}
    for given in (scrapes.api.labels(), scrapes.worker.labels(), documented(), COUNTED_ONCE_TASKS_FAIL):
        for name, labels in given.items():
            known.setdefault(name, set()).update(labels)
    for asked_by, query in queries().items():
        read = selectors(query)
        assert read, asked_by
        for selector in read:
            assert selector.metric in known, asked_by
            assert selector.labels - BY_PROMETHEUS <= known[selector.metric], asked_by
        somewhere = set().union(*(known[selector.metric] for selector in read))
        assert grouping_labels(query) - BY_PROMETHEUS <= somewhere, asked_by
