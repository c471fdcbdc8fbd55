"""`tidings`: the commands, and the one place where every one of them ends."""

import sys
from io import TextIOWrapper
from typing import NoReturn

import typer

from tidings import __version__
from tidings.cli import (
    codec,
    delivery,
    doctor,
    keys,
    last_words,
    migrate,
    parts,
    providers,
    schedules,
    steering,
    suppressions,
    tenants,
    tokens,
    up,
    watch,
    webhooks,
)
from tidings.errors import TidingsError
from tidings.process import end

app = typer.Typer(
    name="tidings",
    help="Durable notification delivery on Temporal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidings {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Durable notification delivery on Temporal."""


app.command("up", short_help="Run all of Tidings on this machine, to try it.")(up.up)
app.command("api")(parts.api)
app.command("worker")(parts.worker)
app.command("sandbox", short_help="Run a stand-in for every provider, with an inbox.")(parts.sandbox)
app.command("migrate", short_help="Set up the database and Temporal's namespace.")(migrate.migrate)
app.command("doctor", short_help="Check everything and say what to do; sends nothing.")(doctor.doctor)
app.command("send")(delivery.send)
app.command("show")(delivery.show)
app.command("list")(delivery.list_)
app.command("watch", short_help="Watch notifications as they change.")(watch.watch)
app.command("cancel", short_help="Stop notifications: by ids, or all of a status.")(steering.cancel)
app.command("retry", short_help="Try again now: by ids, or all of a status.")(steering.retry)
app.command("providers", short_help="Show providers, their state and the routes.")(providers.providers)
app.add_typer(schedules.app, name="schedules")
app.add_typer(suppressions.app, name="suppressions")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(tenants.app, name="tenants")
app.add_typer(keys.app, name="keys")
app.add_typer(tokens.app, name="tokens")
app.add_typer(codec.app, name="codec")


def run(arguments: list[str] | None = None) -> int:
    """Run one command; its exit status: 0 done, 1 refused or failed, 2 wrong usage, 130 by Ctrl-C."""
    try:
        app(args=arguments, prog_name="tidings")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except TidingsError as error:
        sys.stderr.write(last_words.of_error(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # It must not get past `main`, which ends the process.
        sys.stderr.write(last_words.of_fault(error))
        return 1
    return 0


def main() -> NoReturn:
    """Run the command of `sys.argv` and end the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A letter that a terminal's encoding does not have must not end a command half-way.
            stream.reconfigure(errors="backslashreplace")
    end(run())
