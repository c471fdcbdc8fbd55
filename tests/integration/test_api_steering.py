"""Cancel and retry over HTTP: real Temporal, a real worker with the real workflow, a scripted provider.

The worker keeps its log in memory, so there is never a row in Postgres: everything here works without.
"""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from temporalio.client import Client

from tests.integration.api import Api, make_key, reaches, running_api, signals
from tests.support import eventually
from tests.workflows.delivery import HOURS, delivery_worker
from tidings.errors import PermanentFailure, TransientFailure
from tidings.local.temporal_server import TemporalServer
from tidings.temporal import names

BUSY = TransientFailure("smtp_451", "try again later")
REFUSED = PermanentFailure("smtp_550", "no such mailbox")


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        yield api


@pytest.fixture
async def hasty_api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    """An API that looks only briefly for what came of a signal."""
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key, cancel_wait=0.3) as api:
        yield api


async def test_cancel_of_a_scheduled_notification(api: Api, temporal_client: Client) -> None:
    async with delivery_worker(temporal_client) as delivery:
        id = await api.submitted(send_at="2027-06-01T00:00:00Z")
        await reaches(api, id, "scheduled")
        answer = await api.post(f"/v1/notifications/{id}/cancel")
        assert (answer.status, answer.json["status"]) == (200, "cancelled")
        assert answer.json["next_attempt_at"] is None
        assert delivery.provider.calls == []


async def test_cancel_during_a_backoff(api: Api, temporal_client: Client) -> None:
    async with delivery_worker(temporal_client, [BUSY], retry=HOURS) as delivery:
        id = await api.submitted()
        waiting = (await reaches(api, id, "retrying")).json
        assert waiting["error"] == {"code": "smtp_451", "message": "try again later"}
        assert waiting["next_attempt_at"] > waiting["updated_at"]
        answer = await api.post(f"/v1/notifications/{id}/cancel")
        assert (answer.status, answer.json["status"]) == (200, "cancelled")
        assert len(delivery.provider.calls) == 1


async def test_a_second_cancel_finds_nothing_left_to_cancel(api: Api, temporal_client: Client) -> None:
    async with delivery_worker(temporal_client, [BUSY], retry=HOURS):
        id = await api.submitted()
        await reaches(api, id, "retrying")
        assert (await api.post(f"/v1/notifications/{id}/cancel")).status == 200
        answer = await api.post(f"/v1/notifications/{id}/cancel")
        assert (answer.status, answer.json["notification_status"]) == (409, "cancelled")


async def test_cancel_of_a_sent_notification_is_too_late(api: Api, temporal_client: Client) -> None:
    async with delivery_worker(temporal_client):
        id = await api.submitted()
        sent = (await reaches(api, id, "sent")).json
        assert (sent["provider"], sent["provider_reference"]) == ("smtp", "reference-1")
        answer = await api.post(f"/v1/notifications/{id}/cancel")
        assert (answer.status, answer.kind) == (409, "wrong-status")
        assert answer.json["notification_status"] == "sent"
        assert "sent" in answer.json["detail"]


async def test_cancel_during_an_attempt_that_succeeds_is_too_late(api: Api, temporal_client: Client) -> None:
    async with delivery_worker(temporal_client) as delivery:
        delivery.provider.gate = asyncio.Event()
        id = await api.submitted()
        await delivery.provider.called.wait()
        cancelling = asyncio.create_task(api.post(f"/v1/notifications/{id}/cancel"))
        await eventually(lambda: signals(temporal_client, id))
        delivery.provider.gate.set()
        answer = await cancelling
        assert (answer.status, answer.json["notification_status"]) == (409, "sent")


async def test_cancel_while_an_attempt_goes_on_answers_202_and_holds(
    hasty_api: Api, temporal_client: Client
) -> None:
    async with delivery_worker(temporal_client, [BUSY], retry=HOURS) as delivery:
        delivery.provider.gate = asyncio.Event()
        id = await hasty_api.submitted()
        await delivery.provider.called.wait()
        answer = await hasty_api.post(f"/v1/notifications/{id}/cancel")
        assert (answer.status, answer.json["status"]) == (202, "sending")
        delivery.provider.gate.set()
        await reaches(hasty_api, id, "cancelled")
        assert len(delivery.provider.calls) == 1


async def test_cancel_without_a_worker_answers_202_and_holds(hasty_api: Api, temporal_client: Client) -> None:
    id = await hasty_api.submitted()
    answer = await hasty_api.post(f"/v1/notifications/{id}/cancel")
    assert (answer.status, answer.json["status"]) == (202, "pending")
    async with delivery_worker(temporal_client) as delivery:
        await reaches(hasty_api, id, "cancelled")
        assert delivery.provider.calls == []


async def test_cancel_of_a_retry_that_no_worker_has_seen_yet_holds(
    hasty_api: Api, temporal_client: Client
) -> None:
    async with delivery_worker(temporal_client, [REFUSED, None]) as delivery:
        id = await hasty_api.submitted()
        await reaches(hasty_api, id, "failed")
    assert (await hasty_api.post(f"/v1/notifications/{id}/retry")).status == 202
    assert (await hasty_api.post(f"/v1/notifications/{id}/cancel")).status == 202
    async with delivery_worker(temporal_client, log=delivery.log) as again:
        await reaches(hasty_api, id, "cancelled")
        assert again.provider.calls == []


async def test_cancel_of_what_was_terminated_by_hand(api: Api, temporal_client: Client) -> None:
    id = await api.submitted()
    await temporal_client.get_workflow_handle(names.workflow_id(id)).terminate()
    answer = await api.post(f"/v1/notifications/{id}/cancel")
    assert (answer.status, answer.kind) == (409, "wrong-status")


async def test_retry_of_a_failed_notification_begins_a_new_attempt(api: Api, temporal_client: Client) -> None:
    async with delivery_worker(temporal_client, [REFUSED, None]) as delivery:
        id = await api.submitted()
        await reaches(api, id, "failed")
        answer = await api.post(f"/v1/notifications/{id}/retry")
        assert answer.status == 200, answer.text
        assert answer.json["status"] in ("sending", "sent")
        assert answer.json["attempt_count"] == 2
        await reaches(api, id, "sent")
        assert len(delivery.provider.calls) == 2


async def test_retry_cuts_a_backoff_short(api: Api, temporal_client: Client) -> None:
    async with delivery_worker(temporal_client, [BUSY, None], retry=HOURS):
        id = await api.submitted()
        await reaches(api, id, "retrying")
        answer = await api.post(f"/v1/notifications/{id}/retry")
        assert (answer.status, answer.json["attempt_count"]) == (200, 2)
        await reaches(api, id, "sent")


@pytest.mark.parametrize("status", ["scheduled", "sending", "sent", "cancelled"])
async def test_retry_is_refused_from_any_other_status(api: Api, temporal_client: Client, status: str) -> None:
    async with delivery_worker(temporal_client) as delivery:
        scheduled = {"send_at": "2027-06-01T00:00:00Z"} if status in ("scheduled", "cancelled") else {}
        if status == "sending":
            delivery.provider.gate = asyncio.Event()
        id = await api.submitted(**scheduled)
        if status == "cancelled":
            await api.post(f"/v1/notifications/{id}/cancel")
        await reaches(api, id, status)
        answer = await api.post(f"/v1/notifications/{id}/retry")
        assert (answer.status, answer.kind) == (409, "wrong-status")
        assert answer.json["notification_status"] == status
        if delivery.provider.gate is not None:
            delivery.provider.gate.set()
            await reaches(api, id, "sent")
        assert len(delivery.provider.calls) <= 1


async def test_retry_without_a_worker_answers_202_and_is_kept(
    hasty_api: Api, temporal_client: Client
) -> None:
    async with delivery_worker(temporal_client, [BUSY], retry=HOURS):
        id = await hasty_api.submitted()
        await reaches(hasty_api, id, "retrying")
    answer = await hasty_api.post(f"/v1/notifications/{id}/retry")
    assert (answer.status, answer.json["status"]) == (202, "retrying")
    assert await signals(temporal_client, id) == ["retry"]


async def test_two_cancels_at_once_are_both_answered_truthfully(api: Api, temporal_client: Client) -> None:
    async with delivery_worker(temporal_client, [BUSY], retry=HOURS):
        for _ in range(5):
            id = await api.submitted()
            await reaches(api, id, "retrying")
            answers = await asyncio.gather(*(api.post(f"/v1/notifications/{id}/cancel") for _ in range(2)))
            assert {answer.status for answer in answers} <= {200, 409}
            said = [answer.json.get("notification_status") or answer.json["status"] for answer in answers]
            assert said == ["cancelled", "cancelled"]
            assert 200 in [answer.status for answer in answers]


async def test_a_cancel_that_races_a_retry_is_answered_truthfully(api: Api, temporal_client: Client) -> None:
    async with delivery_worker(temporal_client, [BUSY], retry=HOURS) as delivery:
        for number in range(8):
            delivery.provider.script[:] = [BUSY, None]
            id = await api.submitted()
            await reaches(api, id, "retrying")
            order = ("cancel", "retry") if number % 2 else ("retry", "cancel")
            answers = await asyncio.gather(
                *(api.post(f"/v1/notifications/{id}/{signal}") for signal in order)
            )
            cancelled = answers[order.index("cancel")]
            end = "cancelled" if cancelled.status == 200 else "sent"
            attempts = (await reaches(api, id, end)).json["attempt_count"]
            assert attempts == (1 if end == "cancelled" else 2)
            retried = answers[order.index("retry")]
            # Not 200 unless it was tried again.
            assert (retried.status == 200) is (end == "sent")


async def test_a_cancel_that_races_the_end_of_an_attempt_is_answered_truthfully(
    api: Api, temporal_client: Client
) -> None:
    async with delivery_worker(temporal_client, retry=HOURS) as delivery:
        for answer in (None, BUSY) * 5:
            delivery.provider.script[:] = [answer]
            delivery.provider.gate = asyncio.Event()
            delivery.provider.called.clear()
            id = await api.submitted()
            await delivery.provider.called.wait()
            cancelling = asyncio.create_task(api.post(f"/v1/notifications/{id}/cancel"))
            delivery.provider.gate.set()
            cancelled = await cancelling
            if answer is None:
                assert (cancelled.status, cancelled.json["notification_status"]) == (409, "sent")
            else:
                assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")


async def test_a_cancel_in_the_queue_holds_though_no_worker_of_the_channel_runs(
    api: Api, temporal_client: Client
) -> None:
    async with delivery_worker(temporal_client, sends=False) as delivery:
        id = await api.submitted()
        await eventually(lambda: UUID(id) in delivery.log._entries)
        answer = await api.post(f"/v1/notifications/{id}/cancel")
        assert (answer.status, answer.json["status"]) == (200, "cancelled")
        async with delivery.sending():
            other = await api.submitted()
            await reaches(api, other, "sent")
        assert [str(message.notification_id) for message in delivery.provider.calls] == [other]
