"""`python -m worker` as a process of a test's own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.encryption import CODEC_KEYS
from tests.support import eventually

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class WorkerProcess:
    """A running worker. Its log stands in a file, so that it can be read while it runs."""

    process: asyncio.subprocess.Process
    log_file: Path

    async def says(self, event: str) -> None:
        """Wait for this event in its log."""

        def said() -> bool:
            log = self.log_file.read_text()
            assert f'"{event}"' in log, log
            return True

        await eventually(said)

    async def kill(self) -> None:
        """End it by SIGKILL, and wait until it is gone."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def worker_process(
    log_file: Path,
    *,
    temporal_address: str,
    database_url: str,
    smtp_port: int,
    begins_with: str = "worker_ready",
    **environment: str,
) -> AsyncIterator[WorkerProcess]:
    """Run a worker for the block: at most that long. The block begins once its log has that event."""
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worker"),
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "TEMPORAL_ADDRESS": temporal_address,
                "TEMPORAL_CONFIG_FILE": os.devnull,
                "TIDINGS_CODEC_KEYS": CODEC_KEYS,
                "TIDINGS_DATABASE_URL": database_url,
                "TIDINGS_LOG_FORMAT": "json",
                "TIDINGS_SMTP_HOST": "127.0.0.1",
                "TIDINGS_SMTP_PORT": str(smtp_port),
                "TIDINGS_SMTP_TLS": "none",
                **environment,
            },
            stdout=log,
            stderr=log,
        )
    worker = WorkerProcess(process, log_file)
    try:
        await worker.says(begins_with)
        yield worker
    finally:
        if process.returncode is None:
            await worker.kill()
