"""Attachments from the submission to the mail server: the very bytes, and none of them in Temporal."""

import asyncio
import base64
import contextlib
import io
import json
import os
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from pydantic import PostgresDsn, SecretStr
from sqlalchemy import text
from temporalio.client import Client

from tests.integration.api import EMAIL, Answer, Api, make_key, reaches, running_api
from tests.integration.command_line import tidings
from tests.integration.database import NOW, a_notification, open_engine
from tests.provider_support import RunningSandbox, outgoing, provider_settings, running_sandbox
from tests.support import eventually
from tests.workers import at_work
from tidings.database.attachments import AttachmentRepository
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.database.storage import fetch
from tidings.domain.attachment import AttachmentContent
from tidings.domain.identifiers import new_id
from tidings.domain.notification import DeliveryState
from tidings.domain.vocabulary import Channel
from tidings.local.temporal_server import TemporalServer
from tidings.providers.protocol import OutgoingAttachment
from tidings.providers.sendgrid import SendgridProvider, SendgridSettings
from tidings.providers.ses import SesProvider, SesSettings
from tidings.settings import DatabaseSettings, DeliverySettings, ProviderSettings, WorkerSettings
from tidings.temporal import names
from worker.composition import WorkerConfiguration, build_workers

CANARY = b"canary-of-an-attachment-" * 8
NOWHERE = "postgresql://tidings@127.0.0.1:1/tidings"


def file_of(content: bytes, filename: str = "invoice.pdf", **more: Any) -> dict[str, Any]:
    encoded = base64.b64encode(content).decode()
    return {"filename": filename, "content_type": "application/pdf", "content": encoded, **more}


async def submit(api: Api, **fields: Any) -> Answer:
    """Submit an e-mail, its body as a stream: the client wants large ones so."""
    body = io.BytesIO(json.dumps(EMAIL | fields).encode())
    return await api.post("/v1/notifications", data=body, headers={"Content-Type": "application/json"})


async def count(url: str, table: str) -> int:
    async with open_engine(url) as engine:
        [row] = await fetch(engine, text(f"SELECT count(*) AS count FROM {table}"))  # noqa: S608
    found: int = row["count"]
    return found


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        yield api


@pytest.fixture
async def sandbox(database_url: str, temporal_client: Client) -> AsyncIterator[RunningSandbox]:
    """The sandbox, and workers that deliver to it."""
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(running_sandbox())
        configuration = WorkerConfiguration(
            database=DatabaseSettings(database_url=PostgresDsn(database_url)),
            providers=ProviderSettings(
                smtp_host="127.0.0.1", smtp_port=running.smtp_port, sandbox_url=running.url
            ),
            delivery=DeliverySettings(),
            worker=WorkerSettings(worker_shutdown_timeout=1),
        )
        workers = await stack.enter_async_context(build_workers(temporal_client, configuration))
        await stack.enter_async_context(at_work(*workers))
        yield running


async def test_the_very_bytes_arrive_and_none_of_them_is_in_temporal(
    api: Api, sandbox: RunningSandbox, temporal_client: Client
) -> None:
    noise = CANARY + os.urandom(1_000_000)
    files = [
        file_of(noise, "Rechnung №7 日本語.pdf"),
        file_of(b"\x89PNG logo", "logo.png", content_type="image/png", content_id="logo"),
    ]
    answer = await submit(api, html="<img src='cid:logo'>", attachments=files)
    assert answer.status == 201, answer.text
    id = answer.json["id"]
    shown = [(each["filename"], each["content_type"], each["size"]) for each in answer.json["attachments"]]
    assert shown == [
        ("Rechnung №7 日本語.pdf", "application/pdf", len(noise)),
        ("logo.png", "image/png", 9),
    ]
    sent = await reaches(api, id, "sent")
    assert sent.json["attachments"] == answer.json["attachments"]
    [mail] = sandbox.sandbox.inbox
    assert {file.filename: file.content for file in mail.attachments} == {
        "Rechnung №7 日本語.pdf": noise,
        "logo.png": b"\x89PNG logo",
    }

    handle = temporal_client.get_workflow_handle(names.workflow_id(id))
    history = b"".join([event.SerializeToString() async for event in handle.fetch_history_events()])
    assert b"logo.png" not in history
    for offset in range(3):
        assert base64.b64encode(CANARY)[4 * offset : 4 * offset + 64] not in history
        assert base64.b64encode(b"-" * offset + CANARY)[8:72] not in history
    assert CANARY[:24] not in history
    assert base64.b64encode(b"\x89PNG logo") not in history

    async with aiohttp.ClientSession() as session:
        async with session.get(f"{sandbox.url}/messages") as response:
            [listed] = (await response.json())["data"]
        assert {"filename": "logo.png", "content_type": "image/png", "size": 9} in listed["attachments"]
        places = {file["filename"]: place for place, file in enumerate(listed["attachments"])}
        path = f"{sandbox.url}/messages/{mail.number}/attachments"
        async with session.get(f"{path}/{places['Rechnung №7 日本語.pdf']}") as response:
            assert await response.read() == noise
            assert response.content_type == "application/octet-stream"
            assert response.headers["Content-Disposition"].startswith("attachment")
        async with session.get(f"{path}/{places['logo.png']}") as response:
            assert (response.content_type, await response.read()) == ("image/png", b"\x89PNG logo")
        async with session.get(f"{path}/9") as response:
            assert response.status == 404
        async with session.get(f"{sandbox.url}/messages/{mail.number}/html") as response:
            assert "data:image/png;base64," in await response.text()
        async with session.get(f"{sandbox.url}/") as response:
            assert f"/messages/{mail.number}/attachments/0" in await response.text()


async def test_what_goes_to_many_is_stored_once_and_for_each_tenant(api: Api, database_url: str) -> None:
    other, _ = await make_key(database_url, tenant="other")
    for _ in range(3):
        await api.submitted(attachments=[file_of(CANARY), file_of(CANARY, "again.pdf")])
    assert (
        await count(database_url, "attachments"),
        await count(database_url, "notification_attachments"),
    ) == (1, 3)
    answer = await api.post(
        "/v1/notifications",
        key=other,
        json={"channel": "email", "recipient": "a@example.com", "subject": "x", "body": "x"}
        | {"attachments": [file_of(CANARY)]},
    )
    assert answer.status == 201
    assert await count(database_url, "attachments") == 2


async def test_a_replay_stores_nothing_again_and_another_file_is_another_body(
    api: Api, sandbox: RunningSandbox, database_url: str
) -> None:
    headers = {"Idempotency-Key": f"order-{uuid4()}"}
    fields = {"channel": "email", "recipient": "ada@example.com", "subject": "x", "body": "x"}
    body = fields | {"attachments": [file_of(CANARY)]}
    first = await api.post("/v1/notifications", json=body, headers=headers)
    await reaches(api, first.json["id"], "sent")
    again = await asyncio.gather(
        *(api.post("/v1/notifications", json=body, headers=headers) for _ in range(5))
    )
    assert {(answer.status, answer.json["id"]) for answer in again} == {(201, first.json["id"])}
    assert {answer.headers.get("Idempotent-Replayed") for answer in again} == {"true"}
    changed = fields | {"attachments": [file_of(CANARY + b"!")]}
    refused = await api.post("/v1/notifications", json=changed, headers=headers)
    assert refused.kind == "idempotency-key-reused"
    assert (
        await count(database_url, "attachments"),
        await count(database_url, "notification_attachments"),
    ) == (1, 1)
    assert len(sandbox.sandbox.inbox) == 1


async def test_what_is_refused_stores_nothing(api: Api, database_url: str) -> None:
    for fields in (
        {"attachments": [file_of(CANARY), file_of(CANARY, "a/b")]},
        {"attachments": [file_of(CANARY)], "subject": None},
        {"attachments": [file_of(CANARY)], "recipient": "nobody"},
        {"attachments": [file_of(b"x" * 10_000_001)]},
    ):
        answer = await submit(api, **fields)
        assert answer.kind == "validation", answer.text
    too_large = await submit(api, attachments=[file_of(b"x" * 11_000_000)])
    assert too_large.kind == "too-large"
    assert await count(database_url, "attachments") == 0


async def test_other_calls_keep_the_small_limit(api: Api) -> None:
    id = await api.submitted()
    large = {"reason": "x" * 1_000_001}
    assert (await api.post(f"/v1/notifications/{id}/cancel", json=large)).kind == "too-large"
    assert (await api.post("/v1/schedules", json={"notification": large})).kind == "too-large"


async def test_without_postgres_nothing_with_attachments_is_accepted(
    database_url: str, temporal_server: TemporalServer, temporal_client: Client
) -> None:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        assert (await api.get("/v1/notifications")).status == 200
        # The key stays known; what is to be stored goes nowhere.
        async with open_engine(NOWHERE, database_connect_timeout=1) as engine:
            api.parts.submitting._attachments = AttachmentRepository(engine)
            headers = {"Idempotency-Key": f"order-{uuid4()}"}
            answer = await api.submit(attachments=[file_of(CANARY)])
            assert (answer.status, answer.kind) == (503, "storage-unavailable")
            assert answer.headers["Retry-After"]
            body = EMAIL | {"attachments": [file_of(CANARY)]}
            keyed = await api.post("/v1/notifications", json=body, headers=headers)
            assert keyed.kind == "storage-unavailable"
            assert (await api.submit()).status == 201
        assert len(api.accepted) == 1
    # Another API process, with Postgres: the key was not used up.
    async with running_api(database_url, temporal_server.address, key=key) as api:
        answer = await api.post("/v1/notifications", json=body, headers=headers)
        assert (answer.status, answer.headers.get("Idempotent-Replayed")) == (201, None)


async def test_it_survives_a_restart_of_the_api(
    database_url: str, temporal_server: TemporalServer, temporal_client: Client
) -> None:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        id = await api.submitted(attachments=[file_of(CANARY)])
        api.accepted.clear()
    async with running_api(database_url, temporal_server.address, key=key) as api:
        found = await api.get(f"/v1/notifications/{id}")
        assert [each["filename"] for each in found.json["attachments"]] == ["invoice.pdf"]
        api.accepted.append(id)
        async with running_sandbox() as running, contextlib.AsyncExitStack() as stack:
            configuration = WorkerConfiguration(
                database=DatabaseSettings(database_url=PostgresDsn(database_url)),
                providers=ProviderSettings(
                    smtp_host="127.0.0.1", smtp_port=running.smtp_port, sandbox_url=running.url
                ),
                delivery=DeliverySettings(),
                worker=WorkerSettings(worker_shutdown_timeout=1),
            )
            workers = await stack.enter_async_context(build_workers(temporal_client, configuration))
            await stack.enter_async_context(at_work(*workers))
            await reaches(api, id, "sent")
            [mail] = running.sandbox.inbox
        assert [file.content for file in mail.attachments] == [CANARY]


async def test_what_was_erased_fails_for_good(api: Api, sandbox: RunningSandbox, database_url: str) -> None:
    id = await api.submitted(attachments=[file_of(CANARY)], recipient="temporary-failure@example.com")
    await reaches(api, id, "retrying")
    async with open_engine(database_url) as engine:
        await fetch(engine, text("DELETE FROM attachments"))
    assert await count(database_url, "notification_attachments") == 0
    await api.post(f"/v1/notifications/{id}/retry")

    async def failed() -> bool:
        return bool((await api.get(f"/v1/notifications/{id}")).json["status"] == "failed")

    await eventually(failed)
    answer = await api.get(f"/v1/notifications/{id}")
    assert answer.json["error"]["code"] == "attachment_missing"
    assert len(sandbox.sandbox.inbox) == 0


async def test_the_sweep_deletes_orphans_and_nothing_else(database_url: str) -> None:
    contents = [AttachmentContent.of(text.encode()) for text in ("used", "orphan", "erased", "young")]
    used, orphan, erased, young = contents
    later = NOW + timedelta(days=91)
    async with open_engine(database_url) as engine:
        store, log = AttachmentRepository(engine), PostgresDeliveryLog(engine)
        kept, gone = a_notification(), a_notification()
        for notification in (kept, gone):
            await log.persist(notification, DeliveryState.initial(notification))
        await store.store("acme", kept.id, [used], NOW)
        await store.store("acme", new_id(), [orphan], NOW)
        await store.store("acme", gone.id, [erased, used], NOW)
        await store.store("acme", new_id(), [young], later)
        await store.erase(gone.id)
        assert await store.sweep(NOW) == 0
        assert await store.sweep(later) == 2
        rows = await fetch(engine, text("SELECT content FROM attachments"))
        assert {row["content"] for row in rows} == {b"used", b"young"}
        assert await store.load(kept.id) == {used.sha256: b"used"}
        assert await store.load(gone.id) == {}
        # Stored again at the last moment: younger, so it stays.
        await store.store("acme", new_id(), [used], later)
        assert await store.sweep(later) == 0


async def test_sendgrid_and_ses_hand_over_the_very_bytes() -> None:
    """To the sandbox, in the vendors' own forms."""
    files = [
        OutgoingAttachment("Rechnung №7 日本語.csv", "text/csv; charset=utf-8", "é;ü\r\n".encode() * 100_000),
        OutgoingAttachment("logo.png", "image/png", b"\x89PNG logo", content_id="logo"),
    ]
    message = outgoing(Channel.EMAIL, "ada@example.com", html="<img src='cid:logo'>", attachments=files)
    async with running_sandbox() as running:
        own = SendgridSettings(_env_file=None, sendgrid_url=running.url, sendgrid_api_key=SecretStr("SG.key"))
        aws = SesSettings(
            _env_file=None,
            ses_url=running.url,
            aws_region="eu-central-1",
            aws_access_key_id="AKIA",
            aws_secret_access_key=SecretStr("secret"),
        )
        providers = (SendgridProvider(provider_settings(), own), SesProvider(provider_settings(), aws))
        for provider in providers:
            await provider.send(message)
            await provider.aclose()
        received = list(running.sandbox.inbox)
    assert [mail.provider for mail in received] == ["ses", "sendgrid"]
    for mail in received:
        found = {file.filename: (file.content, file.content_id) for file in mail.attachments}
        assert found == {file.filename: (file.content, file.content_id) for file in files}


async def test_the_command_line_sends_files_and_shows_them(
    api: Api, database_url: str, tmp_path: Path
) -> None:
    invoice = tmp_path / "Rechnung 7.pdf"
    invoice.write_bytes(CANARY)
    given = {"TIDINGS_URL": api.url, "TIDINGS_API_KEY": api.key}
    email = ("send", "--channel", "email", "--to", "ada@example.com", "--subject", "x", "--body", "x")
    sent = await tidings(*email, "--attach", str(invoice), **given)
    assert sent.status == 0, sent.err
    assert f"Rechnung 7.pdf ({len(CANARY)} bytes)" in sent.out
    missing = await tidings(*email, "--attach", str(tmp_path / "nothing"), **given)
    assert (missing.status, "cannot be read" in missing.err) == (2, True)
    sms = await tidings("send", "--channel", "sms", "--to", "+14155550123", "--body", "x" * 161, **given)
    assert "2 of GSM-7, 161 characters" in sms.out
    push = ("send", "--channel", "push", "--to", "token-of-a-device", "--body", "x", "--json")
    pushed = await tidings(*push, "--data", '{"order": "7"}', "--collapse-key", "order-7", **given)
    shown = json.loads(pushed.out)
    # For the fixture to end their workflows: they were not made through it.
    api.accepted.extend(
        re.findall(r"/workflows/notification-([0-9a-f-]{36})", sent.out + sms.out + pushed.out)
    )
    assert len(api.accepted) == 3
    assert (shown["data"], shown["collapse_key"]) == ({"order": "7"}, "order-7")
