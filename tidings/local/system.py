"""The whole system on one machine: which parts there are, in which order they start, and what they need."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from tidings.database import migrations
from tidings.local.api_key import working_key
from tidings.local.codec_keys import LocalCodec
from tidings.local.data_folder import DataFolder
from tidings.local.environment import Addresses, codec_token, program_environment
from tidings.local.leftovers import Mark, end_leftovers, word_for
from tidings.local.part import Part
from tidings.local.ports import Ports, check_ports
from tidings.local.postgres import PostgresServer
from tidings.local.program_parts import HttpPart, WorkerPart
from tidings.local.supervisor import Supervisor
from tidings.local.temporal_server import TemporalServer
from tidings.settings import ApiSettings, ProviderSettings

_ORDER = ("postgres", "temporal", "sandbox", "worker", "api")
"""Who needs whom: stopped from the end."""
_CRASH_PATIENCE = 10.0
"""How long to wait for the ports of a system that was killed a moment ago, in seconds."""


class LocalSystem:
    """Postgres, Temporal, sandbox, API and worker as child processes, with their data in one folder.

    The folder must be locked (`DataFolder.locked`) for as long as the system is in use.
    """

    def __init__(self, folder: DataFolder, ports: Ports, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.ports = ports
        self._api_host = ApiSettings.load().api_host
        self._providers = ProviderSettings.load()
        self.addresses = Addresses.of(ports, self._api_host)
        self.api_key = ""
        self.postgres = PostgresServer(folder.postgres, ports.postgres, folder.log("postgres"))
        self.temporal = TemporalServer(
            ports.temporal,
            ports.ui,
            db_file=folder.temporal,
            log_file=folder.log("temporal"),
            codec_endpoint=self.addresses.codec,
        )
        self._codec_token = codec_token(folder)
        self._codec = LocalCodec.of(folder)
        self._environment = program_environment(folder, ports, self.addresses, self._providers, self._codec)
        self.sandbox = self._http_part(
            "sandbox", "tidings.sandbox", f"{self.addresses.sandbox}/health/live", self._environment
        )
        self._worker: WorkerPart | None = None
        self._supervisor = Supervisor(say, order=_ORDER, restarted=self._write_state)

    @property
    def smtp_server(self) -> str | None:
        """The user's own SMTP server, if email goes there instead of to the sandbox."""
        return self._providers.smtp_host if "smtp_host" in self._providers.model_fields_set else None

    async def start(self) -> None:
        """Start all parts, in parallel where none needs the other; then write the state file.

        Raises SetupError if one does not start; the others go on until `stop`.
        """
        crashed = self.folder.clear_state()
        crashed |= await asyncio.to_thread(self._end_leftovers) > 0
        await asyncio.to_thread(
            check_ports, self.ports, self._api_host, patience=_CRASH_PATIENCE if crashed else 0
        )
        await _together(
            self._start_database(),
            self._supervisor.start(self.temporal),
            self._supervisor.start(self.sandbox),
        )
        await _together(*(self._supervisor.start(part) for part in self._programs()))
        self._write_state()

    async def run(self, until: Coroutine[Any, Any, object]) -> None:
        """Keep all parts running until `until` returns."""
        await self._supervisor.run(until)

    async def stop(self, hurry: asyncio.Event) -> None:
        """Stop all parts; `hurry` cuts waits short. The state file goes first: nobody may rely on it now."""
        self.folder.clear_state()
        await self._supervisor.stop(hurry)

    async def _start_database(self) -> None:
        await self._supervisor.start(self.postgres)
        url = self.postgres.database_url()
        await migrations.upgrade(url)
        self.api_key = await working_key(self.folder, url)

    def _programs(self) -> tuple[Part, Part]:
        """The API and the worker; only now, as the database's password is known after its first start."""
        environment = {**self._environment, "TIDINGS_DATABASE_URL": self.postgres.database_url()}
        self._worker = WorkerPart(
            temporal_address=self.addresses.temporal,
            environment=environment,
            log_file=self.folder.log("worker"),
            folder=self.folder.path,
        )
        # What opens payloads is for the API alone.
        for_api = {**environment, "TIDINGS_CODEC_TOKEN": self._codec_token}
        return self._http_part("api", "api", f"{self.addresses.api}/health/ready", for_api), self._worker

    def _http_part(self, name: str, module: str, ready_url: str, environment: Mapping[str, str]) -> HttpPart:
        return HttpPart(
            name,
            module,
            ready_url=ready_url,
            environment=environment,
            log_file=self.folder.log(name),
            folder=self.folder.path,
        )

    def _write_state(self) -> None:
        self.folder.write_state(
            {
                "ready": True,
                "api_url": self.addresses.api,
                "ui_url": self.addresses.ui,
                "temporal_address": self.addresses.temporal,
                "postgres_dsn": self.postgres.database_url(),
                "sandbox_url": self.addresses.sandbox,
                "metrics_urls": {
                    "api": f"{self.addresses.api}/metrics",
                    "worker": self._worker.metrics_url if self._worker else None,
                },
                "smtp_port": self.ports.smtp,
                "api_key": self.api_key,
                "codec_token": self._codec_token,
                "codec": self._codec.mode,
                "codec_keys": self._codec.keys,
                "pids": {part.name: part.pid for part in reversed(self._supervisor.parts)},
            }
        )

    def _end_leftovers(self) -> int:
        """End what outlived a killed run, where the kernel did not; the parts not built yet as well."""
        word = word_for(self.folder.path)
        marks = [part.mark for part in (self.postgres, self.temporal) if part.mark]
        return end_leftovers([*marks, Mark("python", word)])


async def _together(*starts: Coroutine[Any, Any, None]) -> None:
    """Run all; the first error cancels the others, and is raised once they have ended."""
    tasks = [asyncio.create_task(start) for start in starts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
