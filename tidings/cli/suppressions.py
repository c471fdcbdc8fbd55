"""`tidings suppressions`: who gets nothing more. Works on the database directly, for every tenant."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer
from rich.table import Table
from rich.text import Text

from tidings.cli import screen
from tidings.cli.context import database_settings
from tidings.domain.vocabulary import Channel

if TYPE_CHECKING:
    from tidings.database.suppressions import SuppressionRepository
    from tidings.domain.suppression import Suppression

Answer = TypeVar("Answer")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(help="Recipients that bounced or want nothing more.", no_args_is_help=True)


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    channel: Annotated[Channel | None, typer.Option(help="Only those of this channel.")] = None,
    recipient: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """List suppressed recipients, newest first."""
    found = _run(lambda listed: listed.after(tenant, None, limit, channel=channel, recipient=recipient))
    if as_json:
        screen.print_json([suppression.model_dump(mode="json") for suppression in found])
    else:
        _print(found)


@app.command(short_help="Take recipients off the list.")
def remove(
    id: Annotated[list[UUID], typer.Argument(help="Ids, from `tidings suppressions list`.")],
    as_json: AsJson = False,
) -> None:
    """Take recipients off the list: what is sent to them from now on is tried again."""

    async def removed(listed: "SuppressionRepository") -> "list[Suppression | None]":
        return [await listed.remove(None, one) for one in id]

    found = dict(zip(id, _run(removed), strict=True))
    if as_json:
        screen.print_json([taken.model_dump(mode="json") for taken in found.values() if taken])
    for one, taken in found.items():
        if taken is None:
            typer.echo(f"tidings: There is no suppression {one}.", err=True)
        elif not as_json:
            typer.echo(f"{taken.channel} to {taken.recipient} is sent again.")
    if None in found.values():
        raise typer.Exit(1)


def _print(found: "list[Suppression]") -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("id", "channel", "recipient", "reason", "by", "tenant", "mode", "since"):
        table.add_column(column, no_wrap=column != "recipient", overflow="fold")
    for suppression in found:
        table.add_row(
            *(str(suppression.id), suppression.channel, Text(suppression.recipient), suppression.reason),
            *(suppression.provider, Text(suppression.tenant), suppression.mode),
            screen.short_time(suppression.created_at.isoformat()),
        )
    screen.wide_console().print(table if found else "Nobody is suppressed.")


def _run(query: Callable[["SuppressionRepository"], Awaitable[Answer]]) -> Answer:
    from tidings.database.engine import create_engine
    from tidings.database.suppressions import SuppressionRepository

    async def ask() -> Answer:
        engine = create_engine(database_settings(), application_name="tidings-cli")
        try:
            return await query(SuppressionRepository(engine))
        finally:
            await engine.dispose()

    return asyncio.run(ask())
