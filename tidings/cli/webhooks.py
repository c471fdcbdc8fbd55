"""`tidings webhooks`: URLs that have a secret of their own, over HTTP."""

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from tidings.cli import screen
from tidings.cli.delivery import AsJson, Key, Url, call_api

Id = Annotated[str, typer.Argument(help="The endpoint's id, from `tidings webhooks list`.")]

app = typer.Typer(help="Webhook endpoints: URLs with a secret of their own.", no_args_is_help=True)


@app.command()
def add(
    target: Annotated[str, typer.Argument(metavar="URL", help="The URL, as notifications name it.")],
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Give a URL a secret, or show the one it has."""
    _print(call_api(lambda client: client.webhook_endpoints.add(target), url, api_key).to_json(), as_json)


@app.command("list")
def list_(url: Url = None, api_key: Key = None, as_json: AsJson = False) -> None:
    """List endpoints, without their secrets."""
    endpoints = call_api(lambda client: client.webhook_endpoints.list(), url, api_key)
    found = {"data": [endpoint.to_json() for endpoint in endpoints]}
    if as_json:
        screen.print_json(found)
        return
    table = Table(box=None, pad_edge=False)
    for column in ("id", "url", "version", "key", "rotated", "previous signs until"):
        table.add_column(column, no_wrap=column != "url", overflow="fold")
    for endpoint in found["data"]:
        table.add_row(
            *(endpoint["id"], Text(endpoint["url"]), str(endpoint["version"]), endpoint["key_id"]),
            *(screen.short_time(endpoint["rotated_at"]), screen.short_time(endpoint["previous_until"])),
        )
    screen.wide_console().print(
        table if found["data"] else "No webhook endpoints. `tidings webhooks add` makes one."
    )


@app.command()
def show(id: Id, url: Url = None, api_key: Key = None, as_json: AsJson = False) -> None:
    """Show an endpoint with its secret."""
    _print(call_api(lambda client: client.webhook_endpoints.get(id), url, api_key).to_json(), as_json)


@app.command()
def rotate(
    id: Id,
    overlap: Annotated[
        int, typer.Option(min=0, help="Seconds for which the secret before signs as well.")
    ] = 86_400,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Make a new secret."""
    rotated = call_api(
        lambda client: client.webhook_endpoints.rotate(id, overlap_seconds=overlap), url, api_key
    )
    _print(rotated.to_json(), as_json)


@app.command()
def remove(id: Id, url: Url = None, api_key: Key = None, as_json: AsJson = False) -> None:
    """Forget an endpoint and its secret for good."""
    call_api(lambda client: client.webhook_endpoints.remove(id), url, api_key)
    if as_json:
        screen.print_json({"id": id, "removed": True})
    else:
        typer.echo(f"{id}  removed")


def _print(endpoint: dict[str, Any], as_json: bool) -> None:
    if as_json:
        screen.print_json(endpoint)
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for name, value in (
        ("id", endpoint["id"]),
        ("url", endpoint["url"]),
        ("secret", endpoint["secret"]),
        ("version", str(endpoint["version"])),
        ("rotated", endpoint["rotated_at"]),
        ("previous signs until", endpoint["previous_until"]),
    ):
        if value:
            grid.add_row(name, Text(value))
    screen.wide_console().print(grid)
