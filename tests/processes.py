"""API and worker as processes of a test's own, with their logs in files, and a webhook's target."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.api_process import api_process
from tests.http_server import http_server
from tests.integration.api import make_key
from tests.integration.command_line import Ended, tidings
from tests.support import eventually, free_port
from tests.worker_process import WorkerProcess, worker_process


@dataclass
class Target:
    """Where webhooks go: answers by `script`, whose last word it repeats."""

    url: str
    script: list[int] = field(default_factory=lambda: [200])
    text: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """One webhook."""
        await request.read()
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        status = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return web.Response(status=status, text=self.text)


@asynccontextmanager
async def target() -> AsyncIterator[Target]:
    """Run one for the block."""
    port = free_port()
    called = Target(f"http://127.0.0.1:{port}/hook")
    async with http_server(web.post("/hook", called.take), port=port):
        yield called


@dataclass(frozen=True)
class System:
    """A running API and worker."""

    url: str
    key: str
    api: asyncio.subprocess.Process
    worker: WorkerProcess
    logs: list[Path]
    session: aiohttp.ClientSession
    surroundings: dict[str, str]

    async def call(self, method: str, path: str, **request: Any) -> tuple[int, Any]:
        """One call: its status and body."""
        headers = {"Authorization": f"Bearer {self.key}", **request.pop("headers", {})}
        async with self.session.request(method, self.url + path, headers=headers, **request) as answer:
            return answer.status, await answer.json(content_type=None)

    async def submitted(self, fields: dict[str, Any], headers: dict[str, str] | None = None) -> str:
        """The id of a notification that was accepted."""
        status, answer = await self.call("POST", "/v1/notifications", json=fields, headers=headers or {})
        assert status == 201, answer
        id: str = answer["id"]
        return id

    async def reaches(self, id: str, status: str) -> None:
        """Wait until the notification has that status."""

        async def there() -> bool:
            _, answer = await self.call("GET", f"/v1/notifications/{id}")
            assert answer["status"] == status, answer
            return True

        await eventually(there)

    async def command(self, *arguments: str) -> Ended:
        """One of `tidings`, on this system."""
        return await tidings(*arguments, **self.surroundings)

    async def worker_ends(self) -> None:
        """Stop the worker alone."""
        self.worker.process.send_signal(signal.SIGTERM)
        assert await self.worker.process.wait() == 0

    async def end(self) -> None:
        """Stop both as an operator does, and wait until they are gone."""
        for process in (self.api, self.worker.process):
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        assert [await self.api.wait(), await self.worker.process.wait()] == [0, 0]

    def said(self) -> str:
        """All that both have logged."""
        return "".join(log.read_text() for log in self.logs)


@asynccontextmanager
async def running_system(
    folder: Path, *, temporal_address: str, database_url: str, smtp_port: int = 1, **environment: str
) -> AsyncIterator[System]:
    """Run API and worker for the block, at most; webhooks may go to this machine, and are tried twice."""
    key, _ = await make_key(database_url)
    port = free_port()
    environment = {
        "TIDINGS_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "TIDINGS_RETRY_WEBHOOK": '{"attempts": 2, "first": 0.1, "factor": 1, "cap": 1, "jitter": 0}',
        **environment,
    }
    surroundings = {
        "TEMPORAL_ADDRESS": temporal_address,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "TIDINGS_DATABASE_URL": database_url,
        "TIDINGS_URL": f"http://127.0.0.1:{port}",
        "TIDINGS_API_KEY": key,
        "TIDINGS_LOG_FORMAT": "json",
    }
    logs = [folder / "api.log", folder / "worker.log"]
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(
            worker_process(
                logs[1],
                temporal_address=temporal_address,
                database_url=database_url,
                smtp_port=smtp_port,
                **environment,
            )
        )
        api = await stack.enter_async_context(api_process(port, logs[0], **surroundings, **environment))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        system = System(f"http://127.0.0.1:{port}", key, api, worker, logs, session, surroundings)

        async def ready() -> bool:
            try:
                return (await system.call("GET", "/health/ready"))[0] == 200
            except aiohttp.ClientConnectionError:
                return False

        await eventually(ready)
        yield system
