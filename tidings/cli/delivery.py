"""`send`, `show`, `list`: submit notifications and look at them, over HTTP."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from tidings.cli import completion, screen
from tidings.cli.bulk import send_file
from tidings.cli.context import api_access
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
from tidings.domain.idempotency import checked_key

if TYPE_CHECKING:
    from tidings.client import Attachment, MessageFields, Tidings

Answer = TypeVar("Answer")

RETRY_FOR = 30.0
"""Seconds for which a submission is tried again by default: a restart of the API is over by then."""

_BRIEFLY = 2.0
"""Seconds for all other calls: whoever asks sees the error, and can ask again."""

Url = Annotated[str | None, typer.Option("--url", help="The API's address; else TIDINGS_URL.")]
Key = Annotated[str | None, typer.Option("--api-key", help="The API key; else TIDINGS_API_KEY.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def send(
    context: typer.Context,
    channel: Annotated[
        str | None,
        typer.Option(help="email, sms, push, webhook or chat.", autocompletion=completion.channels),
    ] = None,
    to: Annotated[str | None, typer.Option(help="E-mail address, E.164 number, device token or URL.")] = None,
    body: Annotated[str | None, typer.Option(help="The text; - reads it from standard input.")] = None,
    subject: Subject = None,
    html: Html = None,
    metadata: Metadata = None,
    attach: Annotated[
        list[Path] | None, typer.Option(help="A file to go with an email; up to 20 times, 10 MB in all.")
    ] = None,
    data: Data = None,
    collapse_key: CollapseKey = None,
    tag: Tags = None,
    send_at: Annotated[str | None, typer.Option(help="RFC 3339, such as 2026-03-01T09:00:00Z.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="RFC 3339; nothing is sent after it.")] = None,
    priority: Priority = None,
    guarantee: Guarantee = None,
    provider: Pin = None,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Submit once, however often this command is repeated.")
    ] = None,
    retry_for: Annotated[
        float, typer.Option(min=0, max=86_400, help="Seconds to try again while the API does not serve.")
    ] = RETRY_FOR,
    bulk: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Submit a file: JSON, a notification a line; - for standard input."
        ),
    ] = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Submit a notification, or a file of them."""
    if bulk is not None:
        _refuse_beside_bulk(context)
        send_file(bulk, url, api_key, retry_for=retry_for, as_json=as_json)
        return
    channel = _required(channel, "--channel")
    to, body = _required(to, "--to"), _required(body, "--body")
    fields: MessageFields = {
        "channel": channel,
        "recipient": to,
        "body": sys.stdin.read() if body == "-" else body,
        "subject": subject,
        "html": text_of(html),
        "metadata": json_object(metadata),
        "attachments": [attachment(file) for file in attach] if attach else None,
        "data": json_object(data, "--data"),
        "collapse_key": collapse_key,
        "tags": tag,
        "send_at": send_at,
        "expires_at": expires_at,
        "priority": priority,
        "guarantee": guarantee,
        "provider": provider,
        "idempotency_key": None if idempotency_key is None else _key(idempotency_key),
    }
    sent = call_api(lambda client: client.send(**fields), url, api_key, retry_for=retry_for)
    _print(sent.to_json(), as_json)


def _refuse_beside_bulk(context: typer.Context) -> None:
    """What a line of the file says is all that there is to its notification."""
    allowed = ("bulk", "retry_for", "url", "api_key", "as_json")
    for name, value in context.params.items():
        if name not in allowed and value not in (None, [], ()):
            raise typer.BadParameter("cannot be given with --bulk", param_hint=f"--{name.replace('_', '-')}")


def show(
    id: Annotated[str, typer.Argument(help="The notification's id.", autocompletion=completion.recent_ids)],
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show a notification and its attempts."""
    _print(call_api(lambda client: client.get(id), url, api_key).to_json(), as_json)


def list_(
    status: Annotated[
        str | None, typer.Option(help="Only those of this status.", autocompletion=completion.statuses)
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="Only those of this channel.", autocompletion=completion.channels)
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(help="Only those of live keys, or of test keys.", autocompletion=completion.modes),
    ] = None,
    recipient: Annotated[str | None, typer.Option(help="Only those to this recipient.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    schedule: Annotated[str | None, typer.Option(help="Only those this schedule fired.")] = None,
    page: Annotated[int, typer.Option(min=1)] = 1,
    per_page: Annotated[int, typer.Option(min=1, max=100)] = 20,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List notifications, newest first."""
    found = call_api(
        lambda client: client.page(
            page=page,
            per_page=per_page,
            status=status,
            channel=channel,
            mode=mode,
            recipient=recipient,
            tag=tag,
            schedule=schedule,
        ),
        url,
        api_key,
    ).to_json()
    screen.print_json(found) if as_json else screen.print_list(found)


def _required(value: str | None, option: str) -> str:
    if value is None:
        raise typer.BadParameter("is required without --bulk", param_hint=option)
    return value


def call_api(
    call: "Callable[[Tidings], Awaitable[Answer]]",
    url: str | None,
    api_key: str | None,
    *,
    retry_for: float = _BRIEFLY,
) -> Answer:
    """One call of the API to talk to. Raises CallFailed, SetupError, TidingsClientError."""
    from tidings.cli.http import ask

    return asyncio.run(ask(*api_access(url, api_key), call, retry_for=retry_for))


def _print(notification: dict[str, Any], as_json: bool) -> None:
    if as_json:
        screen.print_json(notification)
    else:
        screen.print_notification(notification)


def _key(text: str) -> str:
    try:
        return checked_key(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--idempotency-key") from None


def text_of(file: Path | None) -> str | None:
    """The text of the file given as --html."""
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read as text: {error}", param_hint="--html") from None


def attachment(file: Path) -> "Attachment":
    """A file given as --attach, its type by its name."""
    from tidings.client import Attachment

    try:
        return Attachment.from_file(file)
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}", param_hint="--attach") from None


def json_object(text: str | None, option: str = "--metadata") -> Any:
    """What was given as that option."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"is not JSON: {error}", param_hint=option) from None
