"""`tidings tokens`: revoke JSON Web Tokens before they expire. Works on the database directly."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.table import Table
from rich.text import Text

from tidings.cli import screen, times
from tidings.cli.context import database_settings

if TYPE_CHECKING:
    from tidings.database.revoked_tokens import RevokedTokenRepository

Answer = TypeVar("Answer")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_LONGEST_ID = 255

app = typer.Typer(help="JSON Web Tokens of the issuer set up by TIDINGS_JWT_….", no_args_is_help=True)


def _id(text: str) -> str:
    if not 1 <= len(text) <= _LONGEST_ID or "\x00" in text:
        raise typer.BadParameter(f"a jti has 1 to {_LONGEST_ID} characters")
    return text


@app.command()
def revoke(
    jti: Annotated[str, typer.Argument(help="The token's claim jti, not the token itself.", parser=_id)],
    until: Annotated[
        datetime,
        typer.Option(
            help="When it expires by itself (its claim exp) or later: RFC 3339, or from now, such as 24h.",
            parser=times.future,
            metavar="TIME",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """End a token; every process refuses it within seconds."""
    stays = _run(lambda revoked: revoked.revoke(jti, until))
    if as_json:
        screen.print_json({"jti": jti, "expires_at": stays.isoformat()})
    else:
        typer.echo(f"Revoked until {screen.short_time(stays.isoformat())}.")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List revoked tokens that have not expired yet."""
    found = {jti: until.isoformat() for jti, until in _run(lambda revoked: revoked.all()).items()}
    if as_json:
        screen.print_json([{"jti": jti, "expires_at": until} for jti, until in found.items()])
        return
    table = Table(box=None, pad_edge=False)
    for column in ("jti", "until"):
        table.add_column(column, no_wrap=column != "jti", overflow="fold")
    for jti, until in found.items():
        table.add_row(Text(jti), screen.short_time(until))
    screen.wide_console().print(table if found else "No token is revoked.")


def _run(query: Callable[["RevokedTokenRepository"], Awaitable[Answer]]) -> Answer:
    from tidings.database.engine import create_engine
    from tidings.database.revoked_tokens import RevokedTokenRepository

    async def ask() -> Answer:
        engine = create_engine(database_settings(), application_name="tidings-cli")
        try:
            return await query(RevokedTokenRepository(engine))
        finally:
            await engine.dispose()

    return asyncio.run(ask())
