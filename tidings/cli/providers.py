"""`tidings providers`: what could send, whether it is set up, who is skipped, and the routes.

Calls no provider. Who is skipped stands in the database: without it, all the rest is shown.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from tidings.cli import screen
from tidings.domain.route import Route
from tidings.domain.vocabulary import Channel
from tidings.errors import SetupError, StorageUnavailable

if TYPE_CHECKING:
    from tidings.domain.provider_health import SkippedProvider
    from tidings.domain.providers import ProviderEntry
    from tidings.settings import ProviderSettings


def providers(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show providers and routes by this environment and `.env` (run it where the worker runs), and who is
    skipped because it keeps failing."""
    from tidings.cli.context import provider_settings
    from tidings.domain.provider_health import is_watched
    from tidings.provider_catalogue import catalogue
    from tidings.settings import DeliverySettings

    delivery, known = DeliverySettings.load(), catalogue()
    settings = provider_settings()
    missing = asyncio.run(_missing(known.entries, settings))
    skipped, unreadable = asyncio.run(_skipped())
    routes = {channel.value: delivery.route(channel, "").root for channel in Channel}
    of_tenants = {
        tenant: {channel.value: route.root for channel, route in own.items()}
        for tenant, own in delivery.tenant_routes.items()
    }
    every_route = [
        (channel, route) for own in (routes, *of_tenants.values()) for channel, route in own.items()
    ]
    found: dict[str, Any] = {
        "providers": [
            {
                "channel": channel.value,
                "name": entry.name,
                "package": entry.package,
                "set_up": missing[entry.name] is None,
                "missing": missing[entry.name],
                **_health(
                    skipped.get((channel, entry.name)),
                    known=unreadable is None and is_watched(channel, entry.name),
                ),
                "alone": _alone(channel, entry.name, every_route),
                "test_only": entry.test_only,
                "stood_in_for": settings.sandbox_stands_in and missing[entry.name] is not None,
            }
            for channel in Channel
            for entry in known.entries
            if channel in entry.channels
        ],
        "state_unknown": unreadable,
        "routes": routes,
        "tenant_routes": of_tenants,
        "faults": [fault.text for fault in known.faults],
    }
    screen.print_json(found) if as_json else _print(found)
    for fault in found["faults"]:
        typer.echo(f"tidings: {fault}. No worker starts with it.", err=True)
    if found["faults"]:
        raise typer.Exit(1)


async def _skipped() -> "tuple[dict[tuple[Channel, str], SkippedProvider], str | None]":
    """Who is skipped, or why that cannot be known."""
    from tidings.cli.context import database_settings
    from tidings.database.engine import create_engine
    from tidings.database.provider_health import ProviderHealthRepository

    engine = create_engine(database_settings(), application_name="tidings-cli")
    try:
        found = await ProviderHealthRepository(engine).skipped()
    except StorageUnavailable as error:
        return {}, str(error)
    finally:
        await engine.dispose()
    return {(row.channel, row.provider): row for row in found}, None


def _health(row: "SkippedProvider | None", *, known: bool) -> dict[str, Any]:
    """The state of one provider: `ok`, `skipped`, `probing`, or null where it is not known."""
    if row is None:
        return {"state": "ok" if known else None}
    return {
        "state": "probing" if row.probing else "skipped",
        "skipped_until": row.skipped_until.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "failures": row.failures,
        "skips": row.skips,
        "last_code": row.last_code,
    }


def _alone(channel: Channel, provider: str, routes: Sequence[tuple[str, Any]]) -> bool:
    """Whether no route that it is on has another provider."""
    own = [route for name, route in routes if name == channel and provider in Route(route).names]
    return bool(own) and all(len(Route(route).names) == 1 for route in own)


def _state(row: dict[str, Any]) -> Text:
    if row["state"] in (None, "ok"):
        return Text(row["state"] or "-", style="green" if row["state"] else "dim")
    why = f"after {row['failures']} failures, last {row['last_code']}"
    if row["alone"]:
        # To say "skipped" would let nobody expect that messages still go by it.
        return Text(
            f"keeps failing, last {row['last_code']}; no other is on its route, so it is tried all the same",
            style="red",
        )
    if row["state"] == "probing":
        return Text(f"probing {why}", style="yellow")
    return Text(f"skipped until {row['skipped_until'][11:19]} UTC {why}", style="red")


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
    for column in ("channel", "provider", "from", "set up", "state"):
        table.add_column(column, no_wrap=column not in ("set up", "state"), overflow="fold")
    for row in found["providers"]:
        table.add_row(
            *(row["channel"], row["name"], Text(row["package"] or "built in")),
            *(_set_up(row), _state(row)),
        )
    routes = Table(box=None, pad_edge=False)
    for column in ("channel", "tenant", "route"):
        routes.add_column(column, overflow="fold")
    for tenant, own in {"": found["routes"], **found["tenant_routes"]}.items():
        for channel, steps in own.items():
            routes.add_row(channel, Text(tenant or "all"), Text(_spelled(steps)))
    console = screen.wide_console()
    console.print(table)
    if found["state_unknown"]:
        console.print(Text(f"\nWho is skipped cannot be known: {found['state_unknown']}."))
    console.print()
    console.print(routes)


def _set_up(row: dict[str, Any]) -> Text:
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
