"""`tidings keys`: make, list and revoke API keys. Works on the database directly."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from tidings.cli import screen
from tidings.cli.context import database_settings
from tidings.cli.tenant_name import tenant_name
from tidings.domain.api_key import new_secret
from tidings.domain.vocabulary import KeyMode
from tidings.errors import NotFound

if TYPE_CHECKING:
    from tidings.database.api_keys import ApiKeyRepository

Answer = TypeVar("Answer")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(help="API keys: the secret is shown once.", no_args_is_help=True)


@app.command()
def create(
    tenant: Annotated[
        str, typer.Option(help="Whose notifications the key submits and sees.", callback=tenant_name)
    ] = "default",
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    test: Annotated[
        bool, typer.Option("--test", help="A td_test_ key: all that it submits goes to the sandbox.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, once."""
    secret = new_secret(KeyMode.TEST if test else KeyMode.LIVE)
    key = _run(lambda keys: keys.create(tenant, name, secret))
    if as_json:
        screen.print_json({**key.model_dump(mode="json"), "key": secret})
        return
    typer.echo(secret)
    typer.echo("Keep it now: it is not shown again.", err=True)


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None, as_json: AsJson = False
) -> None:
    """List keys, without their secrets."""
    found = [key.model_dump(mode="json") for key in _run(lambda keys: keys.all(tenant))]
    screen.print_json(found) if as_json else screen.print_keys(found)


@app.command()
def revoke(
    id: Annotated[UUID, typer.Argument(help="The key's id, from `tidings keys list`.")],
    as_json: AsJson = False,
) -> None:
    """End a key; every process refuses it within seconds."""
    key = _run(lambda keys: keys.revoke(id))
    if key is None:
        raise NotFound(f"There is no API key {id}: `tidings keys list` shows them.")
    if as_json:
        screen.print_json(key.model_dump(mode="json"))
    else:
        typer.echo(f"Revoked {key.shown}….")


def _run(query: Callable[["ApiKeyRepository"], Awaitable[Answer]]) -> Answer:
    from tidings.database.api_keys import ApiKeyRepository
    from tidings.database.engine import create_engine

    async def ask() -> Answer:
        engine = create_engine(database_settings(), application_name="tidings-cli")
        try:
            return await query(ApiKeyRepository(engine))
        finally:
            await engine.dispose()

    return asyncio.run(ask())
