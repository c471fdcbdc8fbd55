"""Where other people's software is kept between runs: `TIDINGS_PEERS`, or a folder of the user's cache."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TextIO


def peers_folder() -> Path:
    """The folder, which is outside this repository and can be deleted at any time."""
    folder = Path(os.environ.get("TIDINGS_PEERS") or Path.home() / ".cache" / "tidings-peers")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@asynccontextmanager
async def exclusively(folder: Path) -> AsyncIterator[None]:
    """Make the folder, and have no other test run install into it meanwhile."""
    with _opened(folder) as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield


def _opened(folder: Path) -> TextIO:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / ".lock").open("w")
