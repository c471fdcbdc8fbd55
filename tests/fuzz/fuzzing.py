"""A whole Tidings to be fuzzed, and schemathesis at it."""

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from tests.encryption import CODEC_KEYS
from tests.integration.api import Api, make_key, running_api
from tests.support import free_port
from tests.worker_process import worker_process
from tidings.local.temporal_server import TemporalServer

_CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
_SIGNING_KEY = base64.b64encode(b"f" * 32).decode()
_PATIENCE = 60
"""Seconds; below schemathesis's `request-timeout`."""


@dataclass(frozen=True)
class Run:
    """How a run of schemathesis ended, and what it printed."""

    exit_status: int
    output: str

    @property
    def summary(self) -> str:
        """What it says of itself at the end."""
        return self.output[self.output.rfind("= SUMMARY =") :].partition("\n")[2].strip()


@asynccontextmanager
async def target(database_url: str, folder: Path) -> AsyncIterator[Api]:
    """An API with a worker that nothing it sends to answers, and a Temporal of its own.

    What was made up goes away with that Temporal: nothing of it reaches a later test's worker.
    """
    key, _ = await make_key(database_url, "fuzz")
    temporal = TemporalServer(free_port(), free_port(), db_file=None, log_file=folder / "temporal.log")
    await temporal.start()
    environment = {"TIDINGS_WEBHOOK_SIGNING_KEY": _SIGNING_KEY, "TIDINGS_CODEC_KEYS": CODEC_KEYS}
    # What this asks is whether the API answers as described, not how soon: a machine that has other things
    # to do may stand still for longer than the API usually waits before it says 503.
    settings: dict[str, Any] = {"cancel_wait": 0.2, "start_timeout": _PATIENCE, "command_timeout": _PATIENCE}
    try:
        with (
            mock.patch.dict(os.environ, environment),
            mock.patch("api.service._ROW_SECONDS", _PATIENCE),
            mock.patch("api.routes.health._PROBE_TIMEOUT", _PATIENCE),
        ):
            async with (
                worker_process(
                    folder / "worker.log",
                    temporal_address=temporal.address,
                    database_url=database_url,
                    smtp_port=free_port(),
                    **environment,
                ),
                running_api(database_url, temporal.address, key=key, **settings) as api,
            ):
                yield api
    finally:
        await temporal.stop(hurry=True)


async def fuzz(api: Api, *options: str) -> Run:
    """Run schemathesis with these options until it ends by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_CONFIGURATION), "run"),
        *(api.url + "/openapi.json", "--checks", "all", *options),
        env={**os.environ, "TIDINGS_FUZZ_KEY": api.key, "NO_COLOR": "1", "COLUMNS": "120"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Run(process.returncode, output.decode(errors="replace"))
