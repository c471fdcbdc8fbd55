"""Programs of others, run and ended by their pid."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent
_SECONDS = 60


async def json_of(*command: str, given: Any, environment: Mapping[str, str] | None = None) -> Any:
    """What a program prints as JSON, given JSON on its standard input."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    try:
        async with asyncio.timeout(_SECONDS):
            said, complaints = await process.communicate(json.dumps(given).encode())
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    assert process.returncode == 0, complaints.decode("utf-8", "replace")
    return json.loads(said)


@asynccontextmanager
async def serving_lines(
    *command: str, given: Any, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.Queue[Any]]:
    """A server's lines of JSON as they come, None at its end; it gets one of them on its standard input."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    lines: asyncio.Queue[Any] = asyncio.Queue()
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None

    async def read() -> None:
        while line := await stdout.readline():
            lines.put_nowait(json.loads(line))
        lines.put_nowait(None)

    reading = asyncio.create_task(read())
    stdin.write(json.dumps(given).encode() + b"\n")
    try:
        yield lines
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        await reading
        stdin.close()
