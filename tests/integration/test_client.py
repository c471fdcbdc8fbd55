"""The client against the real API, database and Temporal."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from temporalio.client import Client

from tests.integration.api import Api, make_key, running_api
from tests.integration.database import a_notification, a_state, open_engine
from tests.support import eventually
from tests.workflows.delivery import HOURS, delivery_worker
from tidings.client import (
    Attachment,
    Channel,
    ConflictProblem,
    EndedOtherwise,
    InvalidProblem,
    MessageFields,
    NotFoundProblem,
    Notification,
    Priority,
    Status,
    TemplateFields,
    Tidings,
    UnauthorizedProblem,
)
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.domain.receipt import SuppressionReason
from tidings.errors import PermanentFailure, TransientFailure
from tidings.local.temporal_server import TemporalServer

BUSY = TransientFailure("smtp_451", "try again later")
REFUSED = PermanentFailure("smtp_550", "no such mailbox")


EMAIL: TemplateFields = {
    "channel": Channel.EMAIL,
    "recipient": "ada@example.com",
    "subject": "Hello",
    "body": "Hello, Ada.",
}


def email(**changes: Any) -> MessageFields:
    return cast(MessageFields, {**EMAIL, **changes})


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid4()}"


@pytest.fixture(autouse=True)
def master(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_WEBHOOK_SIGNING_KEY", base64.b64encode(b"m" * 32).decode())


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer, tenant: str) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url, tenant)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        yield api


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Tidings]:
    async with Tidings(api.url, api.key) as client:
        yield client


async def sent_by(client: Tidings, api: Api, **changes: Any) -> Notification:
    """A notification that was accepted, to be ended with the others."""
    notification = await client.send(**email(**changes))
    api.accepted.append(notification.id)
    return notification


async def test_send_wait_and_get(client: Tidings, api: Api, temporal_client: Client) -> None:
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    async with delivery_worker(temporal_client):
        accepted = await sent_by(
            client,
            api,
            metadata={"order": 1042},
            tags=["orders"],
            priority=Priority.HIGH,
            expires_at=in_an_hour,
        )
        assert (accepted.status, accepted.priority) == (Status.PENDING, Priority.HIGH)
        assert accepted.expires_at == in_an_hour
        sent = await client.wait(accepted.id, until={Status.SENT})
    assert (sent.body, sent.metadata, sent.tags) == ("Hello, Ada.", {"order": 1042}, ["orders"])
    assert sent.sent_at is not None
    assert sent.sent_at > accepted.created_at
    assert sent.provider_reference == "reference-1"


async def test_what_the_api_answers_is_given_back_unchanged(client: Tidings, api: Api) -> None:
    accepted = await sent_by(client, api, metadata={"a": [1, None, "é"]})
    answer = await api.get(f"/v1/notifications/{accepted.id}")
    found = await client.get(UUID(accepted.id))
    assert found.to_json() == answer.json
    assert list(found.to_json()) == list(answer.json)
    # A field that the client does not know would be among them.
    assert found.model_extra == {}


async def test_one_key_makes_one_notification_with_concurrent_calls(client: Tidings, api: Api) -> None:
    key = f"order-{uuid4()}"
    fields = email(idempotency_key=key)
    made = await asyncio.gather(*(client.send(**fields) for _ in range(20)))
    api.accepted.append(made[0].id)
    assert len({notification.id for notification in made}) == 1
    with pytest.raises(InvalidProblem, match="/Idempotency-Key") as raised:
        await client.send(**email(idempotency_key=key, body="Another."))
    assert raised.value.kind == "idempotency-key-reused"


async def test_many_at_once_are_accepted_or_refused_one_by_one(client: Tidings, api: Api) -> None:
    key = f"order-{uuid4()}"
    messages = [email(idempotency_key=key), email(subject=None), email(metadata={"order": 1043})]
    first, bad, third = await client.send_many(messages)
    accepted = [first.accepted(), third.accepted()]
    api.accepted.extend(notification.id for notification in accepted)
    assert (first.status, first.idempotency_key) == (201, key)
    assert [(await client.get(each.id)).id for each in accepted] == [each.id for each in accepted]
    assert third.accepted().metadata == {"order": 1043}
    with pytest.raises(InvalidProblem) as refused:
        bad.accepted()
    assert [error.pointer for error in refused.value.errors] == ["/subject"]
    # As one alone: the key stands for the same notification, and for no other body.
    again, alone = await client.send_many(messages[:1]), await client.send(**messages[0])
    assert again[0].accepted().id == alone.id == first.accepted().id
    (reused,) = await client.send_many([email(idempotency_key=key, body="Another.")])
    assert (reused.status, reused.notification) == (422, None)
    with pytest.raises(InvalidProblem) as nothing:
        await client.send_many([])
    assert [error.pointer for error in nothing.value.errors] == ["/notifications"]


async def test_bad_input_is_refused_with_each_field_named(client: Tidings, api: Api) -> None:
    with pytest.raises(InvalidProblem, match="/body: ") as raised:
        await client.send(channel="sms", recipient="+15005550006", body="", tags=["x"] * 11)
    assert {fault.pointer for fault in raised.value.errors} == {"/body", "/tags"}
    assert raised.value.request_id
    assert [notification async for notification in client.list()] == []


async def test_a_large_attachment_goes_out_without_a_warning(
    client: Tidings, api: Api, tmp_path: Path
) -> None:
    file = tmp_path / "invoice.pdf"
    file.write_bytes(b"7" * 3_000_000)
    accepted = await sent_by(client, api, attachments=[Attachment.from_file(file)])
    (attachment,) = accepted.attachments
    assert (attachment.filename, attachment.content_type) == ("invoice.pdf", "application/pdf")
    assert (attachment.size, attachment.sha256) == (3_000_000, hashlib.sha256(file.read_bytes()).hexdigest())


async def test_a_list_is_walked_page_by_page_each_item_once(
    client: Tidings, database_url: str, tenant: str
) -> None:
    made = [a_notification(tenant=tenant, tags=["walk"] if number % 2 else []) for number in range(230)]
    async with open_engine(database_url) as engine:
        log = PostgresDeliveryLog(engine)
        for notification in made:
            await log.persist(notification, a_state(1, Status.SENT))
    walked = [notification.id async for notification in client.list(status=Status.SENT)]
    assert (len(walked), set(walked)) == (230, {str(notification.id) for notification in made})
    tagged = [notification async for notification in client.list(tag="walk", channel="email")]
    assert len(tagged) == 115
    page = await client.page(page=2, per_page=100)
    assert (page.total, page.page, len(page.data)) == (230, 2, 100)
    with pytest.raises(InvalidProblem, match="status"):
        await client.page(status="lost")
    with pytest.raises(InvalidProblem) as raised:
        await client.page(cursor="garbage")
    assert raised.value.kind == "invalid-cursor"


async def test_cancel_and_retry(client: Tidings, api: Api, temporal_client: Client) -> None:
    async with delivery_worker(temporal_client, [BUSY, REFUSED, None], retry=HOURS):
        first = await sent_by(client, api)
        await client.wait(first.id, until={Status.RETRYING})
        assert (await client.cancel(first.id, reason="ordered twice")).status is Status.CANCELLED
        with pytest.raises(ConflictProblem) as raised:
            await client.cancel(first.id)
        assert raised.value.members["notification_status"] == "cancelled"
        second = await sent_by(client, api)
        with pytest.raises(EndedOtherwise, match="smtp_550: no such mailbox"):
            await client.wait(second.id, until={Status.SENT})
        assert (await client.retry(second.id, reason="the mailbox is back")).attempt_count == 2
        await client.wait(second.id, until={Status.SENT})
    with pytest.raises(NotFoundProblem):
        await client.retry(uuid4())


async def test_schedules(client: Tidings) -> None:
    made = await client.schedules.create(
        notification={**EMAIL, "tags": ["daily"]}, cron="0 9 * * 1-5", time_zone="Europe/Berlin"
    )
    try:
        assert (made.paused, made.notification.tags, len(made.next_times)) == (False, ["daily"], 5)
        assert (await client.schedules.get(made.id)).to_json() == made.to_json()
        assert made.model_extra == {}
        assert (await client.schedules.pause(made.id)).paused
        assert not (await client.schedules.resume(made.id)).paused

        async def listed() -> bool:
            return [schedule.id async for schedule in client.schedules.list()] == [made.id]

        await eventually(listed)
    finally:
        await client.schedules.delete(made.id)
    with pytest.raises(NotFoundProblem):
        await client.schedules.delete(made.id)
    with pytest.raises(InvalidProblem, match="/time_zone"):
        await client.schedules.create(notification=EMAIL, cron="0 9 * * *", time_zone="Nowhere")


async def test_suppressions(client: Tidings, database_url: str, tenant: str) -> None:
    notification = a_notification(tenant=tenant)
    async with open_engine(database_url) as engine:
        log = PostgresDeliveryLog(engine)
        await log.persist(notification, a_state(1, Status.FAILED))
        await log.suppress(notification.id, SuppressionReason.HARD_BOUNCE, "smtp")
    (listed,) = [each async for each in client.suppressions.list(channel=Channel.EMAIL)]
    assert (listed.recipient, listed.reason, listed.notification_id) == (
        notification.recipient,
        "hard_bounce",
        str(notification.id),
    )
    assert [each async for each in client.suppressions.list(recipient="bob@example.com")] == []
    await client.suppressions.remove(listed.id)
    with pytest.raises(NotFoundProblem):
        await client.suppressions.remove(listed.id)


async def test_webhook_endpoints(client: Tidings) -> None:
    url = "https://example.com/hooks"
    added = await client.webhook_endpoints.add(url)
    assert added.secret.startswith("whsec_")
    assert added.secret not in repr(added)
    assert (await client.webhook_endpoints.add(url)).secret == added.secret
    rotated = await client.webhook_endpoints.rotate(added.id, overlap_seconds=60)
    assert (rotated.version, rotated.secret != added.secret) == (2, True)
    (listed,) = await client.webhook_endpoints.list()
    assert (listed.id, listed.url) == (added.id, url)
    assert (await client.webhook_endpoints.get(added.id)).secret == rotated.secret
    await client.webhook_endpoints.remove(added.id)
    assert await client.webhook_endpoints.list() == []


async def test_health_and_a_key_that_nobody_knows(client: Tidings, api: Api) -> None:
    assert (await client.health()).ready
    async with Tidings(api.url, "td_live_unknown") as stranger:
        with pytest.raises(UnauthorizedProblem):
            await stranger.get(uuid4())
