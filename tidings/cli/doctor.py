"""`tidings doctor`: looks at everything a notification needs, sends nothing, and says what to do."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from tidings.cli import screen
from tidings.cli.context import (
    database_settings,
    provider_settings,
    running_system,
    use_running_temporal,
)
from tidings.cli.signals import connected
from tidings.errors import SetupError

if TYPE_CHECKING:
    from tidings.doctor.finding import Check, Finding

LIMIT = 20.0
_STYLES = {"ok": "green", "warning": "yellow", "failed": "red", "unchecked": "dim"}


def doctor(
    limit: Annotated[
        float, typer.Option("--limit", min=1, max=600, help="Seconds that all checks may take together.")
    ] = LIMIT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check settings, Postgres, Temporal, workers, API, providers and clock; nothing is sent. Run it where
    the worker runs. Ends with 1 if a check failed."""
    from tidings.doctor.finding import State, examine

    findings = asyncio.run(examine(_checks(), limit))
    failed = sum(finding.state is State.FAILED for finding in findings)
    if as_json:
        screen.print_json({"ok": not failed, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    if failed:
        raise typer.Exit(1)


def _checks() -> "list[Check]":
    """Another check is another line here; one that needs Temporal is an argument more of `_temporal`'s."""
    from tidings.doctor.finding import Check

    return [
        Check("settings", _settings),
        Check("codec keys", _codec_keys),
        Check("postgres", _postgres),
        Check("temporal", _temporal),
        Check("api", _api),
        *_providers(),
    ]


async def _settings() -> "Sequence[Finding]":
    from tidings import settings
    from tidings.doctor.finding import Finding, State

    faults: dict[str, None] = {}
    for name in settings.__all__:
        kind = getattr(settings, name)
        if isinstance(kind, type) and issubclass(kind, settings.Settings) and kind is not settings.Settings:
            try:
                kind.load()
            except SetupError as error:
                faults[str(error)] = None
    if faults:
        return [Finding("settings", State.FAILED, fault) for fault in faults]
    where = "the environment and `.env`"
    beside = "; of the system that runs here, its addresses" if running_system() else ""
    return [Finding("settings", State.OK, f"those of {where} can be read{beside}")]


async def _codec_keys() -> "Sequence[Finding]":
    from tidings.doctor import codec

    use_running_temporal()
    return await codec.keys()


async def _postgres() -> "Sequence[Finding]":
    from tidings.doctor import postgres

    return await postgres.look(database_settings())


async def _temporal() -> "Sequence[Finding]":
    from tidings.doctor import codec, notifications, temporal

    connect = partial(connected, "tidings-doctor", payloads=False)
    return await temporal.look(connect, codec.newest, notifications.look)


async def _api() -> "Sequence[Finding]":
    from tidings.doctor import api
    from tidings.settings import ClientSettings

    settings, system = ClientSettings.load(), running_system()
    given = "url" in settings.model_fields_set
    url = settings.url if given else system.get("api_url", settings.url)
    key = settings.api_key.get_secret_value() if settings.api_key else system.get("api_key")
    return await api.look(str(url).rstrip("/"), key, expected=given or "api_url" in system)


def _providers() -> "list[Check]":
    from tidings.doctor import sandbox
    from tidings.doctor.finding import Check
    from tidings.doctor.providers import checks
    from tidings.provider_catalogue import catalogue
    from tidings.settings import DeliverySettings

    try:
        settings = provider_settings()
        found = checks(catalogue(), settings, DeliverySettings.load())
    except SetupError:
        return []  # the check of the settings says it
    if settings.sandbox_stands_in:
        found.append(Check("sandbox", partial(sandbox.look, settings.sandbox_url)))
    return found


def _print(findings: "Sequence[Finding]") -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("check", "state", "found"):
        table.add_column(column, no_wrap=column != "found", overflow="fold")
    for finding in findings:
        found = Text(finding.found)
        if finding.remedy:
            found.append(f"\n→ {finding.remedy}", style="bold")
        table.add_row(finding.check, Text(finding.state, style=_STYLES[finding.state]), found)
    console = screen.wide_console()
    console.print(table)
    failures = _named(findings, "failed", "failed")
    warnings = _named(findings, "warning", "to look at")
    console.print(f"\n{len(findings)} checked: {failures}, {warnings}.")


def _named(findings: "Sequence[Finding]", state: str, word: str) -> str:
    """How many are in this state, and which: they stand apart among many that are well."""
    names = [finding.check for finding in findings if finding.state == state]
    return f"{len(names)} {word} ({', '.join(names)})" if names else f"0 {word}"
