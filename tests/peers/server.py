"""A server of somebody else's, as a process of its own."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support import eventually


@asynccontextmanager
async def server_process(
    *command: str | Path, port: int, log: Path, environment: dict[str, str] | None = None
) -> AsyncIterator[None]:
    """Run it until the block is left; the block begins once `port` of 127.0.0.1 answers."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | (environment or {}),
        )
    try:

        async def answers() -> bool:
            if process.returncode is not None:
                pytest.fail(f"{command[0]} ended: {_end_of(log)}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return False
            writer.close()
            return True

        await eventually(answers)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()


def _end_of(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-2000:]
