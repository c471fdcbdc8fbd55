"""The issuer's key set over HTTP, from a real server: rotation, outages, and answers that are no key set."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

pytest.importorskip("jwt", reason="needs PyJWT: the extra 'jwt' is not installed")

from api.problems import Problem
from api.token_keys import UNKNOWN_SECONDS, KeySet
from tests.http_server import http_server
from tests.support import free_port
from tests.tokens import key_set


class Issuer:
    """A server that gives out a key set; and the clock of who asks it."""

    def __init__(self) -> None:
        self.body = key_set("rsa-1")
        self.status = 200
        self.questions = 0
        self.now = 0.0
        self.port = free_port()
        self.keys = KeySet(f"http://127.0.0.1:{self.port}/jwks", clock=lambda: self.now)

    async def answer(self, request: web.Request) -> web.Response:
        self.questions += 1
        location = {"Location": "/elsewhere"} if self.status == 302 else {}
        return web.Response(text=self.body, status=self.status, headers=location)

    async def elsewhere(self, request: web.Request) -> web.Response:
        return web.Response(text=key_set("rsa-2"))

    async def knows(self, key_id: str) -> bool:
        return await self.keys.find(key_id, "RS256") is not None


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    routes = (web.get("/jwks", issuer.answer), web.get("/elsewhere", issuer.elsewhere))
    async with http_server(*routes, port=issuer.port):
        yield issuer


async def test_the_set_is_read_at_the_first_question_and_then_known(issuer: Issuer) -> None:
    for _ in range(3):
        assert await issuer.knows("rsa-1")
    assert issuer.questions == 1


async def test_a_token_that_comes_while_the_set_is_read_waits_for_that(issuer: Issuer) -> None:
    _, known = await asyncio.gather(issuer.keys.refresh(), issuer.knows("rsa-1"))
    assert known
    assert issuer.questions == 1


async def test_an_unknown_key_has_the_set_read_again_but_not_each_time(issuer: Issuer) -> None:
    assert await issuer.knows("rsa-1")
    issuer.body = key_set("rsa-1", "rsa-2")
    assert not await issuer.knows("rsa-2"), "it was read a moment ago"
    assert issuer.questions == 1
    issuer.now = UNKNOWN_SECONDS
    assert await issuer.knows("rsa-2")
    for _ in range(20):
        assert not await issuer.knows("rsa-3")
    assert issuer.questions == 2
    assert await issuer.knows("rsa-1")


async def test_a_key_that_the_issuer_takes_away_is_forgotten_at_the_next_reading(issuer: Issuer) -> None:
    assert await issuer.knows("rsa-1")
    issuer.body = key_set("rsa-2")
    await issuer.keys.refresh()
    assert not await issuer.knows("rsa-1")
    assert await issuer.knows("rsa-2")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, key_set("rsa-2")),
        (404, key_set("rsa-2")),
        (302, key_set("rsa-2")),
        (200, ""),
        (200, "<html>"),
        (200, "[]"),
        (200, "null"),
        (200, '{"keys": null}'),
        (200, '{"keys": {}}'),
        (200, '{"keys": []}'),
        (200, '{"keys": [{"kty": "oct", "k": "AAAA", "kid": "rsa-2"}, 7]}'),
        (200, "[" * 100_000),
        (200, json.dumps({"keys": json.loads(key_set("rsa-2"))["keys"], "more": "x" * 300_000})),
    ],
)
async def test_what_is_no_key_set_leaves_the_one_before(issuer: Issuer, status: int, body: str) -> None:
    assert await issuer.knows("rsa-1")
    issuer.status, issuer.body, issuer.now = status, body, UNKNOWN_SECONDS
    assert not await issuer.knows("rsa-2")
    assert issuer.questions == 2
    with pytest.raises(ValueError, match="it "):
        await issuer.keys.refresh()
    assert await issuer.knows("rsa-1")


async def test_while_no_set_is_known_tokens_are_not_judged(issuer: Issuer) -> None:
    issuer.status = 503
    with pytest.raises(Problem, match="token-keys-unavailable"):
        await issuer.knows("rsa-1")
    issuer.status, issuer.now = 200, UNKNOWN_SECONDS
    assert await issuer.knows("rsa-1")


async def test_an_issuer_that_cannot_be_reached_is_an_outage_not_a_fault() -> None:
    keys = KeySet(f"http://127.0.0.1:{free_port()}/jwks")
    with pytest.raises(Problem, match="token-keys-unavailable") as caught:
        await keys.find("rsa-1", "RS256")
    assert caught.value.headers == {"Retry-After": "5"}


async def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    now = 0.0
    file = tmp_path / "jwks.json"
    file.write_text(key_set("rsa-1"))
    keys = KeySet(str(file), clock=lambda: now)
    await keys.refresh()
    assert await keys.find("rsa-1", "RS256") is not None
    file.write_text(key_set("rsa-2"))
    assert await keys.find("rsa-2", "RS256") is not None
    assert await keys.find("rsa-1", "RS256") is None
