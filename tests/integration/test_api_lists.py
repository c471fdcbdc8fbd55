"""Lists over HTTP: stable while rows arrive, cursors of others, and lists that take too long."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from pydantic import PostgresDsn
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.api import Api, make_key, running_api
from tests.support import eventually
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.database.engine import create_engine
from tidings.domain.identifiers import new_id
from tidings.domain.notification import DeliveryState, Notification
from tidings.domain.vocabulary import Channel, KeyMode
from tidings.local.temporal_server import TemporalServer
from tidings.settings import DatabaseSettings

PATH = "/v1/notifications"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        yield api


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """What the worker writes with."""
    engine = create_engine(DatabaseSettings(database_url=PostgresDsn(database_url)))
    yield engine
    await engine.dispose()


async def store(engine: AsyncEngine, created_at: datetime, **fields: Any) -> str:
    """A notification with its row; its id."""
    given = {"id": new_id(), "tenant": "acme", "channel": "email", "recipient": "ada@example.com"}
    notification = Notification.model_validate(
        {**given, "subject": "Hi", "body": "Hi", "created_at": created_at, **fields}
    )
    await PostgresDeliveryLog(engine).persist(notification, DeliveryState.initial(notification))
    return str(notification.id)


async def test_a_walk_by_cursor_misses_nothing_and_repeats_nothing_while_rows_arrive(
    api: Api, engine: AsyncEngine
) -> None:
    """Rows come in at the top, with equal times, and late: older than pages that were read already."""
    there = [await store(engine, NOW - timedelta(seconds=number // 3)) for number in range(60)]
    arrived: list[str] = []
    walked = asyncio.Event()

    async def arrive() -> None:
        while not walked.is_set():
            arrived.append(await store(engine, NOW + timedelta(seconds=len(arrived))))
            arrived.append(await store(engine, NOW - timedelta(seconds=5)))

    writer = asyncio.create_task(arrive())
    await eventually(lambda: len(arrived) > 4)
    seen: list[str] = []
    page = (await api.get(f"{PATH}?per_page=7")).json
    while True:
        seen += [item["id"] for item in page["data"]]
        if page["next_cursor"] is None:
            break
        # Something new is there on every page that is read.
        await one_more(arrived)
        page = (await api.get(f"{PATH}?per_page=7&cursor={page['next_cursor']}")).json
    walked.set()
    await writer
    assert len(seen) == len(set(seen))
    assert set(there) <= set(seen) <= {*there, *arrived}
    # What was there keeps its order: newest first, as it would be listed without the newcomers.
    last = set(there)
    assert [id for id in seen if id in last] == [
        item["id"] for item in await everything(api) if item["id"] in last
    ]


async def one_more(arrived: list[str]) -> None:
    count = len(arrived)
    await eventually(lambda: len(arrived) > count)


async def everything(api: Api) -> list[dict[str, Any]]:
    page = (await api.get(f"{PATH}?per_page=100")).json
    items: list[dict[str, Any]] = page["data"]
    while page["next_cursor"]:
        page = (await api.get(f"{PATH}?per_page=100&cursor={page['next_cursor']}")).json
        items += page["data"]
    return items


async def test_each_filter_goes_with_cursors(api: Api, engine: AsyncEngine) -> None:
    schedule = new_id()
    marks: dict[str, dict[str, Any]] = {
        "channel=sms": {"channel": Channel.SMS, "recipient": "+14155550123", "subject": None},
        "mode=test": {"mode": KeyMode.TEST},
        "recipient=Eve%40EXAMPLE.com": {"recipient": "Eve@example.com"},
        "tag=vip": {"tags": ["orders", "vip"]},
        f"schedule={schedule}": {"schedule_id": schedule},
    }
    marked: dict[str, list[str]] = {query: [] for query in marks}
    for number in range(9):
        for query, fields in marks.items():
            marked[query].append(await store(engine, NOW - timedelta(seconds=number), **fields))
    for query, ids in marked.items():
        page = (await api.get(f"{PATH}?{query}&per_page=4")).json
        assert page["total"] == 9
        found = [item["id"] for item in page["data"]]
        while page["next_cursor"]:
            page = (await api.get(f"{PATH}?{query}&per_page=4&cursor={page['next_cursor']}")).json
            found += [item["id"] for item in page["data"]]
        assert found == ids, query
    assert (await api.get(f"{PATH}?recipient=eve%40example.com")).json["data"] == []


async def test_recipients_of_any_length_are_stored_and_found(api: Api, engine: AsyncEngine) -> None:
    """An entry of the index by recipient may not grow with it."""
    token = "".join(f"{number:04x}" for number in range(1_024))
    id = await store(engine, NOW, channel=Channel.PUSH, recipient=token, subject=None)
    await store(engine, NOW, channel=Channel.PUSH, recipient=token[:-1] + "x", subject=None)
    found = (await api.get(f"{PATH}?recipient={token}")).json
    assert [item["id"] for item in found["data"]] == [id]


@pytest.mark.parametrize("path", [PATH, "/v1/suppressions", "/v1/schedules"])
@pytest.mark.parametrize(
    "cursor",
    ["", "garbage", "AAAA", "%C3%A9", "%20", "A" * 38, "-" * 38, "%00", "null", "1", "=", "..%2F.."],
)
async def test_a_cursor_that_is_garbage_is_a_400(api: Api, path: str, cursor: str) -> None:
    answer = await api.get(f"{path}?cursor={cursor}")
    if cursor == "%00":
        assert (answer.status, answer.pointers) == (422, ["/cursor"])
        return
    assert (answer.status, answer.kind) == (400, "invalid-cursor")
    assert "next_cursor" in answer.json["detail"]


async def test_another_tenants_cursor_is_a_400_and_so_is_one_that_was_changed(
    api: Api, engine: AsyncEngine, database_url: str
) -> None:
    for number in range(2):
        await store(engine, NOW - timedelta(seconds=number))
    cursor = (await api.get(f"{PATH}?per_page=1")).json["next_cursor"]
    assert (await api.get(f"{PATH}?cursor={cursor}")).status == 200
    other, _ = await make_key(database_url, "other")
    changed = bytearray(base64.urlsafe_b64decode(cursor + "=="))
    changed[0] ^= 1
    forged = base64.urlsafe_b64encode(changed).decode().rstrip("=")
    for answer in (
        await api.get(f"{PATH}?cursor={cursor}", key=other),
        await api.get(f"/v1/suppressions?cursor={cursor}", key=other),
        await api.get(f"/v1/schedules?cursor={cursor}", key=other),
        await api.get(f"{PATH}?cursor={forged}"),
        await api.get(f"{PATH}?cursor={cursor}{cursor}"),
    ):
        assert (answer.status, answer.kind) == (400, "invalid-cursor")


async def test_a_list_that_takes_too_long_is_a_503_that_says_what_to_do(
    api: Api, database_url: str, temporal_server: TemporalServer
) -> None:
    connection = await asyncpg.connect(database_url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        # As if it read and read: whoever reads the table waits.
        await connection.execute("LOCK TABLE notifications IN ACCESS EXCLUSIVE MODE")
        async with running_api(
            database_url, temporal_server.address, key=api.key, command_timeout=1
        ) as impatient:
            answer = await impatient.get(f"{PATH}?status=unknown")
        assert (answer.status, answer.kind) == (503, "storage-unavailable")
        assert "created_after" in answer.json["detail"]
        assert int(answer.headers["Retry-After"]) > 0
    finally:
        await transaction.rollback()
        await connection.close()
    assert (await api.get(f"{PATH}?status=unknown")).status == 200
