"""Retry by hand over HTTP, with everything real but the provider: by the open workflow, or by a new run."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from tests.integration.api import Api, forgotten, make_key, reaches, running_api, signals
from tests.integration.command_line import tidings
from tests.integration.database import open_engine
from tests.support import eventually
from tests.workflows.delivery import HOURS, Delivery, delivery_worker, happened
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.domain.vocabulary import Status
from tidings.errors import PermanentFailure, SendFailure, TransientFailure
from tidings.local.temporal_server import TemporalServer
from tidings.messages.delivery import DeliveryResult
from tidings.temporal import names

BUSY = TransientFailure("smtp_451", "try again later")
REFUSED = PermanentFailure("smtp_550", "no such mailbox")


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        yield api


@asynccontextmanager
async def durable_worker(
    client: Client, database_url: str, script: Iterable[SendFailure | None], **options: Any
) -> AsyncIterator[Delivery]:
    """A worker whose log is the database."""
    async with (
        open_engine(database_url) as engine,
        delivery_worker(client, script, store=PostgresDeliveryLog(engine), **options) as delivery,
    ):
        yield delivery


@pytest.mark.parametrize("is_forgotten", [False, True], ids=["closed", "forgotten"])
async def test_retry_after_the_window_starts_a_new_run_that_goes_on_with_the_numbers(
    api: Api, temporal_client: Client, database_url: str, is_forgotten: bool
) -> None:
    async with durable_worker(temporal_client, database_url, [REFUSED, BUSY, None], retry_window=0):
        id = await api.submitted()
        await reaches(api, id, "failed")
        await temporal_client.get_workflow_handle(names.workflow_id(id)).result()
        if is_forgotten:
            await forgotten(temporal_client, id)
        answer = await api.post(f"/v1/notifications/{id}/retry")
        assert answer.status == 200, answer.text
        await reaches(api, id, "retrying")
        assert (await api.post(f"/v1/notifications/{id}/retry")).status == 200
        sent = (await reaches(api, id, "sent")).json
        assert [(attempt["number"], attempt["outcome"]) for attempt in sent["attempts"]] == [
            (1, "permanent"),
            (2, "transient"),
            (3, "accepted"),
        ]
        answer = await api.post(f"/v1/notifications/{id}/retry")
        assert (answer.status, answer.json["notification_status"]) == (409, "sent")


async def test_retry_of_what_was_terminated_by_hand_goes_on_where_it_was(
    api: Api, temporal_client: Client, database_url: str
) -> None:
    async with durable_worker(temporal_client, database_url, [BUSY, None], retry=HOURS):
        id = await api.submitted()
        await reaches(api, id, "retrying")
        await temporal_client.get_workflow_handle(names.workflow_id(id)).terminate()
        answer = await api.post(f"/v1/notifications/{id}/retry")
        assert answer.status == 200, answer.text
        assert (await reaches(api, id, "sent")).json["attempt_count"] == 2


async def test_retry_of_an_expired_notification_with_a_new_expiry(
    api: Api, temporal_client: Client, database_url: str
) -> None:
    async with durable_worker(temporal_client, database_url, [BUSY, BUSY, None], retry=HOURS) as delivery:
        soon = datetime.now(UTC) + timedelta(seconds=2)
        id = await api.submitted(expires_at=soon.isoformat())
        expired = (await reaches(api, id, "expired")).json
        assert expired["attempt_count"] == len(delivery.provider.calls)
        later = {"expires_at": "2099-01-01T02:00:00+02:00", "reason": "the shop is open again"}
        answer = await api.post(f"/v1/notifications/{id}/retry", json=later)
        assert answer.status == 200, answer.text
        assert answer.json["expires_at"] == "2099-01-01T00:00:00Z"
        retrying = (await reaches(api, id, "retrying")).json
        assert retrying["expires_at"] == "2099-01-01T00:00:00Z"
        assert retrying["next_attempt_at"] is not None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "/expires_at"),
        ({"reason": "two\nlines"}, "/reason"),
        ({"reason": "x" * 201}, "/reason"),
        ({"when": "now"}, "/when"),
        ([], ""),
    ],
)
async def test_a_bad_body_of_retry_signals_nothing(
    api: Api, temporal_client: Client, body: Any, pointer: str
) -> None:
    id = await api.submitted()
    answer = await api.post(f"/v1/notifications/{id}/retry", json=body)
    assert (answer.status, [error["pointer"] for error in answer.json["errors"]]) == (422, [pointer])
    assert await signals(temporal_client, id) == []


async def test_retry_of_what_was_terminated_amid_an_attempt_waits_for_its_outcome(
    api: Api, temporal_client: Client, database_url: str
) -> None:
    """The attempt of the ended run goes on: nobody may call its outcome unknown while it does."""
    async with durable_worker(temporal_client, database_url, [None], attempt_timeout=3) as delivery:
        delivery.provider.gate = asyncio.Event()
        id = await api.submitted(guarantee="at_most_once")
        await delivery.provider.called.wait()
        handle = temporal_client.get_workflow_handle(names.workflow_id(id), result_type=DeliveryResult)
        await handle.terminate()
        retrying = asyncio.create_task(api.post(f"/v1/notifications/{id}/retry"))
        await eventually(lambda: signals(temporal_client, id))
        delivery.provider.gate.set()
        await retrying
        await reaches(api, id, "sent")
        assert (await handle.result()).state.status is Status.SENT
        assert len(delivery.provider.calls) == 1


@asynccontextmanager
async def failed_unheard(api: Api, client: Client, database_url: str) -> AsyncIterator[str]:
    """The id of one that has failed under a worker for sends alone: its workflow has not heard of it."""
    async with durable_worker(client, database_url, [REFUSED, None], sends=False) as delivery:
        id = await api.submitted()
        handle = client.get_workflow_handle(names.workflow_id(id))
        await eventually(lambda: happened(handle, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED))
    async with open_engine(database_url) as engine:
        delivery.store = PostgresDeliveryLog(engine)
        async with delivery.sending():
            await reaches(api, id, "failed")
            yield id


async def test_the_command_retries_what_its_workflow_has_not_yet_heard_of(
    api: Api, temporal_server: TemporalServer, temporal_client: Client, database_url: str
) -> None:
    environment = {"TEMPORAL_ADDRESS": temporal_server.address}
    async with failed_unheard(api, temporal_client, database_url) as id:
        ended = await tidings("retry", id, **environment)
        assert (ended.status, ended.out) == (1, f"{id}  not retried: it is pending\n")
        ended = await tidings("retry", id, TIDINGS_DATABASE_URL=database_url, **environment)
        assert ended.status == 0, ended
        async with durable_worker(temporal_client, database_url, [], sends=False):
            sent = (await reaches(api, id, "sent")).json
        assert [attempt["number"] for attempt in sent["attempts"]] == [1, 2]


async def test_the_api_retries_what_its_workflow_has_not_yet_heard_of(
    api: Api, temporal_client: Client, database_url: str
) -> None:
    async with failed_unheard(api, temporal_client, database_url) as id:
        retrying = asyncio.create_task(api.post(f"/v1/notifications/{id}/retry"))
        await eventually(lambda: signals(temporal_client, id))
        async with durable_worker(temporal_client, database_url, [], sends=False):
            assert (await retrying).status == 200
            sent = (await reaches(api, id, "sent")).json
        assert [attempt["number"] for attempt in sent["attempts"]] == [1, 2]
