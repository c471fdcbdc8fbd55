"""`tidings schedules`: recurring notifications, over HTTP."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidings.cli import completion, schedule_screen, screen
from tidings.cli.delivery import AsJson, Key, Url, call_api, json_object, text_of
from tidings.cli.message_options import (
    CollapseKey,
    Data,
    Guarantee,
    Html,
    Metadata,
    Pin,
    Priority,
    Subject,
    Tags,
)

if TYPE_CHECKING:
    from tidings.client import ScheduleFields, TemplateFields

app = typer.Typer(help="Recurring notifications.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The schedule's id.")]


@app.command()
def create(
    channel: Annotated[
        str, typer.Option(help="email, sms, push, webhook or chat.", autocompletion=completion.channels)
    ],
    to: Annotated[str, typer.Option(help="E-mail address, E.164 number, device token or URL.")],
    body: Annotated[str, typer.Option(help="The text; - reads it from standard input.")],
    cron: Annotated[str | None, typer.Option(help='Five fields, such as "0 9 * * 1-5".')] = None,
    every: Annotated[int | None, typer.Option(help="Seconds, instead of --cron.")] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="IANA name, such as Europe/Berlin, for --cron; else UTC.")
    ] = None,
    starts_at: Annotated[str | None, typer.Option(help="RFC 3339; no firing before it.")] = None,
    ends_at: Annotated[str | None, typer.Option(help="RFC 3339; no firing after it.")] = None,
    expires_after: Annotated[
        int | None, typer.Option(help="Seconds after its firing a notification expires.")
    ] = None,
    catch_up_window: Annotated[
        int | None, typer.Option(help="Seconds: how old a missed firing may be to be made up.")
    ] = None,
    paused: Annotated[bool, typer.Option("--paused", help="Create it without letting it fire yet.")] = False,
    subject: Subject = None,
    html: Html = None,
    metadata: Metadata = None,
    data: Data = None,
    collapse_key: CollapseKey = None,
    tag: Tags = None,
    priority: Priority = None,
    guarantee: Guarantee = None,
    provider: Pin = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Create a schedule: a notification of its own at each firing."""
    notification: TemplateFields = {
        "channel": channel,
        "recipient": to,
        "body": sys.stdin.read() if body == "-" else body,
        "subject": subject,
        "html": text_of(html),
        "metadata": json_object(metadata),
        "data": json_object(data, "--data"),
        "collapse_key": collapse_key,
        "tags": tag,
        "priority": priority,
        "guarantee": guarantee,
        "provider": provider,
    }
    schedule: ScheduleFields = {
        "notification": notification,
        "cron": cron,
        "every": every,
        "time_zone": time_zone,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "expires_after": expires_after,
        "catch_up_window": catch_up_window,
        "paused": paused,
    }
    made = call_api(lambda client: client.schedules.create(**schedule), url, api_key)
    _print(made.to_json(), as_json)


@app.command("list")
def list_(
    per_page: Annotated[int, typer.Option(min=1, max=100)] = 20,
    cursor: Annotated[str | None, typer.Option(help="The next_cursor of the list before.")] = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List schedules; one just created appears after a moment."""
    found = call_api(
        lambda client: client.schedules.page(per_page=per_page, cursor=cursor), url, api_key
    ).to_json()
    screen.print_json(found) if as_json else schedule_screen.print_schedules(found)


@app.command()
def show(id: Id, url: Url = None, api_key: Key = None, as_json: AsJson = False) -> None:
    """Show a schedule, its next times and its latest firings."""
    _print(call_api(lambda client: client.schedules.get(id), url, api_key).to_json(), as_json)


@app.command()
def pause(id: Id, url: Url = None, api_key: Key = None, as_json: AsJson = False) -> None:
    """Let a schedule fire no more until `resume`."""
    _print(call_api(lambda client: client.schedules.pause(id), url, api_key).to_json(), as_json)


@app.command(short_help="Let a paused schedule fire again.")
def resume(id: Id, url: Url = None, api_key: Key = None, as_json: AsJson = False) -> None:
    """Let a paused schedule fire again; what fell into the pause is not made up."""
    _print(call_api(lambda client: client.schedules.resume(id), url, api_key).to_json(), as_json)


@app.command()
def delete(id: Id, url: Url = None, api_key: Key = None, as_json: AsJson = False) -> None:
    """Delete a schedule; what it has fired goes on."""
    call_api(lambda client: client.schedules.delete(id), url, api_key)
    if as_json:
        screen.print_json({"id": id, "deleted": True})
    else:
        typer.echo(f"{id}  deleted")


def _print(schedule: dict[str, Any], as_json: bool) -> None:
    if as_json:
        screen.print_json(schedule)
    else:
        schedule_screen.print_schedule(schedule)
