"""`tidings migrate`: makes the database and Temporal's namespace ready, one without the other if need be."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Annotated

import typer

from tidings.cli import screen
from tidings.cli.signals import connected
from tidings.errors import StorageUnavailable, TidingsError


@dataclass(slots=True)
class Part:
    """What was done to one part, and why not all of it."""

    done: list[str] = field(default_factory=list)
    state: str | None = None
    error: str | None = None


def migrate(
    database_only: Annotated[bool, typer.Option("--database-only", help="Leave Temporal alone.")] = False,
    temporal_only: Annotated[bool, typer.Option("--temporal-only", help="Leave the database alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring the database up to date and set up Temporal's namespace; any number of times, by any number of
    processes."""
    if database_only and temporal_only:
        raise typer.BadParameter("leaves nothing to do with --database-only", param_hint="--temporal-only")
    parts = asyncio.run(_all(database=not temporal_only, temporal=not database_only))
    if as_json:
        screen.print_json({name: asdict(part) for name, part in parts.items()})
    else:
        _print(parts)
    failed = [name for name, part in parts.items() if part.error is not None]
    for name in failed:
        typer.echo(f"tidings: {name}: {parts[name].error}", err=True)
    if failed:
        raise typer.Exit(1)


async def _all(*, database: bool, temporal: bool) -> dict[str, Part]:
    parts = {}
    if database:
        parts["database"] = await _kept(_database)
    if temporal:
        parts["temporal"] = await _kept(_temporal)
    return parts


async def _kept(work: Callable[[Part], Awaitable[None]]) -> Part:
    """What came of one part, an expected failure included: the other part is still to be seen to."""
    part = Part()
    try:
        await work(part)
    except StorageUnavailable as error:
        part.error = f"{error}. Start it by `tidings up`, or set TIDINGS_DATABASE_URL."
    except TidingsError as error:
        part.error = str(error)
    return part


async def _database(part: Part) -> None:
    from tidings.cli.context import database_settings
    from tidings.database import migrations
    from tidings.database.engine import create_migration_engine

    url = str(database_settings().database_url)
    engine = create_migration_engine(url)
    try:
        before = await migrations.current(engine)
    finally:
        await engine.dispose()
    await migrations.upgrade(url)
    if before != migrations.head():
        part.done.append(f"migrated from revision {before or 'none'}")
    part.state = f"at revision {migrations.head()}"


async def _temporal(part: Part) -> None:
    # Not at the top: importing the SDK takes longer than most commands run.
    from tidings.settings import TemporalSettings
    from tidings.temporal.namespace_setup import set_up

    settings = TemporalSettings.load()
    client = await connected("tidings-migrate", payloads=False)
    await set_up(
        client,
        settings.temporal_retention,
        part.done.append,
        change_retention="temporal_retention" in settings.model_fields_set,
    )
    part.state = f"namespace {client.namespace} is ready"


def _print(parts: dict[str, Part]) -> None:
    for name, part in parts.items():
        for line in part.done:
            typer.echo(f"{name}: {line}")
        if part.state is not None:
            typer.echo(f"{name}: {part.state}{'' if part.done else ', nothing to do'}")
