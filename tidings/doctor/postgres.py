"""Whether Postgres answers, how soon, and with our schema."""

import time
from collections.abc import Sequence
from datetime import UTC

from sqlalchemy import text

from tidings.database import migrations
from tidings.database.engine import create_engine
from tidings.database.provider_health import ProviderHealthRepository
from tidings.database.storage import translated
from tidings.doctor.finding import Finding, State, clock
from tidings.domain.provider_health import SkippedProvider
from tidings.errors import SetupError, StorageUnavailable
from tidings.settings import DatabaseSettings

SLOW = 0.1
"""Seconds for the smallest statement: every submission and every attempt makes several."""


async def look(settings: DatabaseSettings) -> Sequence[Finding]:
    """Findings `postgres`, `schema`, `clock (Postgres)`, and one for each provider that keeps failing."""
    engine = create_engine(settings, application_name="tidings-doctor")
    try:
        with translated():
            async with engine.connect() as connection:
                version = await connection.scalar(text("SHOW server_version"))
                began, began_at = time.monotonic(), time.time()
                theirs = await connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())"))
                took = time.monotonic() - began
        findings = [_reached(str(version), took)]
        try:
            await migrations.check(engine)
        except SetupError as error:
            findings.append(Finding("schema", State.FAILED, str(error)))
        else:
            findings.append(Finding("schema", State.OK, f"at revision {migrations.head()}"))
            findings += [_failing(row) for row in await ProviderHealthRepository(engine).skipped()]
        return [*findings, clock("Postgres", began_at + took / 2 - float(theirs or 0), took / 2)]
    except StorageUnavailable as error:
        remedy = "start it, or set TIDINGS_DATABASE_URL"
        return [Finding("postgres", State.FAILED, str(error), remedy)]
    finally:
        await engine.dispose()


def _failing(row: SkippedProvider) -> Finding:
    # Its own check may find nothing: a server may greet us and take no mail.
    at = f"{row.changed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    found = f"keeps failing, last {row.last_code} at {at}; back as soon as it takes a message"
    remedy = "`tidings show ID` of one that waits has its words: docs/runbook.md#tidingsproviderfailing"
    return Finding(f"{row.channel} by {row.provider}", State.WARNING, found, remedy)


def _reached(version: str, took: float) -> Finding:
    found = f"version {version}, a statement takes {took * 1000:.1f} ms"
    if took > SLOW:
        return Finding("postgres", State.WARNING, found, "bring it nearer, or see what keeps it busy")
    return Finding("postgres", State.OK, found)
