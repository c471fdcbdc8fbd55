"""`tidings up`: the whole system on one machine until Ctrl-C."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from tidings.errors import SetupError

if TYPE_CHECKING:
    from tidings.local.system import LocalSystem

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PORT = {"min": 1, "max": 65535}


def up(
    data: Annotated[
        Path, typer.Option(envvar="TIDINGS_UP_DATA", help="Folder that keeps everything.")
    ] = Path(".tidings"),
    api_port: Annotated[int, typer.Option(envvar="TIDINGS_UP_API_PORT", help="HTTP API.", **_PORT)] = 8000,
    temporal_port: Annotated[
        int, typer.Option(envvar="TIDINGS_UP_TEMPORAL_PORT", help="Temporal, gRPC.", **_PORT)
    ] = 7233,
    ui_port: Annotated[
        int, typer.Option(envvar="TIDINGS_UP_UI_PORT", help="Temporal Web UI.", **_PORT)
    ] = 8233,
    postgres_port: Annotated[
        int, typer.Option(envvar="TIDINGS_UP_POSTGRES_PORT", help="PostgreSQL.", **_PORT)
    ] = 54320,
    sandbox_port: Annotated[
        int, typer.Option(envvar="TIDINGS_UP_SANDBOX_PORT", help="Sandbox: inbox page and HTTP.", **_PORT)
    ] = 8025,
    smtp_port: Annotated[
        int, typer.Option(envvar="TIDINGS_UP_SMTP_PORT", help="Sandbox: SMTP.", **_PORT)
    ] = 1025,
) -> None:
    """Run PostgreSQL, Temporal, the API, a worker and the sandbox on this machine. Ctrl-C stops them."""
    # Not at the top: every other command would wait for it, and containers have no `local` extra.
    try:
        from tidings.local.data_folder import DataFolder
        from tidings.local.ports import Ports
        from tidings.local.system import LocalSystem
    except ModuleNotFoundError as error:
        raise SetupError(f"{error.name} is missing: pip install 'tidings[local]'.") from None
    ports = Ports(
        api=api_port,
        temporal=temporal_port,
        ui=ui_port,
        postgres=postgres_port,
        sandbox=sandbox_port,
        smtp=smtp_port,
    )
    folder = DataFolder(data)
    with folder.locked():
        asyncio.run(_run(lambda say: LocalSystem(folder, ports, say), Console(highlight=False)))


async def _run(build: "Callable[[Callable[[str], None]], LocalSystem]", console: Console) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()

    def told_to_stop() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, told_to_stop)

    def say(line: str) -> None:
        # A closed terminal or pipe must not keep the parts from being stopped; rich exits on a broken pipe.
        with contextlib.suppress(OSError, SystemExit):
            console.print(line, markup=False, soft_wrap=True)

    system = build(say)
    try:
        with console.status("Starting PostgreSQL, Temporal, sandbox, API and worker …"):
            ready = await _unless(stop, system.start())
        if ready:
            _show(system, console)
            await system.run(stop.wait())
    finally:
        if stop.is_set():
            say("Stopping; once more Ctrl-C hurries.")
        await system.stop(hurry)
    say("Stopped. The next start goes on from here.")


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work, but give it up when told to stop; whether it was done."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        await working
        return True
    working.cancel()
    await asyncio.wait([working])
    return False


def _show(system: "LocalSystem", console: Console) -> None:
    rows = Table.grid(padding=(0, 3))
    rows.add_row("API and its documentation", f"{system.addresses.api}/docs")
    rows.add_row("Temporal Web UI", system.addresses.ui)
    rows.add_row("Read its sealed payloads", f"{system.addresses.api}/codec")
    rows.add_row("Sandbox inbox", system.addresses.sandbox)
    rows.add_row("Data and logs", str(system.folder.path))
    if system.smtp_server is not None:
        rows.add_row("Email goes out by", f"{system.smtp_server} (TIDINGS_SMTP_HOST)")
    console.print(
        Panel(rows, title="Tidings is up", subtitle="Ctrl-C stops it", expand=False, padding=(1, 2))
    )
    console.print("Send an email and find it in the sandbox's inbox:\n")
    # As it is, on one line of any length: it must survive being pasted.
    console.print(_curl(system), markup=False, soft_wrap=True)
    console.print()


def _curl(system: "LocalSystem") -> str:
    body = json.dumps(
        {
            "channel": "email",
            "recipient": "ada@example.com",
            "subject": "Good tidings",
            "body": "Hello from Tidings.",
        }
    )
    return (
        f"curl -s {system.addresses.api}/v1/notifications"
        f" -H 'Authorization: Bearer {system.api_key}' -H 'Content-Type: application/json' -d '{body}'"
    )
