"""`python -m tests.fuzz.run [OPTION]…`: a long run, with servers of its own; options are schemathesis's."""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.fuzz.fuzzing import fuzz, target
from tests.support import free_port
from tidings.database.migrations import upgrade
from tidings.local.postgres import PostgresServer

_LONG = ("--max-examples", "300", "--workers", "2")


async def main(options: list[str]) -> int:
    """Its exit status: 0 if nothing was found."""
    with tempfile.TemporaryDirectory(prefix="tidings-fuzz-") as name:
        folder = Path(name)
        postgres = PostgresServer(folder / "postgres", free_port())
        await postgres.start()
        try:
            database_url = postgres.database_url("postgres")
            await upgrade(database_url)
            async with target(database_url, folder) as api:
                run = await fuzz(api, *_LONG, *options)
        finally:
            await postgres.stop(hurry=True)
    sys.stdout.write(run.output)
    return run.exit_status


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
