"""What a page of the list costs among a thousand notifications and among a million, by depth and by filter.

Both tables are in one Postgres of the benchmark's own, read by the API's own repository, in turns.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
from pydantic import PostgresDsn

from benchmarks.report import keep, milliseconds, table
from tests.support import free_port
from tidings.database.engine import create_engine
from tidings.database.migrations import upgrade
from tidings.database.notifications import NotificationRepository
from tidings.domain.record import NotificationFilter, Position
from tidings.domain.vocabulary import Channel, KeyMode, Status
from tidings.local.postgres import PostgresServer
from tidings.settings import DatabaseSettings

TENANT = "acme"
PAGE = 20
FEW = 1_000
SCHEDULE = UUID(int=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
APART = timedelta(seconds=1)

# Recipients get fifty messages each, whatever the size; a "rare" thing is one in a thousand, and the rarest
# are the oldest ten: the walk that finds them goes through everything.
_FILL = """
INSERT INTO notifications (
    id, tenant, mode, channel, recipient, subject, body, tags, priority, guarantee, created_at, schedule_id,
    status, revision, attempt_count, automatic_attempts, updated_at
)
SELECT
    ('0198f3a0-' || lpad(to_hex(n), 4, '0') || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
    'acme',
    CASE WHEN n % 1000 = 7 THEN 'test' ELSE 'live' END,
    CASE WHEN n % 1000 = 1 THEN 'webhook' WHEN n % 4 = 0 THEN 'sms' ELSE 'email' END,
    'user-' || (n % ($1::int / 50)) || '@example.com',
    'Your order has left us',
    repeat('Hello Ada, order 1042 is on its way. ', 4),
    CASE WHEN n <= 10 THEN '{first}'::text[] WHEN n % 1000 = 3 THEN '{orders,vip}'
         WHEN n % 3 = 0 THEN '{orders}' ELSE '{}' END,
    'normal', 'at_least_once',
    $2::timestamptz + n * interval '1 second',
    CASE WHEN n % 1000 = 5 THEN $3::uuid END,
    CASE WHEN n <= 10 THEN 'unknown' WHEN n % 1000 = 2 THEN 'failed' ELSE 'sent' END,
    3, 1, 1, $2::timestamptz + n * interval '1 second'
FROM generate_series(1, $1::int) AS n
"""


@dataclass(frozen=True)
class Case:
    """A page to ask for: `depth` is the share of the list that lies before it."""

    name: str
    filter: NotificationFilter = field(default_factory=NotificationFilter)
    depth: float = 0.0


CASES = [
    Case("newest"),
    Case("a tenth down", depth=0.1),
    Case("half way", depth=0.5),
    Case("nine tenths down", depth=0.9),
    Case("the last", depth=1.0),
    Case("status=sent (most)", NotificationFilter(status=Status.SENT), 0.5),
    Case("status=failed (1 in 1,000)", NotificationFilter(status=Status.FAILED)),
    Case("status=unknown (the 10 oldest)", NotificationFilter(status=Status.UNKNOWN)),
    Case("channel=sms (1 in 4)", NotificationFilter(channel=Channel.SMS), 0.5),
    Case("channel=webhook (1 in 1,000)", NotificationFilter(channel=Channel.WEBHOOK)),
    Case("mode=test (1 in 1,000)", NotificationFilter(mode=KeyMode.TEST)),
    Case("recipient (50 messages)", NotificationFilter(recipient="user-7@example.com")),
    Case("recipient (none)", NotificationFilter(recipient="nobody@example.com")),
    Case("tag=orders (1 in 3)", NotificationFilter(tag="orders"), 0.5),
    Case("tag=vip (1 in 1,000)", NotificationFilter(tag="vip")),
    Case("tag=first (the 10 oldest)", NotificationFilter(tag="first")),
    Case("tag (none)", NotificationFilter(tag="nothing")),
    Case("schedule (1 in 1,000)", NotificationFilter(schedule_id=SCHEDULE)),
    Case(
        "created_after and created_before, an hour",
        NotificationFilter(
            created_after=START + timedelta(seconds=100), created_before=START + timedelta(seconds=3_700)
        ),
    ),
]


@dataclass(frozen=True)
class Corpus:
    """A table with so many notifications of one tenant."""

    rows: int
    repository: NotificationRepository

    async def page(self, case: Case) -> float:
        """Ask for the page once; seconds."""
        after = None
        if case.depth:
            number = max(round(self.rows * (1 - case.depth)), PAGE) + 1
            after = Position(START + number * APART, UUID(int=0))
        begun = time.perf_counter()
        await self.repository.after(TENANT, case.filter, after, PAGE)
        return time.perf_counter() - begun


@asynccontextmanager
async def corpus(server: PostgresServer, rows: int) -> AsyncIterator[Corpus]:
    """A database with so many rows, made unless it is there."""
    name = f"rows_{rows}"
    connection = await asyncpg.connect(server.dsn)
    try:
        there = await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name)
        if not there:
            await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    url = server.database_url(name)
    await upgrade(url)
    if not there:
        connection = await asyncpg.connect(url)
        begun = time.perf_counter()
        await connection.execute(_FILL, rows, START, SCHEDULE)
        await connection.execute("VACUUM ANALYZE notifications")
        await connection.close()
        print(f"{rows:,} rows made in {time.perf_counter() - begun:.0f} s")
    engine = create_engine(
        DatabaseSettings(database_url=PostgresDsn(url), database_pool_size=1, database_command_timeout=60)
    )
    yield Corpus(rows, NotificationRepository(engine))
    await engine.dispose()


async def measure(corpora: Sequence[Corpus], rounds: int) -> dict[str, list[list[float]]]:
    """Seconds by case and corpus, in turns."""
    seconds: dict[str, list[list[float]]] = {case.name: [[] for _ in corpora] for case in CASES}
    for number in range(rounds + 1):
        for case in CASES:
            for place, each in enumerate(corpora):
                took = await each.page(case)
                if number:  # the first round only warms up
                    seconds[case.name][place].append(took)
    return seconds


async def run(folder: Path, many: int, rounds: int) -> None:
    """Make the tables, measure, report."""
    server = PostgresServer(folder / "postgres", free_port())
    await server.start()
    try:
        async with corpus(server, FEW) as few, corpus(server, many) as million:
            seconds = await measure([few, million], rounds)
    finally:
        await server.stop()
    rows = [
        [
            name,
            milliseconds(few),
            milliseconds(more),
            f"{statistics.median(more) / statistics.median(few):.2f}",
        ]
        for name, (few, more) in seconds.items()
    ]
    keep(
        "keyset",
        "Pages by cursor",
        f"A page of {PAGE} as the API's repository gives it: medians of {rounds} rounds, in milliseconds.",
        table(["page", f"{FEW:,} rows", f"{many:,} rows", "ratio"], rows),
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--data", type=Path, help="keep the tables here for the next run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.data or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(run(folder, options.rows, options.rounds))


if __name__ == "__main__":
    main()
