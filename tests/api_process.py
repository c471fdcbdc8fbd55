"""`python -m api` as a process of a test's own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import aiohttp

from tests.encryption import CODEC_KEYS

ROOT = Path(__file__).parents[1]


@asynccontextmanager
async def api_process(
    port: int, log: Path | None = None, /, **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run an API for the block, without Postgres and Temporal unless the environment names them.

    What it says goes to pipes, or into `log`.
    """
    with log.open("wb") if log else nullcontext(asyncio.subprocess.PIPE) as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "api"),
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "TIDINGS_API_PORT": str(port),
                "TIDINGS_DATABASE_URL": "postgresql://tidings:hidden@127.0.0.1:1/tidings",
                "TEMPORAL_ADDRESS": "127.0.0.1:1",
                "TEMPORAL_CONFIG_FILE": os.devnull,
                "TIDINGS_CODEC_KEYS": CODEC_KEYS,
                **environment,
            },
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def is_live(port: int) -> bool:
    """Whether it answers."""
    address = f"http://127.0.0.1:{port}/health/live"
    try:
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False
