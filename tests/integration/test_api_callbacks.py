"""Callbacks over HTTP: what a provider says comes to pass, what nobody has proven changes nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.callbacks import Callbacks
from tests import callbacks
from tests.integration.api import Answer, Api, make_key, reaches, running_api
from tests.integration.database import a_notification, a_state, open_engine
from tests.support import free_port
from tests.workflows.delivery import delivery_worker
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.database.migrations import upgrade
from tidings.database.receipts import PostgresReceiptLog
from tidings.domain.notification import Notification
from tidings.domain.vocabulary import Guarantee, Status
from tidings.errors import UnknownOutcome
from tidings.local.postgres import PostgresServer
from tidings.local.temporal_server import TemporalServer
from tidings.providers.callbacks.protocol import CallbackRequest
from tidings.temporal import names


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(database_url) as engine:
        yield engine


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(
        database_url, temporal_server.address, key=key, environment=callbacks.callback_settings()
    ) as api:
        yield api


async def called_back(api: Api, request: CallbackRequest) -> Answer:
    """Send a request that was made for the public URL to where the API really is."""
    path = request.url.removeprefix(callbacks.PUBLIC_URL)
    return await api.post(path, key=None, data=request.body, headers=request.headers)


async def sent(engine: AsyncEngine, **changes: Any) -> Notification:
    """A notification that a provider has accepted."""
    notification = a_notification(**changes)
    await PostgresDeliveryLog(engine).persist(notification, a_state(2, Status.SENT))
    return notification


async def details(api: Api, id: UUID | str) -> Any:
    return (await api.get(f"/v1/notifications/{id}")).json


async def test_each_provider_delivers(api: Api, engine: AsyncEngine) -> None:
    by_sms, by_mail, by_ses = [await sent(engine) for _ in range(3)]
    for request in (
        callbacks.twilio_callback(by_sms.id),
        callbacks.sendgrid_callback(callbacks.sendgrid_event(by_mail.id)),
    ):
        answer = await called_back(api, request)
        assert (answer.status, answer.text) == (204, "")
    # Its certificate is fetched from Amazon: here from the test.
    parts = api.parts
    readers = {"ses": callbacks.ses_reader()}
    with_ses = Callbacks(readers, PostgresReceiptLog(engine), parts.workflows, parts.metrics)
    assert await with_ses.take("ses", callbacks.ses_callback(callbacks.ses_event(by_ses.id))) == 1
    for notification in (by_sms, by_mail, by_ses):
        found = await details(api, notification.id)
        assert found["status"] == "delivered"
        assert found["delivered_at"] is not None
        assert [receipt["kind"] for receipt in found["receipts"]] == ["delivered"]


async def test_a_bounce_fails_it_and_rules_the_recipient_out_until_it_is_taken_off(
    api: Api, engine: AsyncEngine, temporal_client: Client
) -> None:
    recipient = f"{a_notification().id}@example.com"
    first = await sent(engine, recipient=recipient)
    bounce = callbacks.sendgrid_event(first.id, "bounce", type="bounce", status="5.1.1", reason="550 No such")
    assert (await called_back(api, callbacks.sendgrid_callback(bounce))).status == 204
    found = await details(api, first.id)
    assert (found["status"], found["error"]["code"]) == ("failed", "sendgrid_bounce_5.1.1")
    # The repetition is a receipt, but nobody is listed by it.
    assert (await called_back(api, callbacks.sendgrid_callback(bounce))).status == 204
    counted = api.parts.metrics.registry.get_sample_value
    assert counted("tidings_receipts_total", {"provider": "sendgrid", "kind": "failed"}) == 2
    listed_by = {"provider": "sendgrid", "reason": "hard_bounce"}
    assert counted("tidings_suppressions_total", listed_by) == 1

    async with delivery_worker(temporal_client, store=PostgresDeliveryLog(engine)) as delivery:
        refused = await reaches(api, await api.submitted(recipient=recipient.upper()), "failed")
        assert (refused.json["error"]["code"], refused.json["attempts"]) == ("suppressed", [])
        assert delivery.provider.calls == []
        listed = await api.get("/v1/suppressions", params={"channel": "email", "recipient": recipient})
        (entry,) = listed.json["data"]
        assert (entry["reason"], entry["notification_id"]) == ("hard_bounce", str(first.id))
        assert entry["id"] in refused.json["error"]["message"]
        assert (await api.call("DELETE", f"/v1/suppressions/{entry['id']}")).status == 204
        assert (await api.call("DELETE", f"/v1/suppressions/{entry['id']}")).kind == "not-found"
        retried = await api.post(f"/v1/notifications/{refused.json['id']}/retry")
        assert retried.status in (200, 202), retried.text
        await reaches(api, refused.json["id"], "sent")


async def test_a_receipt_wakes_the_workflow_that_waits_for_a_decision(
    api: Api, engine: AsyncEngine, temporal_client: Client
) -> None:
    lost = UnknownOutcome("connection_lost", "the line broke")
    async with delivery_worker(temporal_client, [lost], store=PostgresDeliveryLog(engine)):
        id = await api.submitted(guarantee=Guarantee.AT_MOST_ONCE.value)
        await reaches(api, id, "unknown")
        assert (await called_back(api, callbacks.twilio_callback(id))).status == 204
        await reaches(api, id, "delivered")
        result = await temporal_client.get_workflow_handle(names.workflow_id(id)).result()
        assert result["state"]["status"] == "delivered"


async def test_what_nobody_has_proven_changes_nothing(api: Api, engine: AsyncEngine) -> None:
    notification = await sent(engine)
    good = callbacks.twilio_callback(notification.id)
    other = callbacks.twilio_callback(a_notification().id)
    forged = {
        "no signature": CallbackRequest(good.url, {"content-type": callbacks.FORM}, good.body),
        "another's signature": CallbackRequest(good.url, other.headers, good.body),
        "another body": CallbackRequest(good.url, good.headers, good.body + b"&Extra=1"),
        "another notification": CallbackRequest(other.url, good.headers, good.body),
        "another token": callbacks.twilio_callback(notification.id, token="f" * 32),
        "sendgrid, unsigned": CallbackRequest(f"{callbacks.PUBLIC_URL}/v1/callbacks/sendgrid", {}, b"[]"),
        "ses, unsigned": CallbackRequest(f"{callbacks.PUBLIC_URL}/v1/callbacks/ses", {}, b"{}"),
    }
    for name, request in forged.items():
        answer = await called_back(api, request)
        assert (answer.status, answer.kind) == (403, "forged-callback"), name
        assert callbacks.TWILIO_TOKEN not in answer.text
    refused = api.parts.metrics.registry.get_sample_value
    labels = {"provider": "twilio", "reason": "forged"}
    assert refused("tidings_callbacks_refused_total", labels) == 5
    large = CallbackRequest(good.url, good.headers, good.body + b"&Padding=" + b"x" * 1_000_000)
    assert (await called_back(api, large)).status == 413
    unknown = await api.post("/v1/callbacks/nobody", key=None, data=b"")
    assert (unknown.kind, "twilio" in unknown.json["detail"]) == ("not-found", True)
    found = await details(api, notification.id)
    assert (found["status"], found["receipts"]) == ("sent", [])


async def test_a_replay_and_a_late_word_change_nothing(api: Api, engine: AsyncEngine) -> None:
    notification = await sent(engine)
    delivered = callbacks.twilio_callback(notification.id, "delivered")
    for request in (
        delivered,
        delivered,
        callbacks.twilio_callback(notification.id, "sent"),
        callbacks.twilio_callback(notification.id, "undelivered", ErrorCode="30003"),
        delivered,
    ):
        assert (await called_back(api, request)).status == 204
    found = await details(api, notification.id)
    assert found["status"] == "delivered"
    assert [receipt["kind"] for receipt in found["receipts"]] == ["delivered", "failed"]


async def test_a_receipt_for_nobody_is_taken_and_forgotten(api: Api) -> None:
    assert (await called_back(api, callbacks.twilio_callback(a_notification().id))).status == 204


async def test_a_receipt_is_kept_while_postgres_is_away(
    temporal_server: TemporalServer, temporal_client: Client, tmp_path: Path
) -> None:
    server = PostgresServer(tmp_path / "data", free_port())
    await server.start()
    try:
        url = server.database_url()
        await upgrade(url)
        key, _ = await make_key(url)
        async with open_engine(url) as engine:
            notification = await sent(engine)
            async with running_api(
                url, temporal_server.address, key=key, environment=callbacks.callback_settings()
            ) as api:
                await server.stop(hurry=True)
                request = callbacks.twilio_callback(notification.id)
                assert (await called_back(api, request)).status == 204
                assert (await called_back(api, request)).status == 204
                await server.start()
                async with delivery_worker(
                    temporal_client, store=PostgresDeliveryLog(engine), receipts=PostgresReceiptLog(engine)
                ):
                    found = await reaches(api, str(notification.id), "delivered")
                assert len(found.json["receipts"]) == 1
    finally:
        await server.stop(hurry=True)


async def test_with_temporal_away_too_it_has_to_come_again(tmp_path: Path) -> None:
    nowhere = "postgresql://tidings:hidden@127.0.0.1:1/tidings"
    async with running_api(
        nowhere, "127.0.0.1:1", key="td_live_x", environment=callbacks.callback_settings(), start_timeout=0.5
    ) as api:
        answer = await called_back(api, callbacks.twilio_callback(a_notification().id))
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_suppressions_are_the_tenants_own_and_bad_queries_are_named(
    api: Api, engine: AsyncEngine, database_url: str
) -> None:
    notification = await sent(engine, recipient=f"{a_notification().id}@example.com")
    complaint = callbacks.sendgrid_event(notification.id, "spamreport")
    await called_back(api, callbacks.sendgrid_callback(complaint))
    query = {"recipient": notification.recipient, "channel": "email"}
    (entry,) = (await api.get("/v1/suppressions", params=query)).json["data"]
    foreign, _ = await make_key(database_url, tenant="other")
    assert (await api.get("/v1/suppressions", params=query, key=foreign)).json["data"] == []
    assert (await api.call("DELETE", f"/v1/suppressions/{entry['id']}", key=foreign)).status == 404
    assert (await api.get("/v1/suppressions", key=None)).status == 401
    assert (await api.get("/v1/suppressions?chanel=email")).pointers == ["/chanel"]
    assert (await api.get("/v1/suppressions?cursor=garbage")).kind == "invalid-cursor"
    assert (await api.call("DELETE", "/v1/suppressions/garbage")).status == 404
