"""Providers that are skipped: what the database keeps, who sends meanwhile, and where it shows."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import PostgresDsn
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.memory_health import InMemoryProviderHealth
from activities.ports import ProviderHealthLog
from activities.provider_calls import NothingCounted, ProviderCalls
from activities.provider_watch import ProviderWatch
from activities.sending import SendActivities
from tests.encryption import CONVERTER
from tests.integration.api import make_key, reaches, running_api
from tests.integration.command_line import tidings
from tests.integration.database import a_notification, open_engine, statements_of
from tests.provider_support import ScriptedSmtp, provider_settings, running_sandbox, serving
from tests.support import eventually, free_port
from tests.worker_process import worker_process
from tests.workers import at_work
from tests.workflows.delivery import ScriptedProvider
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.database.provider_health import ProviderHealthRepository
from tidings.domain.decision import Terms
from tidings.domain.identifiers import new_id
from tidings.domain.notification import DeliveryState
from tidings.domain.provider_health import SkipRule
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.route import Route
from tidings.domain.vocabulary import Channel, Status
from tidings.errors import StorageUnavailable
from tidings.local.temporal_server import TemporalServer
from tidings.messages.delivery import SendRequest
from tidings.settings import DatabaseSettings, DeliverySettings, WorkerSettings
from worker.composition import WorkerConfiguration, build_workers

EMAIL = Channel.EMAIL
AWAY = "421 4.3.2 out of order"


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(database_url) as engine:
        yield engine


@pytest.fixture(params=["postgres", "memory"])
def health(request: pytest.FixtureRequest, engine: AsyncEngine) -> ProviderHealthLog:
    return InMemoryProviderHealth() if request.param == "memory" else ProviderHealthRepository(engine)


async def test_a_skip_is_kept_once_until_the_provider_is_back(health: ProviderHealthLog) -> None:
    await health.skip(EMAIL, "smtp", failures=5, code="smtp_421", seconds=30)
    await health.skip(EMAIL, "smtp", failures=9, code="other", seconds=3_000)
    [row] = await health.skipped()
    assert (row.channel, row.provider, row.failures, row.skips) == (EMAIL, "smtp", 5, 1)
    assert (row.last_code, row.probing, 25 < row.left <= 30) == ("smtp_421", False, True)
    assert await health.claim(EMAIL, "smtp", new_id(), lease=60) is None
    await health.restore(EMAIL, "smtp")
    await health.restore(EMAIL, "smtp")
    assert await health.skipped() == []
    assert await health.claim(EMAIL, "smtp", new_id(), lease=60) is None


async def test_of_many_at_once_one_finds_out(health: ProviderHealthLog) -> None:
    await health.skip(EMAIL, "smtp", failures=5, code="smtp_421", seconds=0)
    probes = [new_id() for _ in range(10)]
    claims = await asyncio.gather(*(health.claim(EMAIL, "smtp", probe, lease=60) for probe in probes))
    assert sorted(claims, key=str) == [1, *[None] * 9]
    [row] = await health.skipped()
    assert (row.probing, 55 < row.left <= 60) == (True, True)

    winner = probes[claims.index(1)]
    loser = next(probe for probe in probes if probe != winner)
    await health.skip_again(EMAIL, "smtp", loser, code="no", seconds=1)
    await health.release(EMAIL, "smtp", loser)
    assert (await health.skipped())[0].probing
    # The statement may run a second time.
    assert await health.claim(EMAIL, "smtp", winner, lease=60) == 1
    for _ in range(2):
        await health.skip_again(EMAIL, "smtp", winner, code="smtp_451", seconds=120)
    [row] = await health.skipped()
    assert (row.skips, row.failures, row.last_code, row.probing) == (2, 6, "smtp_451", False)
    assert 115 < row.left <= 120


async def test_a_claim_that_is_given_back_or_runs_out_is_the_next_ones(health: ProviderHealthLog) -> None:
    await health.skip(EMAIL, "smtp", failures=5, code="smtp_421", seconds=0)
    first, second, third = new_id(), new_id(), new_id()
    assert await health.claim(EMAIL, "smtp", first, lease=60) == 1
    await health.release(EMAIL, "smtp", first)
    assert await health.claim(EMAIL, "smtp", second, lease=0) == 1
    assert await health.claim(EMAIL, "smtp", third, lease=60) == 1
    await health.skip_again(EMAIL, "smtp", second, code="late", seconds=1)
    assert (await health.skipped())[0].probing


async def test_a_database_that_is_away_or_has_no_table_yet_says_so(
    engine: AsyncEngine, empty_database_url: str
) -> None:
    async with open_engine(f"postgresql://tidings:s3cret@127.0.0.1:{free_port()}/tidings") as away:
        with pytest.raises(StorageUnavailable, match="Connection refused"):
            await ProviderHealthRepository(away).skipped()
    async with open_engine(empty_database_url) as empty:
        with pytest.raises(StorageUnavailable, match="tidings migrate"):
            await ProviderHealthRepository(empty).skipped()


async def test_a_healthy_send_is_two_statements(engine: AsyncEngine) -> None:
    log = PostgresDeliveryLog(engine)
    watch = ProviderWatch(ProviderHealthRepository(engine), SkipRule(), NothingCounted(), lease=60)
    send = SendActivities(log, ProviderCalls(ScriptedProvider([None])), chooser=watch).send
    notification = a_notification()
    state = DeliveryState.initial(notification)
    await log.persist(notification, state)
    terms = Terms(
        retry=RetrySchedule(),
        guarantee=notification.guarantee,
        route=["smtp", "ses"],
        automatic=True,
        spread=0,
    )
    request = SendRequest(
        notification_id=notification.id,
        number=1,
        provider="smtp",
        state=state,
        terms=terms,
        timeout=30,
        channel=EMAIL,
    )
    with statements_of(engine) as sent:
        report = await ActivityEnvironment().run(send, request)
        await watch.aclose()
    assert report.state.status is Status.SENT
    assert len(sent) == 2, sent


async def test_messages_go_by_the_next_provider_until_the_first_is_back(
    temporal_server: TemporalServer, database_url: str
) -> None:
    key, _ = await make_key(database_url)
    smtp = ScriptedSmtp({"connect": AWAY})
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(smtp))
        sandbox = await stack.enter_async_context(running_sandbox())
        api = await stack.enter_async_context(running_api(database_url, temporal_server.address, key=key))
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("TIDINGS_SENDGRID_URL", sandbox.url)
            environment.setenv("TIDINGS_SENDGRID_API_KEY", "SG.key")
            configuration = WorkerConfiguration(
                database=DatabaseSettings(database_url=PostgresDsn(database_url)),
                providers=provider_settings(smtp_port=port, smtp_tls="none"),
                delivery=DeliverySettings(
                    route_email=Route(["smtp", "sendgrid"]),
                    retry_email=RetrySchedule(attempts=5, first=0.05, factor=1, cap=1, jitter=0),
                    skip_after=3,
                    skip_seconds=1,
                ),
                worker=WorkerSettings(worker_shutdown_timeout=5),
            )
            for _ in range(2):
                client = await Client.connect(temporal_server.address, data_converter=CONVERTER)
                workers = await stack.enter_async_context(build_workers(client, configuration))
                await stack.enter_async_context(at_work(*workers))

        async def providers_of(id: str) -> list[str]:
            attempts = (await reaches(api, id, "sent")).json["attempts"]
            assert [attempt["number"] for attempt in attempts] == list(range(1, len(attempts) + 1))
            return [attempt["provider"] for attempt in attempts]

        async def one_goes_by(provider: str) -> bool:
            ids.append(await api.submitted())
            return await providers_of(ids[-1]) == [provider]

        ids: list[str] = []
        assert await providers_of(await api.submitted()) == ["smtp", "sendgrid"]
        await eventually(lambda: one_goes_by("sendgrid"))
        async with open_engine(database_url) as engine:
            [row] = await ProviderHealthRepository(engine).skipped()
            assert (row.provider, row.last_code) == ("smtp", "smtp_421_4.3.2")

            async def nobody_is_skipped() -> bool:
                # The first by smtp may be that of a worker which has not heard of the skip: no probe.
                await one_goes_by("smtp")
                return not await ProviderHealthRepository(engine).skipped()

            smtp.replies = {}
            await eventually(lambda: one_goes_by("smtp"))
            await eventually(nobody_is_skipped)
        taken = [message.notification_id for message in sandbox.sandbox.inbox]
        by_both = len(smtp.contents) + len(taken)
        assert by_both == len(ids) + 1
        assert len(taken) == len(set(taken))


async def test_the_command_shows_who_is_skipped(engine: AsyncEngine, database_url: str) -> None:
    health = ProviderHealthRepository(engine)
    await health.skip(EMAIL, "smtp", failures=5, code="smtp_421", seconds=60)
    await health.skip(EMAIL, "ses", failures=5, code="no_answer", seconds=0)
    await health.claim(EMAIL, "ses", new_id(), lease=60)

    ended = await tidings("providers", "--json", TIDINGS_DATABASE_URL=database_url)
    assert (ended.status, ended.err) == (0, "")
    shown = json.loads(ended.out)
    states = {(row["channel"], row["name"]): row["state"] for row in shown["providers"]}
    assert states["email", "smtp"] == "skipped"
    assert states["email", "ses"] == "probing"
    assert states["email", "sendgrid"] == "ok"
    assert states["webhook", "webhook"] is states["chat", "apprise"] is states["push", "webpush"] is None
    assert shown["state_unknown"] is None
    [row] = [row for row in shown["providers"] if row["name"] == "smtp"]
    assert (row["failures"], row["skips"], row["last_code"], row["alone"]) == (5, 1, "smtp_421", True)

    ended = await tidings("providers", TIDINGS_DATABASE_URL=database_url, COLUMNS="160")
    [line] = [line for line in ended.out.splitlines() if line.startswith("email    smtp")]
    assert "keeps failing, last smtp_421; no other is on its route, so it is tried" in line

    route = '["smtp", "ses"]'
    ended = await tidings(
        "providers", TIDINGS_DATABASE_URL=database_url, TIDINGS_ROUTE_EMAIL=route, COLUMNS="160"
    )
    [line] = [line for line in ended.out.splitlines() if line.startswith("email    smtp")]
    assert f"skipped until {row['skipped_until'][11:19]} UTC after 5 failures, last smtp_421" in line

    ended = await tidings("providers", TIDINGS_DATABASE_URL=f"postgresql://x:y@127.0.0.1:{free_port()}/z")
    assert ended.status == 0
    assert "Who is skipped cannot be known: Postgres is not available" in ended.out


def samples(page: str) -> dict[tuple[str, ...], float]:
    """Each sample's value by its name and labels' values; raises if the page is not in Prometheus' form."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


async def test_the_api_counts_submissions_and_shows_who_is_skipped(
    engine: AsyncEngine, database_url: str, temporal_server: TemporalServer
) -> None:
    key, _ = await make_key(database_url)
    await ProviderHealthRepository(engine).skip(EMAIL, "smtp", failures=5, code="smtp_421", seconds=60)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        await api.submitted()
        assert (await api.submit(recipient="nobody")).status == 422
        assert (await api.submit(channel="pigeon")).status == 422
        assert (await api.post("/v1/notifications", data=b"{")).status == 415
        answer = await api.get("/metrics", key=None)
        assert answer.headers["Content-Type"].startswith("text/plain")
        found = samples(answer.text)
        assert found["tidings_submissions_total", "email", "2xx"] == 1
        assert found["tidings_submissions_total", "email", "4xx"] == 1
        assert found["tidings_submissions_total", "none", "4xx"] == 2
        assert found["tidings_provider_skipped", "email", "smtp"] == 1


async def test_without_postgres_the_metrics_say_nothing_of_who_is_skipped(
    temporal_server: TemporalServer,
) -> None:
    url = f"postgresql://tidings:s3cret@127.0.0.1:{free_port()}/tidings"
    async with running_api(url, temporal_server.address, key="") as api:
        answer = await api.get("/metrics", key=None)
        assert answer.status == 200
        assert [name for name, *_ in samples(answer.text) if name == "tidings_provider_skipped"] == []


async def test_a_worker_counts_what_its_providers_answer(
    temporal_server: TemporalServer, engine: AsyncEngine, database_url: str, tmp_path: Path
) -> None:
    key, _ = await make_key(database_url)
    port = free_port()
    await ProviderHealthRepository(engine).skip(Channel.PUSH, "fcm", failures=5, code="fcm_503", seconds=60)
    settings: dict[str, Any] = {"temporal_address": temporal_server.address, "database_url": database_url}
    async with (
        running_sandbox() as sandbox,
        running_api(database_url, temporal_server.address, key=key) as api,
        worker_process(
            tmp_path / "worker.log",
            smtp_port=sandbox.smtp_port,
            TIDINGS_WORKER_METRICS_PORT=str(port),
            **settings,
        ),
        aiohttp.ClientSession() as session,
    ):
        await reaches(api, await api.submitted(), "sent")
        await reaches(api, await api.submitted(provider="sendgrid"), "failed")

        async def counted() -> bool:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                found = samples(await answer.text())
            assert found["tidings_attempts_total", "email", "accepted", "smtp"] == 1
            assert found["tidings_attempts_total", "email", "permanent", "sendgrid"] == 1
            refused = ("email", "sendgrid_not_set_up", "sendgrid")
            assert found["tidings_provider_misconfigured_total", *refused] == 1
            assert found["tidings_send_seconds_count", "email", "smtp"] == 1
            return found["tidings_provider_skipped", "push", "fcm"] == 1

        await eventually(counted)
