"""`tidings tenants`: limits and defaults of single tenants. Works on the database directly."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from tidings.cli import screen
from tidings.cli.context import database_settings
from tidings.cli.tenant_name import tenant_name
from tidings.domain.rate_limit import RateLimit
from tidings.domain.tenant import Tenant
from tidings.domain.vocabulary import Guarantee, Priority
from tidings.errors import NotFound, TidingsError

if TYPE_CHECKING:
    from tidings.database.tenants import TenantRepository

Answer = TypeVar("Answer")
_DEFAULT = "default"
"""Said of a setting: the installation's."""


def _limit(value: str | None) -> str | None:
    if value is None or value == _DEFAULT:
        return value
    try:
        return str(RateLimit.parse(value))
    except ValueError:
        raise typer.BadParameter(
            f"must be like 100/second, 5000/minute or 3000/10 seconds, or {_DEFAULT}"
        ) from None


def _word(words: type[Priority] | type[Guarantee]) -> Callable[[str | None], str | None]:
    def check(value: str | None) -> str | None:
        allowed = (*words, _DEFAULT)
        if value is not None and value not in allowed:
            raise typer.BadParameter(f"must be one of {', '.join(allowed)}")
        return value

    return check


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="The tenant's name.", callback=tenant_name)]
Limit = Annotated[
    str | None,
    typer.Option(help="Requests of all its keys together: 100/second, or default.", callback=_limit),
]
KeyLimit = Annotated[
    str | None, typer.Option(help="Requests of each of its keys: 20/second, or default.", callback=_limit)
]
DefaultPriority = Annotated[
    str | None,
    typer.Option("--priority", help="For submissions that name none; or default.", callback=_word(Priority)),
]
DefaultGuarantee = Annotated[
    str | None,
    typer.Option(
        "--guarantee", help="For submissions that name none; or default.", callback=_word(Guarantee)
    ),
]

app = typer.Typer(help="Limits and defaults of single tenants.", no_args_is_help=True)


@app.command()
def create(
    name: Name,
    rate_limit: Limit = None,
    key_rate_limit: KeyLimit = None,
    priority: DefaultPriority = None,
    guarantee: DefaultGuarantee = None,
    as_json: AsJson = False,
) -> None:
    """Set a tenant up. It needs this only for settings of its own: `tidings keys create` takes any name."""
    settings = _settings(rate_limit, key_rate_limit, priority, guarantee)
    made = _run(lambda tenants: tenants.create(name, settings))
    if made is None:
        raise TidingsError(f"There is a tenant {name} already: `tidings tenants set {name}` changes it.")
    _print(made, as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the tenants that are set up."""
    found = [tenant.model_dump(mode="json") for tenant in _run(lambda tenants: tenants.all())]
    screen.print_json(found) if as_json else screen.print_tenants(found)


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show a tenant."""
    _print(_found(name, _run(lambda tenants: tenants.get(name))), as_json)


@app.command("set", short_help="Change what is given, and nothing else.")
def set_(
    name: Name,
    rate_limit: Limit = None,
    key_rate_limit: KeyLimit = None,
    priority: DefaultPriority = None,
    guarantee: DefaultGuarantee = None,
    as_json: AsJson = False,
) -> None:
    """Change what is given, and nothing else; every process goes by it within seconds."""
    settings = _settings(rate_limit, key_rate_limit, priority, guarantee)
    if not settings:
        raise typer.BadParameter("there is nothing to set: give --rate-limit, --key-rate-limit, …")
    _print(_found(name, _run(lambda tenants: tenants.change(name, settings))), as_json)


@app.command()
def disable(name: Name, as_json: AsJson = False) -> None:
    """Refuse every call of the tenant's keys within seconds. What it has submitted goes on."""
    _print(_found(name, _run(lambda tenants: tenants.disable(name, True))), as_json)


@app.command()
def enable(name: Name, as_json: AsJson = False) -> None:
    """Take the calls of a disabled tenant again."""
    _print(_found(name, _run(lambda tenants: tenants.disable(name, False))), as_json)


def _settings(
    rate_limit: str | None, key_rate_limit: str | None, priority: str | None, guarantee: str | None
) -> dict[str, str | None]:
    given = {
        "rate_limit": rate_limit,
        "key_rate_limit": key_rate_limit,
        "default_priority": priority,
        "default_guarantee": guarantee,
    }
    return {
        column: None if value == _DEFAULT else value for column, value in given.items() if value is not None
    }


def _found(name: str, tenant: Tenant | None) -> Tenant:
    if tenant is None:
        raise NotFound(
            f"There is no tenant {name}: it has the installation's defaults. "
            "`tidings tenants create` sets it up."
        )
    return tenant


def _print(tenant: Tenant, as_json: bool) -> None:
    shown = tenant.model_dump(mode="json")
    screen.print_json(shown) if as_json else screen.print_tenants([shown])


def _run(query: Callable[["TenantRepository"], Awaitable[Answer]]) -> Answer:
    from tidings.database.engine import create_engine
    from tidings.database.tenants import TenantRepository

    async def ask() -> Answer:
        engine = create_engine(database_settings(), application_name="tidings-cli")
        try:
            return await query(TenantRepository(engine))
        finally:
            await engine.dispose()

    return asyncio.run(ask())
