"""`tidings watch`: what it shows, when it ends, and what it does while the API is away."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from temporalio.client import Client

from tests.integration.api import Api, make_key, running_api
from tests.integration.command_line import tidings
from tests.integration.database import NOW, a_notification, open_engine
from tests.integration.scripted_api import ID, NOTIFICATION, problem, says, scripted_api
from tests.integration.terminal import Running, running
from tests.support import eventually, free_port
from tests.workflows.delivery import HOURS, delivery_worker
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.domain.identifiers import new_id
from tidings.domain.notification import DeliveryState
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, TransientFailure
from tidings.local.temporal_server import TemporalServer

KEY = "td_live_x"
FAST = ("--every", "0.2")
ATTEMPT = {
    "number": 1,
    "provider": "smtp",
    "outcome": "transient",
    "error": {"code": "smtp_451", "message": "later\x1b[2J"},
    "response": None,
    "started_at": "2026-11-21T06:07:39Z",
}


def one(status: str, **fields: Any) -> dict[str, Any]:
    given = {"attempt_count": 0, "error": None, "next_attempt_at": None, "send_at": None, "body": "Hi"}
    return {**NOTIFICATION, **given, "attempts": [], "status": status, **fields}


def page(*items: dict[str, Any]) -> dict[str, Any]:
    return {"data": list(items), "total": len(items), "page": 1, "per_page": 100, "next_cursor": None}


def reach(url: str, key: str = KEY) -> dict[str, str]:
    return {"TIDINGS_URL": url, "TIDINGS_API_KEY": key}


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        yield api


@pytest.mark.parametrize(
    ("answer", "last", "status"),
    [(None, "sent", 0), (PermanentFailure("smtp_550", "no such mailbox"), "failed", 1)],
    ids=["sent", "failed"],
)
async def test_one_is_followed_to_its_end(
    api: Api, temporal_client: Client, answer: PermanentFailure | None, last: str, status: int
) -> None:
    script = [TransientFailure("smtp_451", "later"), answer]
    async with delivery_worker(temporal_client, script, retry=HOURS) as delivery:
        id = await api.submitted()
        command = ("watch", id, *FAST, "--json")
        async with running(*command, environment=reach(api.url, api.key)) as watch:

            async def is_retrying() -> bool:
                return bool(watch.lines) and json.loads(watch.lines[-1])["status"] == "retrying"

            await eventually(is_retrying)
            await api.post(f"/v1/notifications/{id}/retry")
            assert await watch.ended() == status
            assert not watch.err
        seen = [json.loads(line) for line in watch.lines]
        assert {item["id"] for item in seen} == {id}
        assert (seen[-1]["status"], seen[-1]["attempt_count"]) == (last, 2)
        # A line for each change, and none for a look that shows nothing new.
        assert all(before != after for before, after in pairwise(seen))
        assert len(delivery.provider.calls) == 2


async def test_the_newest_are_listed_and_what_changes_is_a_line(api: Api, database_url: str) -> None:
    async with open_engine(database_url) as engine:
        log = PostgresDeliveryLog(engine)

        async def stored(number: int, **fields: Any) -> str:
            notification = a_notification(created_at=NOW + timedelta(seconds=number), **fields)
            await log.persist(notification, DeliveryState.initial(notification))
            return str(notification.id)

        there = [await stored(number) for number in range(101)]
        text = {"channel": Channel.SMS, "recipient": "+14155550100", "subject": None}
        await stored(-1, **text)
        command = ("watch", "--channel", "email", *FAST, "--json")
        async with running(*command, environment=reach(api.url, api.key)) as watch:
            # The hundred newest, oldest first; the text message is not among them.
            await eventually(lambda: len(watch.lines) == 100)
            assert [json.loads(line)["id"] for line in watch.lines] == there[1:]
            new = await stored(200)
            await stored(201, **text)
            await eventually(lambda: len(watch.lines) == 101)
            assert json.loads(watch.lines[-1])["id"] == new
            assert await watch.interrupted() == 130
            assert (len(watch.lines), bytes(watch.err)) == (101, b"")


async def test_a_pipe_gets_a_line_for_each_change_that_steers_no_terminal() -> None:
    waiting = one(
        "retrying",
        attempt_count=1,
        error={"code": "smtp_451", "message": "later\x1b[2J\nplease"},
        next_attempt_at="2026-11-21T06:08:03Z",
    )
    script = [says(200, one("pending")), says(200, waiting), says(200, waiting), says(200, one("sent"))]
    async with scripted_api(*script) as api, running("watch", ID, *FAST, environment=reach(api.url)) as watch:
        assert await watch.ended() == 0
        assert len(api.seen) == 4
        words = [line.split(maxsplit=2) for line in watch.lines]
        assert [(id, said) for _, id, said in words] == [
            (ID, "pending    email"),
            (ID, "retrying   email  attempt 1, smtp_451: later\N{REPLACEMENT CHARACTER}[2J please, next at"
             " 06:08:03 UTC"),
            (ID, "sent       email"),
        ]  # fmt: skip


async def test_an_api_that_is_away_is_said_once_and_waited_for() -> None:
    away = [problem(503, "unavailable", "Postgres is away"), problem(429, "slow", "Slower"), says(502)]
    script = [says(200, one("pending")), *away, says(200, one("delivered"))]
    async with scripted_api(*script) as api, running("watch", ID, *FAST, environment=reach(api.url)) as watch:
        assert await watch.ended() == 0
        assert len(api.seen) == 5
        said = watch.err.decode().splitlines()
    assert len(said) == 2
    assert said[0].startswith(f"tidings: The API at {api.url} does not serve now (HTTP 503: unavailable)")
    assert said[1] == f"tidings: The API at {api.url} serves again."


async def test_one_look_is_one_request_that_counts_no_more_than_is_seen() -> None:
    items = [
        one("sent", id=str(new_id()), created_at=f"2026-11-21T06:{59 - n // 2:02}:00Z") for n in range(100)
    ]
    script = [says(200, page(*items)), says(200, page(*items)), says(200, page(*items[:99]))]
    async with (
        scripted_api(*script) as api,
        running("watch", *FAST, "--json", environment=reach(api.url)) as watch,
    ):
        await eventually(lambda: len(api.seen) > 4)
        assert await watch.interrupted() == 130
        assert len(watch.lines) == 100
    bounded = "/v1/notifications?created_after=2026-11-21T06%3A10%3A00Z&per_page=100"
    free = "/v1/notifications?per_page=100"
    # When one has left the list, an older one may take its place; a list of all there are needs no bound.
    assert [unordered(seen.path) for seen in api.seen[:5]] == [
        unordered(path) for path in (free, bounded, bounded, free, free)
    ]


def unordered(path: str) -> tuple[str, frozenset[str]]:
    path, _, query = path.partition("?")
    return path, frozenset(query.replace("%3A", ":").split("&"))


def shows(watch: Running, *words: str) -> bool:
    return all(word in watch.text for word in words)


@pytest.mark.parametrize("columns", [160, 80, 40], ids=["wide", "80", "narrow"])
async def test_the_screen_fits_the_terminal_and_is_given_back(columns: int) -> None:
    items = [one("failed" if n % 4 else "sent", id=str(new_id())) for n in range(40)]
    async with (
        scripted_api(says(200, page(*items))) as api,
        running("watch", *FAST, size=(columns, 12), environment=reach(api.url)) as watch,
    ):
        await eventually(lambda: shows(watch, "40 newest: 30 failed, 10 sent", "Ctrl-C ends"))
        drawn = [line.rstrip() for line in watch.text.split("\r\n") if line.strip()]
        assert len(drawn) <= 12
        assert max(len(line) for line in drawn) <= columns
        assert ("ada@example.com" in watch.text) is (columns == 160)
        assert ("email" in watch.text) is (columns >= 80)
        # Enough of an id to know which one it is.
        assert items[0]["id"][:25] in watch.text
        assert await watch.interrupted() == 130
        assert b"\x1b[?1049h" in watch.out
        assert watch.out.endswith(b"\x1b[?25h\x1b[?1049l")
        assert not watch.err


async def test_the_screen_says_that_the_api_is_away_and_keeps_what_was_seen() -> None:
    script = [says(200, page(one("pending"))), problem(503, "unavailable", "Postgres is away")]
    async with (
        scripted_api(*script) as api,
        running("watch", *FAST, size=(100, 20), environment=reach(api.url)) as watch,
    ):
        await eventually(
            lambda: shows(watch, ID, "1 newest: 1 pending", "does not serve (HTTP 503", "again in")
        )
        assert await watch.interrupted() == 130


async def test_what_changed_stands_out() -> None:
    script = [says(200, page(one("pending"))), says(200, page(one("sent"))), problem(503, "x", "stays")]
    async with (
        scripted_api(*script) as api,
        running("watch", *FAST, size=(100, 20), environment=reach(api.url)) as watch,
    ):
        await eventually(lambda: shows(watch, "1 newest: 1 sent"))
        assert watch.out.count(b"\x1b[1;7m") > 0
        before, _, _ = bytes(watch.out).partition(b"\x1b[32msent")
        assert b"\x1b[1;7m" not in before
        assert await watch.interrupted() == 130


async def test_one_on_a_terminal_stays_there_with_its_attempts() -> None:
    waiting = one("retrying", attempt_count=1, attempts=[ATTEMPT])
    sent = one("sent", attempt_count=2, attempts=[ATTEMPT, {**ATTEMPT, "number": 2, "outcome": "accepted"}])
    async with (
        scripted_api(says(200, waiting), says(200, sent)) as api,
        running("watch", ID, *FAST, size=(100, 30), environment=reach(api.url)) as watch,
    ):
        assert await watch.ended() == 0
        assert b"\x1b[?1049h" not in watch.out
        assert shows(watch, ID, "sent", "accepted")
        assert b"\x1b[2J" not in watch.out


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (problem(401, "unauthorized", "The key is not valid"), "not valid"),
        (problem(403, "forbidden", "It lacks read"), "lacks read"),
        (problem(404, "not-found", "There is no such notification"), "no such notification"),
        (problem(422, "validation", "no", errors=[{"pointer": "/tag", "detail": "too long"}]), "/tag"),
        (says(200, text="<html>", kind="text/html"), "not as the API answers"),
        (says(302, text="", Location="https://login.example.com"), "redirects"),
    ],
    ids=["key", "scope", "unknown", "filter", "html", "redirect"],
)
@pytest.mark.parametrize("size", [None, (100, 20)], ids=["pipe", "terminal"])
async def test_what_waiting_does_not_better_ends_it(
    step: Any, said: str, size: tuple[int, int] | None
) -> None:
    async with (
        scripted_api(step) as api,
        running("watch", ID, size=size, environment=reach(api.url)) as watch,
    ):
        assert await watch.ended() == 1
        assert len(api.seen) == 1
        assert said in watch.err.decode()
        assert "Traceback" not in watch.err.decode()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("watch", ID, "--tag", "a"), 2, "--tag"),
        (("watch", ID, "--status", "sent"), 2, "--status"),
        (("watch", "--status", "lost"), 2, "lost"),
        (("watch", "--channel", "pigeon"), 2, "pigeon"),
        (("watch", "--every", "0"), 2, "--every"),
        (("watch", "--every", "nan"), 2, "--every"),
        (("watch", ID, ID), 2, ID),
        (("watch", ".", "--api-key", KEY), 1, "id"),
        (("watch",), 1, "TIDINGS_API_KEY"),
        (("watch", "--api-key", KEY, "--url", "nonsense"), 1, "nonsense"),
    ],
)
async def test_wrong_usage_ends_it_before_anybody_is_asked(
    arguments: tuple[str, ...], status: int, said: str
) -> None:
    ended = await tidings(*arguments)
    assert (ended.status, ended.out) == (status, ""), ended
    assert said in ended.err
    assert "Traceback" not in ended.err


async def test_a_watch_that_has_seen_nothing_yet_waits_too() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with running("watch", "--every", "0.2", environment=reach(url)) as watch:
        await eventually(lambda: b"nobody listens there" in watch.err)
        assert watch.process.returncode is None
        assert await watch.interrupted() == 130
        assert (bytes(watch.out), watch.err.count(b"\n")) == (b"", 1)
