"""Submissions a second: one request each, many in one request, and Temporal alone, in turns.

API processes as they are shipped, and a Temporal development server and a Postgres of the benchmark's own.
No worker runs: it would take its share of a small machine, and submissions do not wait for it.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from temporalio.client import Client

from benchmarks.report import keep, milliseconds, table
from tests.integration.api import make_key
from tests.support import eventually, free_port
from tidings.database.migrations import upgrade
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Notification
from tidings.local.postgres import PostgresServer
from tidings.local.temporal_server import TemporalServer
from tidings.messages.delivery import DeliveryRequest
from tidings.temporal import names
from tidings.temporal.encryption.converter import data_converter
from tidings.temporal.encryption.keys import Keyring, new_key
from tidings.temporal.start_options import start_options

EMAIL = {"channel": "email", "recipient": "ada@example.com", "subject": "Hello", "body": "Hello, Ada."}
AT_ONCE = 50
IN_FLIGHT = (20, 50, 100)
WARM_UP = 100

Submit = Callable[[int], Awaitable[None]]
"""Submits so many, and returns once each has been promised."""


@dataclass
class Way:
    """A way to submit, the process whose work it is, and what it came to in each round."""

    name: str
    submit: Submit
    process: psutil.Process
    rates: list[float] = field(default_factory=list)
    """Submissions a second."""
    efforts: list[float] = field(default_factory=list)
    """Seconds of processor time for each: the one figure that a busy machine leaves alone."""

    async def round(self, count: int) -> None:
        """Submit so many and note it."""
        before, begun = self._processor_time(), time.perf_counter()
        await self.submit(count)
        self.rates.append(count / (time.perf_counter() - begun))
        self.efforts.append((self._processor_time() - before) / count)

    def _processor_time(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


async def side_by_side(count: int, one: Callable[[], Awaitable[None]]) -> None:
    """Do it so often, fifty at a time."""
    places = iter(range(count))

    async def lane() -> None:
        for _ in places:
            await one()

    await asyncio.gather(*(lane() for _ in range(AT_ONCE)))


def bare_starts(client: Client) -> Submit:
    """The floor: the workflows that the API would start, by the SDK alone."""

    async def one() -> None:
        notification = Notification.model_validate(
            {**EMAIL, "id": new_id(), "tenant": "acme", "created_at": datetime.now(UTC)}
        )
        await client.start_workflow(
            names.WORKFLOW_TYPE, DeliveryRequest(notification=notification), **start_options(notification)
        )

    return lambda count: side_by_side(count, one)


def single_calls(session: aiohttp.ClientSession, url: str) -> Submit:
    """A request for each."""

    async def one() -> None:
        async with session.post(f"{url}/v1/notifications", json=EMAIL) as answer:
            assert answer.status == 201, await answer.text()
            await answer.read()

    return lambda count: side_by_side(count, one)


def bulk(session: aiohttp.ClientSession, url: str) -> Submit:
    """One request after the other, each with a thousand or what is left."""

    async def submit(count: int) -> None:
        for first in range(0, count, 1_000):
            items = [EMAIL] * min(1_000, count - first)
            async with session.post(f"{url}/v1/notifications/bulk", json={"notifications": items}) as answer:
                assert answer.status == 207, await answer.text()
                data: list[dict[str, Any]] = (await answer.json())["data"]
            assert [item["status"] for item in data] == [201] * len(items)

    return submit


KEY = new_key(now=datetime.now(UTC))
"""The floor seals as the API does."""


@asynccontextmanager
async def api_process(
    temporal: str, database_url: str, log: Path, in_flight: int
) -> AsyncIterator[tuple[str, psutil.Process]]:
    """An API process, once it is ready: its address, and itself."""
    port = free_port()
    ours = ("TIDINGS_", "TEMPORAL_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "api"),
            stdout=output,
            stderr=output,
            env={
                **inherited,
                "TEMPORAL_ADDRESS": temporal,
                "TEMPORAL_CONFIG_FILE": os.devnull,
                "TIDINGS_API_PORT": str(port),
                "TIDINGS_DATABASE_URL": database_url,
                "TIDINGS_CODEC_KEYS": str(KEY),
                "TIDINGS_BULK_IN_FLIGHT": str(in_flight),
                "TIDINGS_START_TIMEOUT": "30",
            },
        )
    try:
        url = f"http://127.0.0.1:{port}"

        async def ready() -> bool:
            try:
                async with aiohttp.ClientSession() as session, session.get(f"{url}/health/ready") as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await eventually(ready, timeout=60)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


async def run(folder: Path, count: int, rounds: int) -> None:
    """Start the parts, measure, report."""
    postgres = PostgresServer(folder / "postgres", free_port())
    temporal = TemporalServer(
        free_port(), free_port(), db_file=folder / "temporal.db", log_file=folder / "temporal.log"
    )
    async with AsyncExitStack() as stack:
        for server in (postgres, temporal):
            await server.start()
            stack.push_async_callback(server.stop, hurry=True)
        database_url = postgres.database_url()
        await upgrade(database_url)
        key, _ = await make_key(database_url)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {key}"}, connector=aiohttp.TCPConnector(limit=AT_ONCE)
            )
        )
        apis = {
            number: await stack.enter_async_context(
                api_process(temporal.address, database_url, folder / f"api-{number}.log", number)
            )
            for number in IN_FLIGHT
        }
        client = await Client.connect(temporal.address, data_converter=data_converter(Keyring((KEY,))))
        url, process = apis[AT_ONCE]
        ways = [
            Way(f"Temporal alone, {AT_ONCE} at once", bare_starts(client), psutil.Process()),
            Way(f"single calls, {AT_ONCE} at once", single_calls(session, url), process),
        ]
        for number, (url, process) in apis.items():
            ways.append(Way(f"bulk, {number} in flight", bulk(session, url), process))
        for way in ways:
            await way.submit(WARM_UP)
        for _ in range(rounds):
            for way in ways:
                await way.round(count)
        report(ways, count, rounds)


def report(ways: list[Way], count: int, rounds: int) -> None:
    """Print and keep the figures."""
    floor, single = (statistics.median(way.rates) for way in ways[:2])
    rows = [
        [
            way.name,
            ", ".join(f"{rate:.0f}" for rate in way.rates),
            f"{(median := statistics.median(way.rates)):.0f}",
            f"{median / floor:.2f}",
            f"{median / single:.2f}",
            milliseconds(way.efforts),
        ]
        for way in ways
    ]
    keep(
        "submit",
        "Submissions a second",
        f"{rounds} rounds of {count:,} each, in turns; no worker runs. Two columns compare the medians; the "
        "last is the API's processor time for each submission, or the bare client's, in milliseconds.",
        table(["", "rounds", "median", "to Temporal alone", "to single calls", "processor ms"], rows),
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="submissions a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder), options.count, options.rounds))


if __name__ == "__main__":
    main()
