"""Requests that are too large, too many at once, too slow, or no HTTP: over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.api import EMAIL, Api, make_key, running_api
from tests.support import eventually
from tidings.local.temporal_server import TemporalServer

JSON = {"Content-Type": "application/json"}
BODY = json.dumps(EMAIL).encode()


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(
        database_url,
        temporal_server.address,
        key=key,
        header_timeout=0.5,
        body_timeout=0.5,
        max_header_bytes=4_096,
        keep_alive=1,
    ) as api:
        yield api


@dataclass(frozen=True)
class Connection:
    """A socket to the API, byte by byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    @asynccontextmanager
    async def to(cls, api: Api) -> AsyncIterator["Connection"]:
        connection = cls(*await asyncio.open_connection("127.0.0.1", int(api.url.rpartition(":")[2])))
        try:
            yield connection
        finally:
            connection.writer.close()
            with suppress(ConnectionError):
                await connection.writer.wait_closed()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON of the next answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(first.split()[1]), headers, json.loads(body)

    async def refused(self, status: int, kind: str) -> None:
        """The answer is that problem, and the connection ends."""
        answered, headers, problem = await self.answer()
        assert (answered, problem["type"]) == (status, f"/problems/{kind}")
        assert headers["content-type"] == "application/problem+json"
        assert headers["connection"] == "close"
        assert headers["x-request-id"]
        assert await self.reader.read() == b""


def head(api: Api, length: int = len(BODY), **fields: str) -> bytes:
    lines = [
        "POST /v1/notifications HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {api.key}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        *(f"{name}: {value}" for name, value in fields.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def nothing_stored(api: Api) -> None:
    assert (await api.get("/v1/notifications")).json["data"] == []


async def test_a_request_in_two_halves_is_taken(api: Api) -> None:
    async with Connection.to(api) as connection:
        await connection.send(head(api) + BODY[:10])
        await connection.send(BODY[10:])
        status, _, notification = await connection.answer()
        assert status == 201
        api.accepted.append(notification["id"])
        # And the connection serves the next one.
        await connection.send(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await connection.answer())[0] == 200


async def test_a_connection_without_another_request_is_closed(api: Api) -> None:
    async with Connection.to(api) as connection:
        await connection.send(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await connection.answer())[0] == 200
        assert await connection.reader.read() == b""


@pytest.mark.parametrize("trickle", [b"", b"x"])
async def test_a_body_that_comes_too_slowly_ends_with_408(api: Api, trickle: bytes) -> None:
    async with Connection.to(api) as connection:
        await connection.send(head(api, 1_000))
        answer = asyncio.create_task(connection.refused(408, "request-timeout"))
        await _trickle(connection, trickle, until=answer)
        await answer
        await nothing_stored(api)


@pytest.mark.parametrize("trickle", [b"", b"X"])
async def test_a_head_that_comes_too_slowly_ends_with_408(api: Api, trickle: bytes) -> None:
    async with Connection.to(api) as connection:
        await connection.send(head(api)[:-2] + b"X-More: ")
        answer = asyncio.create_task(connection.refused(408, "request-timeout"))
        await _trickle(connection, trickle, until=answer)
        await answer


@pytest.mark.parametrize("trickle", [b"", b"\r\n"])
async def test_a_connection_without_a_request_is_closed(api: Api, trickle: bytes) -> None:
    async with Connection.to(api) as connection:
        closed = asyncio.create_task(connection.reader.read())
        await _trickle(connection, trickle, until=closed)
        assert await closed == b""


async def test_a_refused_body_that_goes_on_trickling_is_cut_off(api: Api) -> None:
    async with Connection.to(api) as connection:
        await connection.send(head(api, 1_000_000_000))
        status, _, problem = await connection.answer()
        assert (status, problem["type"]) == (413, "/problems/too-large")
        closed = asyncio.create_task(connection.reader.read())
        await _trickle(connection, b"x", until=closed)
        assert await closed == b""


async def _trickle(connection: Connection, data: bytes, until: asyncio.Task[Any]) -> None:
    """A byte now and then, as long as the other side listens."""

    async def sent() -> bool:
        if data and not until.done():
            try:
                await connection.send(data)
            except ConnectionError:
                return True
        return until.done()

    await eventually(sent)


@pytest.mark.parametrize(
    "fields",
    [{"X-Large": "x" * 4_096}, {f"X-{number}": "1" for number in range(100)}],
    ids=["large", "many"],
)
async def test_header_fields_that_are_too_large_or_too_many_are_431(api: Api, fields: dict[str, str]) -> None:
    answer = await api.get("/v1/notifications", headers=fields)
    assert (answer.status, answer.kind) == (431, "headers-too-large")
    assert "4096" in answer.json["detail"]
    assert answer.headers["X-Request-ID"]


async def test_a_head_without_an_end_is_431_long_before_it_fills_the_memory(api: Api) -> None:
    async with Connection.to(api) as connection:
        await connection.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 5_000)
        answer = asyncio.create_task(connection.refused(431, "headers-too-large"))
        await _trickle(connection, b"x" * 1_000, until=answer)
        # The rest that was sent may have reset the connection, but only after the answer.
        await asyncio.wait([answer])
        assert answer.exception() is None or isinstance(answer.exception(), ConnectionResetError)


async def test_a_uri_that_is_too_long_is_414(api: Api) -> None:
    answer = await api.get("/v1/notifications?tag=" + "x" * 8_192)
    assert (answer.status, answer.kind) == (414, "uri-too-long")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS client
        b"HELO example.com\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_problem_too(api: Api, nonsense: bytes) -> None:
    async with Connection.to(api) as connection:
        await connection.send(nonsense)
        await connection.refused(400, "bad-request")


async def test_beyond_the_limit_of_requests_at_once_there_is_503_but_not_for_health_and_metrics(
    database_url: str, temporal_server: TemporalServer
) -> None:
    key, _ = await make_key(database_url)
    async with (
        running_api(database_url, temporal_server.address, key=key, max_concurrent_requests=3) as api,
        AsyncExitStack() as stack,
    ):
        for _ in range(3):
            connection = await stack.enter_async_context(Connection.to(api))
            await connection.send(head(api, 100_000) + BODY)

        async def busy() -> bool:
            answer = await api.get("/v1/notifications")
            if answer.status == 503:
                assert (answer.kind, answer.headers["Retry-After"]) == ("too-busy", "1")
            return answer.status == 503

        await eventually(busy)
        for path in ("/health/live", "/metrics"):
            assert (await api.get(path, key=None)).status == 200
        # Those who go away make room.
        await stack.aclose()

        async def served() -> bool:
            return (await api.get("/v1/notifications")).status == 200

        await eventually(served)
        await nothing_stored(api)
