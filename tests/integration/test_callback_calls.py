"""The calls to SNS that callbacks make, against servers that answer, refuse and hang."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.provider_support import Handler, provider_settings, serving
from tests.support import free_port
from tidings.errors import CallbackPostponed, ForgedCallback
from tidings.providers.callbacks.sns_calls import HttpSnsCalls

SETTINGS = provider_settings(provider_connect_timeout=0.3, provider_response_timeout=0.3)


def answering(status: str, body: bytes = b"", *headers: str) -> Handler:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
            writer.write("\r\n".join(lines).encode() + body)
            await writer.drain()

    return answer


async def got(handler: Handler) -> bytes:
    async with serving(handler) as port:
        calls = HttpSnsCalls(SETTINGS)
        try:
            return await calls.get(f"http://127.0.0.1:{port}/")
        finally:
            await calls.aclose()


async def test_the_body_of_a_success_up_to_64_kib() -> None:
    assert await got(answering("200 OK", b"pem")) == b"pem"
    assert await got(answering("200 OK", b"x" * 100_000)) == b"x" * 65_536


async def test_a_connection_is_used_again_and_closed() -> None:
    connections = 0
    answer = answering("200 OK", b"pem")

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answer(reader, writer)

    async with serving(counting) as port:
        calls = HttpSnsCalls(SETTINGS)
        for _ in range(3):
            assert await calls.get(f"http://127.0.0.1:{port}/") == b"pem"
        await calls.aclose()
        await calls.aclose()
    assert connections == 1


@pytest.mark.parametrize("status", ["400 Bad Request", "403 Forbidden", "404 Not Found"])
async def test_what_is_not_there_is_no_proof(status: str) -> None:
    with pytest.raises(ForgedCallback):
        await got(answering(status))


@pytest.mark.parametrize("status", ["429 Too Many Requests", "500 Oops", "503 Busy", "204 No Content"])
async def test_what_may_be_there_later_is_put_off(status: str) -> None:
    with pytest.raises(CallbackPostponed):
        await got(answering(status))


async def test_no_redirect_is_followed() -> None:
    async with serving(answering("200 OK", b"pem")) as port:
        with pytest.raises(CallbackPostponed, match="302"):
            await got(answering("302 Found", b"", f"Location: http://127.0.0.1:{port}/"))


async def _hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.Event().wait()


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def _stop_in_the_middle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npem")
    await writer.drain()
    writer.transport.close()


@pytest.mark.parametrize("handler", [_hang, _hang_up, _stop_in_the_middle])
async def test_a_line_that_breaks_is_put_off(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> None:
    with pytest.raises(CallbackPostponed):
        await got(handler)


async def test_nobody_listens() -> None:
    calls = HttpSnsCalls(SETTINGS)
    with pytest.raises(CallbackPostponed):
        await calls.get(f"http://127.0.0.1:{free_port()}/")
    await calls.aclose()
