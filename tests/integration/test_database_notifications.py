"""Reading notifications: filters, pages, cursors, and no look into another tenant's."""

from collections.abc import AsyncIterator, Coroutine
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.database import (
    NOW,
    a_notification,
    a_state,
    an_attempt,
    finished,
    open_engine,
    statements_of,
)
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.database.notifications import NotificationRepository
from tidings.database.tables import notifications
from tidings.domain.identifiers import new_id
from tidings.domain.notification import DeliveryState, Notification
from tidings.domain.record import NotificationFilter, Page, Position
from tidings.domain.vocabulary import Channel, Outcome, Status

ANY = NotificationFilter()


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(database_url) as engine:
        yield engine


@pytest.fixture
def repository(engine: AsyncEngine) -> NotificationRepository:
    return NotificationRepository(engine)


async def keep(engine: AsyncEngine, state: DeliveryState | None = None, **changes: Any) -> Notification:
    notification = a_notification(**changes)
    await PostgresDeliveryLog(engine).persist(notification, state or DeliveryState.initial(notification))
    return notification


async def keep_many(engine: AsyncEngine, count: int) -> list[UUID]:
    """Their ids, newest first. Like an id derived from a key, no id says when it was made."""
    kept = [await keep(engine, id=uuid4(), created_at=at(number)) for number in range(count)]
    return [notification.id for notification in reversed(kept)]


def at(number: int) -> datetime:
    return NOW + timedelta(microseconds=number)


def ids(page: Page) -> list[UUID]:
    return [record.notification.id for record in page.records]


async def test_get_gives_the_notification_its_state_and_attempts_in_one_statement(
    engine: AsyncEngine, repository: NotificationRepository
) -> None:
    notification = await keep(engine)
    done = finished(
        an_attempt(),
        Outcome.ACCEPTED,
        provider_reference='"quoted" é',
        finished_at=NOW + timedelta(seconds=1.5),
    )
    await PostgresDeliveryLog(engine).record(notification.id, a_state(2, Status.SENT, sent_at=NOW), done)
    with statements_of(engine) as sent:
        record = await repository.get("acme", notification.id)
    assert record is not None
    assert record.notification == notification
    assert record.state == a_state(2, Status.SENT, sent_at=NOW)
    assert record.attempts == [done]
    assert sent == ["SELECT"]


async def test_get_finds_nothing_of_another_tenant_and_nothing_that_is_not_there(
    engine: AsyncEngine, repository: NotificationRepository
) -> None:
    notification = await keep(engine)
    assert await repository.get("rival", notification.id) is None
    assert await repository.get("acme", new_id()) is None


async def test_lists_hold_nothing_of_another_tenant(
    engine: AsyncEngine, repository: NotificationRepository
) -> None:
    theirs = await keep(engine, tenant="rival")
    assert await repository.page("acme", ANY, 1, 20) == Page([], 0, None)
    assert await repository.after("acme", ANY, None, 20) == Page([], None, None)
    assert ids(await repository.page("rival", ANY, 1, 20)) == [theirs.id]


async def test_pages_are_newest_first_and_hold_each_notification_once(
    engine: AsyncEngine, repository: NotificationRepository
) -> None:
    newest_first = await keep_many(engine, 7)
    pages = [await repository.page("acme", ANY, number, 3) for number in (1, 2, 3, 4)]
    assert [ids(page) for page in pages] == [
        newest_first[:3],
        newest_first[3:6],
        newest_first[6:],
        [],
    ]
    assert [page.total for page in pages] == [7, 7, 7, 7]
    assert [page.next_after for page in pages] == [
        Position(at(4), newest_first[2]),
        Position(at(1), newest_first[5]),
        None,
        None,
    ]


async def test_a_full_last_page_has_no_next(engine: AsyncEngine, repository: NotificationRepository) -> None:
    newest_first = await keep_many(engine, 4)
    last = await repository.page("acme", ANY, 2, 2)
    assert (ids(last), last.total, last.next_after) == (newest_first[2:], 4, None)
    last = await repository.after("acme", ANY, Position(at(2), newest_first[1]), 2)
    assert (ids(last), last.total, last.next_after) == (newest_first[2:], None, None)


async def test_following_the_cursor_meets_each_notification_once_though_new_ones_arrive(
    engine: AsyncEngine, repository: NotificationRepository
) -> None:
    newest_first = await keep_many(engine, 7)
    met: list[UUID] = []
    page = await repository.after("acme", ANY, None, 3)
    while True:
        met += ids(page)
        await keep(engine, created_at=at(7))
        if page.next_after is None:
            break
        page = await repository.after("acme", ANY, page.next_after, 3)
    assert met == newest_first


async def test_notifications_of_one_instant_are_each_met_once(
    engine: AsyncEngine, repository: NotificationRepository
) -> None:
    kept = [(await keep(engine, id=uuid4())).id for _ in range(7)]
    pages = [await repository.page("acme", ANY, number, 2) for number in (1, 2, 3, 4)]
    assert [id for page in pages for id in ids(page)] == sorted(kept, reverse=True)

    met: list[UUID] = []
    page = await repository.after("acme", ANY, None, 2)
    while page.next_after is not None:
        met += ids(page)
        page = await repository.after("acme", ANY, page.next_after, 2)
    assert met + ids(page) == sorted(kept, reverse=True)


async def test_a_page_deep_in_the_list_is_one_range_of_the_index_without_sorting(
    engine: AsyncEngine, repository: NotificationRepository
) -> None:
    await keep(engine)
    async with engine.begin() as connection:
        copied = ", ".join(name for name in notifications.c.keys() if name not in ("id", "created_at"))  # noqa: SIM118
        await connection.exec_driver_sql(
            f"INSERT INTO notifications (id, created_at, {copied})"  # noqa: S608
            f" SELECT gen_random_uuid(), created_at + n * interval '1 second', {copied}"
            " FROM notifications, generate_series(1, 5000) AS n"
        )
        await connection.exec_driver_sql("ANALYZE notifications")
    position = Position(NOW + timedelta(seconds=2500), uuid4())
    plan = await plan_of(engine, repository.after("acme", ANY, position, 20))
    (scan,) = [node for node in plan if "Index Name" in node]
    assert scan["Index Name"] == "notifications_tenant_created_at_id_idx"
    assert scan["Scan Direction"] == "Backward"
    assert "ROW(created_at, id)" in scan["Index Cond"]
    assert [node["Node Type"] for node in plan] == ["Limit", "Index Scan"]


async def plan_of(engine: AsyncEngine, call: Coroutine[Any, Any, object]) -> list[dict[str, Any]]:
    """How Postgres runs the one statement of a call: the plan's nodes, outermost first."""
    sent: list[tuple[str, Any]] = []

    def on_statement(
        connection: Connection, cursor: Any, statement: str, parameters: Any, *rest: Any
    ) -> None:
        sent.append((statement, parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", on_statement)
    await call
    event.remove(engine.sync_engine, "before_cursor_execute", on_statement)
    ((statement, parameters),) = sent
    async with engine.connect() as connection:
        explained = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
        node = explained.scalar_one()[0]["Plan"]
    nodes = [node]
    while "Plans" in node:
        (node,) = node["Plans"]
        nodes.append(node)
    return nodes


async def test_a_cursor_counts_nothing(engine: AsyncEngine, repository: NotificationRepository) -> None:
    await keep_many(engine, 3)
    with statements_of(engine) as sent:
        page = await repository.after("acme", ANY, None, 2)
    assert page.total is None
    assert sent == ["SELECT"]


async def test_a_page_that_ends_the_list_needs_no_count(
    engine: AsyncEngine, repository: NotificationRepository
) -> None:
    await keep_many(engine, 3)
    with statements_of(engine) as sent:
        assert (await repository.page("acme", ANY, 1, 20)).total == 3
        assert (await repository.page("acme", ANY, 1, 3)).total == 3
    assert sent == ["SELECT", "SELECT", "SELECT"]


@pytest.mark.parametrize(
    ("filter", "others"),
    [
        (NotificationFilter(status=Status.FAILED), {"state": a_state(1, Status.SENT)}),
        (NotificationFilter(channel=Channel.SMS), {"channel": Channel.EMAIL}),
        (NotificationFilter(recipient="+14155550123"), {"recipient": "+1415555012"}),
        (NotificationFilter(tag="wanted"), {"tags": ["other", "wanted too"]}),
        (NotificationFilter(created_after=NOW), {"created_at": NOW - timedelta(microseconds=1)}),
        (
            NotificationFilter(created_before=NOW + timedelta(microseconds=1)),
            {"created_at": NOW + timedelta(microseconds=1)},
        ),
    ],
)
async def test_each_filter_alone_decides(
    engine: AsyncEngine,
    repository: NotificationRepository,
    filter: NotificationFilter,
    others: dict[str, Any],
) -> None:
    wanted: dict[str, Any] = {
        "state": a_state(1, Status.FAILED),
        "channel": Channel.SMS,
        "recipient": "+14155550123",
        "tags": ["a", "wanted"],
    }
    match = await keep(engine, **wanted)
    await keep(engine, **wanted | others)
    page = await repository.page("acme", filter, 1, 20)
    assert (ids(page), page.total) == ([match.id], 1)
    assert ids(await repository.after("acme", filter, None, 20)) == [match.id]


async def test_filters_apply_together_and_to_the_count(
    engine: AsyncEngine, repository: NotificationRepository
) -> None:
    both: dict[str, Any] = {"state": a_state(1, Status.FAILED), "channel": Channel.PUSH}
    matches = [(await keep(engine, created_at=at(number), **both)).id for number in range(3)][::-1]
    await keep(engine, **both | {"channel": Channel.SMS})
    await keep(engine, channel=Channel.PUSH)
    filter = NotificationFilter(status=Status.FAILED, channel=Channel.PUSH)
    page = await repository.page("acme", filter, 1, 2)
    assert (ids(page), page.total, page.next_after) == (matches[:2], 3, Position(at(1), matches[1]))


async def test_text_of_a_filter_is_never_sql(engine: AsyncEngine, repository: NotificationRepository) -> None:
    await keep(engine)
    for text in ("' OR '1'='1", "%", "ada@example.com' --"):
        assert (await repository.page("acme", NotificationFilter(recipient=text), 1, 20)).total == 0
        assert (await repository.page("acme", NotificationFilter(tag=text), 1, 20)).total == 0
        assert (await repository.page(text, ANY, 1, 20)).total == 0
