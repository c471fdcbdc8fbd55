"""One process of the system each, for containers; and the migrations."""

import asyncio
import os
import sys

import typer


def _become(module: str) -> None:
    """Turn this process into another part of Tidings: its pid is the part's own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module])  # noqa: S606 -- no shell is wanted


def api() -> None:
    """Run the HTTP API."""
    _become("api")


def worker() -> None:
    """Run a worker: it carries out workflows and sends."""
    _become("worker")


def sandbox() -> None:
    """Run the sandbox: a stand-in for every provider, with an inbox page."""
    _become("tidings.sandbox")


def migrate() -> None:
    """Bring the database up to date; any number of times, by any number of processes."""
    from tidings.cli.context import database_settings
    from tidings.database import migrations

    asyncio.run(migrations.upgrade(str(database_settings().database_url)))
    typer.echo(f"The database is at revision {migrations.head()}.")
