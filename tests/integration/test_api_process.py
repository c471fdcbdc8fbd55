"""`python -m api` as a process: it starts alone, stops when told to, and says why it cannot run."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.encryption import CODEC_KEYS
from tests.support import eventually, free_port

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def api_process(port: int, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api"),
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "TIDINGS_API_PORT": str(port),
            "TIDINGS_CODEC_KEYS": CODEC_KEYS,
            "TIDINGS_DATABASE_URL": "postgresql://tidings:hidden@127.0.0.1:1/tidings",
            "TEMPORAL_ADDRESS": "127.0.0.1:1",
            "TEMPORAL_CONFIG_FILE": os.devnull,
            **environment,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def is_live(port: int) -> bool:
    address = f"http://127.0.0.1:{port}/health/live"
    try:
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_starts_without_postgres_and_temporal_and_stops_cleanly(number: signal.Signals) -> None:
    port = free_port()
    async with api_process(port) as process:
        await eventually(lambda: is_live(port))
        process.send_signal(number)
        output, log = await process.communicate()
    assert process.returncode == 0
    assert output == b""
    lines = [json.loads(line) for line in log.splitlines()]
    messages = [line["message"] for line in lines]
    assert messages[0] == "api_ready"
    assert messages[-1] == "api_stopped"
    assert "api_keys_not_refreshed" in messages
    assert b"Traceback" not in log
    assert b"hidden" not in log


async def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with api_process(port) as process:
            _, log = await process.communicate()
    assert process.returncode == 1
    (line,) = log.decode().splitlines()
    assert f"port {port}" in line
    assert "TIDINGS_API_PORT" in line


@pytest.mark.parametrize(
    ("name", "value"),
    [("TIDINGS_API_PORT", "http"), ("TIDINGS_DATABASE_URL", "mysql://x"), ("TIDINGS_LOG_LEVEL", "LOUD")],
)
async def test_a_bad_setting_is_one_line_that_names_it(name: str, value: str) -> None:
    async with api_process(free_port(), **{name: value}) as process:
        _, log = await process.communicate()
    assert process.returncode == 1
    (line,) = log.decode().splitlines()
    assert name in line


async def test_a_temporal_profile_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    profile = tmp_path / "temporal.toml"
    profile.write_text("[profile")
    async with api_process(free_port(), TEMPORAL_CONFIG_FILE=str(profile)) as process:
        _, log = await process.communicate()
    assert process.returncode == 1
    (line,) = log.decode().splitlines()
    assert "Temporal profile" in line
