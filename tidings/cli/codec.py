"""`tidings codec`: the keys that what Temporal keeps is sealed with."""

from datetime import UTC, datetime
from typing import Annotated

import typer

app = typer.Typer(help="The keys that what Temporal keeps is sealed with.", no_args_is_help=True)


@app.command("new-key")
def new_key(
    id: Annotated[
        str | None,
        typer.Option("--id", help="Its name, which everybody may read. By default that of the day."),
    ] = None,
) -> None:
    """Print a new random key, as TIDINGS_CODEC_KEYS takes it. It is kept nowhere else."""
    # Not at the top: importing the SDK takes longer than most commands run.
    from tidings.temporal.encryption import keys

    typer.echo(str(keys.new_key(id, now=datetime.now(UTC))))
