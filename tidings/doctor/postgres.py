"""Whether Postgres answers, how soon, and with our schema."""

import time
from collections.abc import Sequence

from sqlalchemy import text

from tidings.database import migrations
from tidings.database.engine import create_engine
from tidings.database.storage import translated
from tidings.doctor.finding import Finding, State, clock
from tidings.errors import SetupError, StorageUnavailable
from tidings.settings import DatabaseSettings

SLOW = 0.1
"""Seconds for the smallest statement: every submission and every attempt makes several."""


async def look(settings: DatabaseSettings) -> Sequence[Finding]:
    """Findings `postgres`, `schema` and `clock (Postgres)`."""
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
        return [*findings, clock("Postgres", began_at + took / 2 - float(theirs or 0), took / 2)]
    except StorageUnavailable as error:
        remedy = "start it, or set TIDINGS_DATABASE_URL"
        return [Finding("postgres", State.FAILED, str(error), remedy)]
    finally:
        await engine.dispose()


def _reached(version: str, took: float) -> Finding:
    found = f"version {version}, a statement takes {took * 1000:.1f} ms"
    if took > SLOW:
        return Finding("postgres", State.WARNING, found, "bring it nearer, or see what keeps it busy")
    return Finding("postgres", State.OK, found)
