"""Record the histories anew: `make histories`, or `python -m tests.replay.record` with names of scenarios.

It plays the scenarios on Temporal servers of its own. `--keep NAME` first copies the histories that it will
replace to a folder of that name, where they go on being replayed: those that a released version has written.
"""

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from tests.replay.recorded import HISTORIES, name, read, write
from tests.replay.replaying import replay
from tests.replay.scenarios import SCENARIOS
from tests.replay.stage import Scenario
from tests.support import free_port
from tidings.local.temporal_server import NAMESPACE, TemporalServer
from tidings.process import end

HANDS_OVER_EARLY = ("limit.historyCount.suggestContinueAsNew=20",)
"""What makes a history of 20 events a long one; by default it is 4,096."""


async def record(scenario: Scenario, client: Client, folder: Path) -> Path:
    """Play a scenario, keep its history, and see that what was kept replays."""
    path = folder / f"{scenario.name}.json"
    write(path, await scenario.history(client))
    await replay(scenario.name, read(path))
    return path


def keep(histories: Path, scenarios: Iterable[Scenario], name: str) -> None:
    """Copy these scenarios' histories into a folder of this name below theirs. Raises FileExistsError."""
    kept = histories / name
    kept.mkdir()
    for path in (histories / f"{scenario.name}.json" for scenario in scenarios):
        if path.exists():
            shutil.copy(path, kept)


async def _record_all(scenarios: Sequence[Scenario]) -> None:
    for hands_over, settings in ((False, ()), (True, HANDS_OVER_EARLY)):
        chosen = [scenario for scenario in scenarios if scenario.hands_over is hands_over]
        if not chosen:
            continue
        async with _client(settings) as client:
            for scenario in chosen:
                path = await record(scenario, client, HISTORIES)
                _say(f"{name(path)}: {len(read(path).events)} events")


@asynccontextmanager
async def _client(settings: Sequence[str]) -> AsyncIterator[Client]:
    with tempfile.TemporaryDirectory() as folder:
        log_file = Path(folder) / "temporal.log"
        server = TemporalServer(
            free_port(), free_port(), db_file=None, log_file=log_file, dynamic_config=settings
        )
        await server.start()
        try:
            # In clear: a history is to be read by people, and what it tells is made up.
            yield await Client.connect(
                server.address, namespace=NAMESPACE, data_converter=pydantic_data_converter
            )
        finally:
            await server.stop(hurry=True)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Record those that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="make histories", description=__doc__)
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help="one to record; all if none is named"
    )
    parser.add_argument("--keep", metavar="NAME", help="first copy what is replaced to this folder")
    arguments = parser.parse_args()
    if unknown := set(arguments.scenarios) - SCENARIOS.keys():
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    scenarios = [SCENARIOS[each] for each in arguments.scenarios or SCENARIOS]
    if arguments.keep:
        keep(HISTORIES, scenarios, arguments.keep)
    # Outages and lost workers are played here: what the SDK says of them is no news.
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    asyncio.run(_record_all(scenarios))
    end(0)


if __name__ == "__main__":
    main()
