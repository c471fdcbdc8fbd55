"""A watch as lines, one for each change: for pipes and files."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import typer

from tidings.cli.screen import printable, short_time


class Lines:
    """Remembers what was seen, and writes what is new or has changed, oldest first."""

    def __init__(self, url: str, line: Callable[[dict[str, Any]], str]) -> None:
        """`line`: what is written of an item."""
        self._url = url
        self._line = line
        self._seen: dict[str, dict[str, Any]] = {}
        self._is_away = False

    def show(self, items: Sequence[dict[str, Any]]) -> None:
        """Write a line for each that is new or has changed."""
        if self._is_away:
            self._is_away = False
            typer.echo(f"tidings: The API at {self._url} serves again.", err=True)
        for item in reversed(items):
            if item != self._seen.get(item["id"]):
                typer.echo(self._line(item))
        # What is no longer listed is not remembered: a watch may go on for weeks.
        self._seen = {item["id"]: item for item in items}

    def away(self, reason: str, wait: float) -> None:
        """Say so once, on standard error."""
        if not self._is_away:
            self._is_away = True
            typer.echo(
                f"tidings: The API at {self._url} does not serve now ({reason}): trying again until Ctrl-C.",
                err=True,
            )

    def close(self) -> None:
        """Nothing is held."""


def for_people(item: dict[str, Any]) -> str:
    """When it changed, what it is, and what the latest attempt came to."""
    parts = [f"{datetime.now(UTC):%H:%M:%S}", item["id"], f"{item['status']:9}", item["channel"]]
    return "  ".join([*parts, said_of(item)]).rstrip()


def said_of(item: dict[str, Any]) -> str:
    """How far it is, in a few words: the attempts, what went wrong, when it goes on."""
    count, error = item.get("attempt_count"), item.get("error")
    words = [f"attempt {count}"] if count else []
    if error:
        words.append(f"{error['code']}: {error['message']}")
    if item.get("next_attempt_at"):
        words.append(f"next at {short_time(item['next_attempt_at'])[11:]} UTC")
    elif item["status"] == "scheduled" and item.get("send_at"):
        words.append(f"for {short_time(item['send_at'])} UTC")
    return " ".join(printable(", ".join(words)).split())
