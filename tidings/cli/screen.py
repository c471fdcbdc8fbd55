"""What commands print: tables for people, JSON for programs."""

import json
import sys
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

_LEAST_WIDTH = 130
_KEYS_WIDTH = 190
_REASONS_WIDTH = 150

_COLOURS = {
    "sent": "green",
    "delivered": "green",
    "failed": "red",
    "unknown": "red",
    "expired": "yellow",
    "retrying": "yellow",
    "cancelled": "dim",
}


def print_json(data: Any) -> None:
    """Data for programs."""
    typer.echo(json_text(data, indent=2))


def json_text(data: Any, indent: int | None = None) -> str:
    """JSON with its letters as they are, or escaped where standard output does not take all of them."""
    takes_all = sys.stdout.encoding.lower() in ("utf-8", "utf8")
    return json.dumps(data, indent=indent, ensure_ascii=not takes_all)


def coloured(status: str) -> Text:
    """A status in its colour."""
    return Text(status, style=_COLOURS.get(status, ""))


def print_notification(notification: dict[str, Any]) -> None:
    """One notification with its attempts."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    grid.add_row("id", notification["id"])
    grid.add_row("status", coloured(notification["status"]))
    rows = {
        "to": f"{notification['recipient']} by {notification['channel']}",
        "mode": "test: it goes to the sandbox" if notification["mode"] == "test" else None,
        "subject": notification["subject"],
        "segments": _segments(notification.get("segments")),
        "attachments": _attachments(notification.get("attachments") or []),
        "collapse key": notification.get("collapse_key"),
        "error": _error(notification["error"]),
        "next attempt": notification["next_attempt_at"],
        "schedule": notification["schedule_id"],
        "created": notification["created_at"],
        "sent": notification["sent_at"],
        "delivered": notification["delivered_at"],
        "reference": notification["provider_reference"],
        "workflow": notification["workflow"]["url"],
    }
    for name, value in rows.items():
        if value:
            grid.add_row(name, Text(str(value)))
    console = wide_console()
    console.print(grid)
    if notification.get("attempts"):
        console.print()
        console.print(attempts_table(notification["attempts"]))
    if notification.get("receipts"):
        console.print()
        console.print(_receipts(notification["receipts"]))


def print_list(page: dict[str, Any]) -> None:
    """A page of notifications."""
    table = Table(box=None, pad_edge=False)
    reasons = any(item["error"] for item in page["data"])
    columns = (
        "id",
        "status",
        "channel",
        "recipient",
        "attempts",
        "created",
        *(["reason"] if reasons else []),
    )
    for column in columns:
        table.add_column(column, no_wrap=column not in ("recipient", "reason"), overflow="fold")
    for item in page["data"]:
        table.add_row(
            item["id"],
            coloured(item["status"]),
            item["channel"],
            Text(item["recipient"]),
            str(item["attempt_count"]),
            short_time(item["created_at"]),
            *([Text(printable((item["error"] or {}).get("code", "")))] if reasons else []),
        )
    console = wide_console(_REASONS_WIDTH if reasons else _LEAST_WIDTH)
    if not page["data"]:
        console.print("No notifications.")
        return
    console.print(table)
    if page["total"] is not None and page["total"] > len(page["data"]):
        console.print(f"\n{len(page['data'])} of {page['total']}; --page {page['page'] + 1} shows more.")


def print_keys(keys: list[dict[str, Any]]) -> None:
    """API keys, their secrets not among them."""
    table = Table(box=None, pad_edge=False)
    for column in ("id", "key", "tenant", "name", "scopes", "created", "last used", "expires", "revoked"):
        table.add_column(column, no_wrap=column != "name", overflow="fold")
    for key in keys:
        table.add_row(
            *(key["id"], f"{key['shown']}…", Text(key["tenant"]), Text(key["name"])),
            " ".join(key["scopes"]),
            *(short_time(key[time]) for time in ("created_at", "last_used_at", "expires_at", "revoked_at")),
        )
    wide_console(_KEYS_WIDTH).print(table if keys else "No API keys. `tidings keys create` makes one.")


def print_tenants(tenants: list[dict[str, Any]]) -> None:
    """Tenants; `-` is the installation's default."""
    table = Table(box=None, pad_edge=False)
    for column in ("tenant", "all keys", "each key", "priority", "guarantee", "created", "disabled"):
        table.add_column(column, no_wrap=True)
    for tenant in tenants:
        settings = ("rate_limit", "key_rate_limit", "default_priority", "default_guarantee")
        table.add_row(
            *(tenant["name"], *(tenant[name] or "-" for name in settings)),
            *(short_time(tenant["created_at"]), short_time(tenant["disabled_at"])),
        )
    wide_console().print(table if tenants else "No tenants are set up: all have the installation's defaults.")


def attempts_table(attempts: list[dict[str, Any]]) -> Table:
    """Attempts with what came of them."""
    table = Table(box=None, pad_edge=False)
    answered = any(attempt["response"] for attempt in attempts)
    for column in (
        "attempt",
        "provider",
        "outcome",
        "started",
        "reason",
        *(["response"] if answered else []),
    ):
        table.add_column(column, no_wrap=column not in ("reason", "response"), overflow="fold")
    for attempt in attempts:
        table.add_row(
            *(str(attempt["number"]), attempt["provider"], attempt["outcome"] or "under way"),
            *(short_time(attempt["started_at"]), Text(_error(attempt["error"]) or "")),
            *([Text(printable(attempt["response"] or ""))] if answered else []),
        )
    return table


def _receipts(receipts: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("receipt", "provider", "occurred", "reason"):
        table.add_column(column, no_wrap=column != "reason", overflow="fold")
    for receipt in receipts:
        table.add_row(
            *(receipt["kind"], receipt["provider"], short_time(receipt["occurred_at"])),
            Text(_error(receipt["error"]) or ""),
        )
    return table


def _segments(segments: dict[str, Any] | None) -> str | None:
    if segments is None:
        return None
    return f"{segments['count']} of {segments['encoding'].upper()}, {segments['characters']} characters"


def _attachments(attachments: list[dict[str, Any]]) -> str:
    return ", ".join(f"{each['filename']} ({each['size']:,} bytes)" for each in attachments)


def printable(text: str) -> str:
    """A stranger's text without what could steer the terminal; line breaks stay."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def _error(error: dict[str, Any] | None) -> str | None:
    return printable(f"{error['code']}: {error['message']}") if error else None


def short_time(time: str | None) -> str:
    """A time of the API to the second, for tables: it is UTC."""
    return time[:19].replace("T", " ") if time else ""


def wide_console(least: int = _LEAST_WIDTH) -> Console:
    """Wide enough for an id and a link on one line each: a narrow terminal wraps lines, we break no words."""
    console = Console(highlight=False)
    console.width = max(console.width, least)
    return console
