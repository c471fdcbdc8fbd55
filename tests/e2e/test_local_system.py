"""The two commands of the README, as a new user meets them."""

import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.local_system import Caller, LocalSystem
from tests.integration.command_line import tidings
from tests.support import eventually

EMAIL = {"channel": "email", "subject": "Your order has shipped", "body": "It arrives on Tuesday."}


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[LocalSystem]:
    system = LocalSystem.fresh(tmp_path / "data")
    yield system
    await system.clean_up()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_an_email_is_delivered_a_killed_worker_loses_nothing_and_all_stops_cleanly(
    system: LocalSystem, session: aiohttp.ClientSession
) -> None:
    state = await system.start()
    caller = Caller(session, state)
    assert (system.data / "up.json").stat().st_mode & 0o777 == 0o600

    # An email leaves over SMTP, stands in the inbox, and its workflow can be opened.
    accepted = await caller.submit(**EMAIL, recipient="ada@example.com", metadata={"order": 7})
    assert accepted["status"] == "pending"
    sent = await caller.until(accepted["id"], "sent")
    assert [(attempt["number"], attempt["outcome"]) for attempt in sent["attempts"]] == [(1, "accepted")]
    (message,) = await caller.inbox("ada@example.com")
    assert (message["channel"], message["subject"]) == ("email", EMAIL["subject"])
    assert message["notification_id"] == accepted["id"]
    assert EMAIL["body"] in message["body"]
    assert EMAIL["subject"] in await caller.page(state["sandbox_url"])
    assert accepted["workflow"]["url"].startswith(state["ui_url"])
    assert "<html" in (await caller.page(accepted["workflow"]["url"])).lower()

    # The doctor finds it well, from beside it.
    async def well() -> bool:
        looked = await tidings("doctor", TIDINGS_UP_DATA=str(system.data), TIDINGS_CODEC_KEYS="")
        assert looked.status == 0, looked.out
        return True

    await eventually(well)

    # A text message leaves as Twilio takes it; the sandbox says later, as Twilio does, that it has arrived.
    text = await caller.submit(channel="sms", recipient="+14155550005", body="On its way.")
    delivered = await caller.until(text["id"], "delivered")
    assert [(receipt["provider"], receipt["kind"]) for receipt in delivered["receipts"]] == [
        ("twilio", "delivered")
    ]

    # A worker dies by SIGKILL in the middle of a slow send; the notification is delivered all the same.
    slow = await caller.submit(**EMAIL, recipient="slow@example.com")
    await caller.until_begun(slow["id"])
    os.kill(state["pids"]["worker"], signal.SIGKILL)
    sent = await caller.until(slow["id"], "sent", timeout=120)
    assert [attempt["outcome"] for attempt in sent["attempts"]] == ["unknown", "accepted"]
    assert sent["attempts"][0]["error"]["code"] == "worker_lost"
    received = await caller.inbox("slow@example.com")
    assert len({dict(message["headers"])["Message-ID"] for message in received}) == 1

    assert await system.stop() == 0
    assert not (system.data / "up.json").exists()
    assert await eventually(lambda: system.living() == [])


async def test_what_was_in_flight_goes_on_after_a_clean_stop_and_after_a_kill(
    system: LocalSystem, session: aiohttp.ClientSession
) -> None:
    caller = Caller(session, await system.start())
    waiting = await caller.submit(**EMAIL, recipient="temporary-failure-1@example.com")
    await caller.until(waiting["id"], "retrying")
    assert await system.stop(signal.SIGINT) == 0

    state = await system.start()
    caller = Caller(session, state)
    again = await caller.until(waiting["id"], "sent")
    # The sandbox counts failures in memory, so after its restart it may fail once more.
    numbers = [attempt["number"] for attempt in again["attempts"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert again["attempts"][0]["outcome"] == "transient"
    other = await caller.submit(**EMAIL, recipient="temporary-failure-1-b@example.com")
    await caller.until(other["id"], "retrying")

    # A command beside it seals its reason with the same key; Temporal's files hold nothing of it all.
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    third = await caller.submit(**EMAIL, recipient="third@example.com", send_at=later)
    beside = {"TIDINGS_UP_DATA": str(system.data), "TIDINGS_CODEC_KEYS": ""}
    ended = await tidings("cancel", third["id"], "--reason", "somebody asked for it", **beside)
    assert (ended.status, ended.out) == (0, f"{third['id']}  cancelled\n"), ended.err
    files = [file.read_bytes() for file in (system.data / "temporal").iterdir()]
    assert sum(file.count(b"binary/encrypted") for file in files) > 10
    for word in (EMAIL["subject"], EMAIL["body"], "third@example.com", "somebody asked for it"):
        assert not any(word.encode() in file for file in files)

    assert system.process is not None
    system.process.kill()
    await system.process.wait()

    caller = Caller(session, await system.start())
    assert (await caller.until(other["id"], "sent"))["attempt_count"] >= 2
    assert (await caller.get(waiting["id"]))["status"] == "sent"
    assert await system.stop() == 0
    assert await eventually(lambda: system.living() == [])
