"""`tidings up` as a user starts it: a process of its own, its own ports and data folder."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import psutil

from tests.support import eventually, free_port

START_LIMIT = 90
PORT_OPTIONS = ("api", "temporal", "ui", "postgres", "sandbox", "smtp")


@dataclass
class LocalSystem:
    """One data folder with its ports; started and stopped any number of times."""

    data: Path
    ports: dict[str, int]
    process: asyncio.subprocess.Process | None = None
    state: dict[str, Any] | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Beside its options; what the environment says of Tidings does not count."""

    @classmethod
    def fresh(cls, data: Path) -> Self:
        """A system that has never run."""
        return cls(data, {name: free_port() for name in PORT_OPTIONS})

    async def start(self) -> dict[str, Any]:
        """Run `tidings up` and wait until `up.json` says that it is ready."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
        options = [part for name, port in self.ports.items() for part in (f"--{name}-port", str(port))]
        with (self.data.parent / "up.out").open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tidings", "up", "--data", str(self.data)),
                *options,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**outside, **self.settings},
            )
        return await eventually(self._ready, timeout=START_LIMIT)

    def _ready(self) -> dict[str, Any] | None:
        assert self.process is not None
        if self.process.returncode is not None:
            pytest_output = (self.data.parent / "up.out").read_text()
            raise RuntimeError(f"tidings up ended with {self.process.returncode}:\n{pytest_output}")
        file = self.data / "up.json"
        if not file.exists():
            return None
        state: dict[str, Any] = json.loads(file.read_text())
        # A killed run leaves its state file behind.
        if self.state is not None and self.state["pids"] == state["pids"]:
            return None
        assert state["ready"] is True
        self.state = state
        return state

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop; its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 60)

    def living(self) -> list[str]:
        """The processes that still have this system's data folder in their command line or environment."""
        found = []
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            if str(self.data) in words and process.status() != psutil.STATUS_ZOMBIE:
                found.append(words)
        return found

    async def clean_up(self) -> None:
        """End what a failed test left running: only processes that this system started."""
        if self.process is not None and self.process.returncode is None:
            try:
                await self.stop()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


class Caller:
    """A client of the HTTP API and of the sandbox's inbox."""

    def __init__(self, session: aiohttp.ClientSession, state: dict[str, Any]) -> None:
        self._session = session
        self._state = state
        self._headers = {"Authorization": f"Bearer {state['api_key']}"}

    async def submit(self, **body: Any) -> dict[str, Any]:
        """Submit; the notification that the 201 names."""
        url = f"{self._state['api_url']}/v1/notifications"
        async with self._session.post(url, json=body, headers=self._headers) as response:
            assert response.status == 201, await response.text()
            notification: dict[str, Any] = await response.json()
            return notification

    async def get(self, notification_id: str) -> dict[str, Any]:
        """One notification, with its attempts."""
        url = f"{self._state['api_url']}/v1/notifications/{notification_id}"
        async with self._session.get(url, headers=self._headers) as response:
            assert response.status == 200, await response.text()
            notification: dict[str, Any] = await response.json()
            return notification

    async def until(self, notification_id: str, status: str, timeout: float = 60) -> dict[str, Any]:
        """Wait for a status; the notification then."""

        async def there() -> dict[str, Any] | None:
            notification = await self.get(notification_id)
            assert notification["status"] == status, notification
            return notification

        notification: dict[str, Any] = await eventually(there, timeout=timeout)
        return notification

    async def until_begun(self, notification_id: str) -> None:
        """Wait until an attempt has begun: it is written down, and the provider is being called."""

        async def begun() -> bool:
            return any(
                attempt["outcome"] is None for attempt in (await self.get(notification_id))["attempts"]
            )

        await eventually(begun)

    async def inbox(self, recipient: str) -> list[dict[str, Any]]:
        """What the sandbox received for a recipient, newest first."""
        url = f"{self._state['sandbox_url']}/messages"
        async with self._session.get(url, params={"recipient": recipient}) as response:
            messages: list[dict[str, Any]] = (await response.json())["data"]
            return messages

    async def page(self, url: str) -> str:
        """A page as a browser would load it."""
        async with self._session.get(url) as response:
            assert response.status == 200
            return await response.text()
