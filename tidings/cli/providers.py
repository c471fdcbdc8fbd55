"""`tidings providers`: what could send, whether it is set up, and who does. Calls nobody."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from tidings.cli import screen
from tidings.domain.vocabulary import Channel
from tidings.errors import SetupError

if TYPE_CHECKING:
    from tidings.domain.providers import ProviderEntry
    from tidings.settings import ProviderSettings


def providers(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the providers and routes by this environment and `.env`: run it where the worker runs."""
    from tidings.provider_catalogue import catalogue
    from tidings.settings import DeliverySettings, ProviderSettings

    delivery, known = DeliverySettings.load(), catalogue()
    settings = ProviderSettings.load()
    missing = asyncio.run(_missing(known.entries, settings))
    routes = {channel.value: delivery.route(channel, "").root for channel in Channel}
    of_tenants = {
        tenant: {channel.value: route.root for channel, route in own.items()}
        for tenant, own in delivery.tenant_routes.items()
    }
    found: dict[str, Any] = {
        "providers": [
            {
                "channel": channel.value,
                "name": entry.name,
                "package": entry.package,
                "set_up": missing[entry.name] is None,
                "missing": missing[entry.name],
                "test_only": entry.test_only,
                "stood_in_for": settings.sandbox_stands_in and missing[entry.name] is not None,
            }
            for channel in Channel
            for entry in known.entries
            if channel in entry.channels
        ],
        "routes": routes,
        "tenant_routes": of_tenants,
        "faults": [fault.text for fault in known.faults],
    }
    screen.print_json(found) if as_json else _print(found)
    for fault in found["faults"]:
        typer.echo(f"tidings: {fault}. No worker starts with it.", err=True)
    if found["faults"]:
        raise typer.Exit(1)


async def _missing(
    entries: "tuple[ProviderEntry, ...]", settings: "ProviderSettings"
) -> dict[str, str | None]:
    """What keeps each provider from sending; None if it is set up."""
    from tidings.providers.registry import build_provider
    from tidings.providers.registry import lacks as lacks_of

    missing: dict[str, str | None] = {}
    for entry in entries:
        try:
            provider = build_provider(entry, settings)
        except SetupError as error:
            missing[entry.name] = str(error)
            continue
        lacks = lacks_of(provider)
        verb = "set" if lacks and lacks.startswith("TIDINGS_") else "installed"
        missing[entry.name] = f"{lacks} is not {verb}" if lacks else None
        await provider.aclose()
    return missing


def _print(found: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("channel", "provider", "from", "set up"):
        table.add_column(column, no_wrap=column != "set up", overflow="fold")
    for row in found["providers"]:
        table.add_row(row["channel"], row["name"], Text(row["package"] or "built in"), _state(row))
    routes = Table(box=None, pad_edge=False)
    for column in ("channel", "tenant", "route"):
        routes.add_column(column, overflow="fold")
    for tenant, own in {"": found["routes"], **found["tenant_routes"]}.items():
        for channel, steps in own.items():
            routes.add_row(channel, Text(tenant or "all"), Text(_spelled(steps)))
    console = screen.wide_console()
    console.print(table)
    console.print()
    console.print(routes)


def _state(row: dict[str, Any]) -> Text:
    if row["set_up"]:
        return Text("yes, for test keys" if row["test_only"] else "yes", style="green")
    instead = "; stood in for by the sandbox" if row["stood_in_for"] else ""
    return Text(f"no: {row['missing']}{instead}", style="dim")


def _spelled(steps: list[str | dict[str, float]]) -> str:
    """`["a", {"b": 3, "c": 1}]` as `a, then b 3 : c 1`."""
    return ", then ".join(
        step if isinstance(step, str) else " : ".join(f"{name} {weight:g}" for name, weight in step.items())
        for step in steps
    )
