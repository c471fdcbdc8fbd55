"""`tidings keys`: make, list, rotate and revoke API keys. Works on the database directly."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from tidings.cli import screen, times
from tidings.cli.context import database_settings
from tidings.cli.tenant_name import tenant_name
from tidings.domain.api_key import DEFAULT_SCOPES, ApiKey, new_secret
from tidings.domain.vocabulary import KeyMode, Scope
from tidings.errors import NotFound

if TYPE_CHECKING:
    from tidings.database.api_keys import ApiKeyRepository

Answer = TypeVar("Answer")
Id = Annotated[UUID, typer.Argument(help="The key's id, from `tidings keys list`.")]
ExpiresIn = Annotated[
    timedelta | None,
    typer.Option(help="How long it is valid, such as 90d or 12h.", parser=times.lifetime, metavar="DURATION"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_OVERLAP = timedelta(hours=24)

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
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it may be used for; once for each.", show_default="send, read"),
    ] = None,
    expires_in: ExpiresIn = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, once."""
    secret = new_secret(KeyMode.TEST if test else KeyMode.LIVE)
    expires_at = datetime.now(UTC) + expires_in if expires_in else None
    key = _run(
        lambda keys: keys.create(tenant, name, secret, scopes=scope or DEFAULT_SCOPES, expires_at=expires_at)
    )
    _show(key, secret, as_json)


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None, as_json: AsJson = False
) -> None:
    """List keys, without their secrets."""
    found = [key.model_dump(mode="json") for key in _run(lambda keys: keys.all(tenant))]
    screen.print_json(found) if as_json else screen.print_keys(found)


@app.command(short_help="Make a key in the place of another.")
def rotate(
    id: Id,
    overlap: Annotated[
        timedelta | None,
        typer.Option(
            help="How long the old key stays valid beside the new one.",
            parser=times.duration,
            metavar="DURATION",
            show_default="24h",
        ),
    ] = None,
    expires_in: ExpiresIn = None,
    as_json: AsJson = False,
) -> None:
    """Make a key in the place of another: same tenant, mode, scopes and name.

    Without --expires-in it is valid for as long as the old one was to be.
    """

    async def rotated(keys: "ApiKeyRepository") -> tuple[ApiKey, str]:
        now = datetime.now(UTC)
        old = await keys.get(id)
        if old is None:
            raise _not_found(id)
        if not old.is_valid(now):
            ended = "revoked" if old.revoked_at else "expired"
            raise NotFound(f"The API key {id} is {ended}: `tidings keys create` makes another.")
        length = expires_in or (old.expires_at - old.created_at if old.expires_at else None)
        secret = new_secret(old.mode)
        new = await keys.rotate(
            id, secret, _OVERLAP if overlap is None else overlap, now + length if length else None
        )
        if new is None:
            raise _not_found(id)
        return new, secret

    _show(*_run(rotated), as_json)


@app.command()
def revoke(id: Id, as_json: AsJson = False) -> None:
    """End a key; every process refuses it within seconds."""
    key = _run(lambda keys: keys.revoke(id))
    if key is None:
        raise _not_found(id)
    if as_json:
        screen.print_json(key.model_dump(mode="json"))
    else:
        typer.echo(f"Revoked {key.shown}….")


def _show(key: ApiKey, secret: str, as_json: bool) -> None:
    if as_json:
        screen.print_json({**key.model_dump(mode="json"), "key": secret})
        return
    typer.echo(secret)
    typer.echo("Keep it now: it is not shown again.", err=True)


def _not_found(id: UUID) -> NotFound:
    return NotFound(f"There is no API key {id}: `tidings keys list` shows them.")


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
