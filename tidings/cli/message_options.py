"""The options that describe a message, the same for one that is sent and for those of a schedule."""

from pathlib import Path
from typing import Annotated

import typer

from tidings.cli import completion

Subject = Annotated[str | None, typer.Option(help="Required for email.")]
Html = Annotated[Path | None, typer.Option(help="A file with the HTML form of an email.")]
Metadata = Annotated[str | None, typer.Option(help="A JSON object, given back as it is.")]
Data = Annotated[str | None, typer.Option(help="A JSON object of strings for the app, push only.")]
CollapseKey = Annotated[
    str | None, typer.Option(help="Replaces the push message before it with the same key.")
]
Tags = Annotated[list[str] | None, typer.Option(help="May be given up to 10 times.")]
Priority = Annotated[
    str | None,
    typer.Option(help="critical, high, normal, low or bulk.", autocompletion=completion.priorities),
]
Guarantee = Annotated[
    str | None, typer.Option(help="at_least_once or at_most_once.", autocompletion=completion.guarantees)
]
Pin = Annotated[
    str | None, typer.Option(help="Use this provider and no other.", autocompletion=completion.providers)
]
