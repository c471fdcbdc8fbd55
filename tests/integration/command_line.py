"""Running `tidings` as a user does: a process of its own, judged by its exit status and what it prints."""

import asyncio
import os
import sys
from dataclasses import dataclass

from tests.encryption import CODEC_KEYS


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


async def tidings(*arguments: str, stdin: str = "", encoding: str = "utf-8", **environment: str) -> Ended:
    """Run one command with nothing of the developer's own environment that could steer it."""
    ours = ("TIDINGS_", "TEMPORAL_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidings", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # No `tidings up` runs on this folder, whatever runs on the developer's.
        env={
            **inherited,
            "TIDINGS_UP_DATA": os.devnull,
            "TIDINGS_CODEC_KEYS": CODEC_KEYS,
            "COLUMNS": "120",
            **environment,
        },
    )
    out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(encoding), err.decode(encoding))
