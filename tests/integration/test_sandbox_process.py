"""`python -m tidings.sandbox` as its starter sees it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.support import eventually, free_port


@asynccontextmanager
async def process(port: int, smtp_port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        **os.environ,
        "TIDINGS_SANDBOX_PORT": str(port),
        "TIDINGS_SANDBOX_SMTP_PORT": str(smtp_port),
    }
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tidings.sandbox", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.communicate()


async def is_live(port: int) -> bool:
    try:
        async with aiohttp.request("GET", f"http://127.0.0.1:{port}/health/live") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_a_signal_and_ends_well_while_connections_hang(number: signal.Signals) -> None:
    port, smtp_port = free_port(), free_port()
    async with process(port, smtp_port) as sandbox:
        await eventually(lambda: is_live(port))
        reader, writer = await asyncio.open_connection("127.0.0.1", smtp_port)
        assert (await reader.readline()).startswith(b"220 ")
        _, hook = await asyncio.open_connection("127.0.0.1", port)
        hook.write(b"POST /hooks/hang HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        await hook.drain()
        sandbox.send_signal(number)
        _, errors = await asyncio.wait_for(sandbox.communicate(), 20)
        writer.close()
        hook.close()
    assert sandbox.returncode == 0
    assert b"Traceback" not in errors


@pytest.mark.parametrize("setting", ["TIDINGS_SANDBOX_PORT", "TIDINGS_SANDBOX_SMTP_PORT"])
async def test_a_taken_port_is_one_line_and_exit_status_1(setting: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port, other = taken.getsockname()[1], free_port()
        ports = (port, other) if setting == "TIDINGS_SANDBOX_PORT" else (other, port)
        async with process(*ports) as sandbox:
            _, errors = await asyncio.wait_for(sandbox.communicate(), 20)
    assert sandbox.returncode == 1
    assert errors.decode().splitlines() == [f"Port {port} is taken. Set {setting} to a free one."]
