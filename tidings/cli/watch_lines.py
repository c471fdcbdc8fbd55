"""A watch as lines, one for each change: for pipes and files."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import typer

from tidings.cli.screen import json_text, printable, short_time


class _ByLine:
    """Remembers what was seen, and writes what is new or has changed, oldest first."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._seen: dict[str, dict[str, Any]] = {}
        self._is_away = False

    def show(self, items: Sequence[dict[str, Any]]) -> None:
        """Write a line for each that is new or has changed."""
        if self._is_away:
            self._is_away = False
            typer.echo(f"tidings: The API at {self._url} serves again.", err=True)
        for item in reversed(items):
            before = self._seen.get(item["id"])
            if item != before:
                typer.echo(self.line(item, before))
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

    def line(self, item: dict[str, Any], before: dict[str, Any] | None) -> str:
        """What is written of an item."""
        raise NotImplementedError


class JsonLines(_ByLine):
    """The notification as the API gives it, on one line."""

    def line(self, item: dict[str, Any], before: dict[str, Any] | None) -> str:
        """The item."""
        return json_text(item)


class Lines(_ByLine):
    """For people: when it changed, what it is, and what the latest attempt came to."""

    def line(self, item: dict[str, Any], before: dict[str, Any] | None) -> str:
        """The item's status, and why."""
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
