"""`watch`: what happens to notifications, as it happens, over HTTP. One request a look, and no counting."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from tidings.cli import completion
from tidings.cli.context import api_access
from tidings.cli.delivery import AsJson, Key, Url
from tidings.domain.vocabulary import FINAL, Channel, Status

if TYPE_CHECKING:
    from tidings.client import ListFilters, Tidings

_ROWS = 100
_LIMIT = 10.0
"""Seconds that one look may take."""
_SHARE = 10
"""A look that takes long is followed by so many times its length of rest: a busy API is left in peace."""
_WELL = frozenset({Status.SENT, Status.DELIVERED})

Items = Sequence[dict[str, Any]]
Look = Callable[["Tidings"], Awaitable[Items]]


class Display(Protocol):
    """Where a watch is shown."""

    def show(self, items: Items) -> None:
        """What was seen, newest first."""

    def away(self, reason: str, wait: float) -> None:
        """The API does not serve; the next look comes after `wait` seconds."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def watch(
    id: Annotated[
        str | None,
        typer.Argument(
            help="Follow this one until its status is final.", autocompletion=completion.recent_ids
        ),
    ] = None,
    status: Annotated[Status | None, typer.Option(help="Only those of this status.")] = None,
    channel: Annotated[Channel | None, typer.Option(help="Only those of this channel.")] = None,
    recipient: Annotated[str | None, typer.Option(help="Only those to this recipient.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    every: Annotated[float, typer.Option(min=0.2, max=3_600, help="Seconds between two looks.")] = 1.0,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Watch the newest notifications until Ctrl-C; or one, until it is sent (0) or ended otherwise (1).

    Where standard output is no terminal, a line for each change; with --json, each line is the notification.
    """
    filters: ListFilters = {"status": status, "channel": channel, "recipient": recipient, "tag": tag}
    given = [name for name, value in filters.items() if value is not None]
    if id is not None and given:
        raise typer.BadParameter("cannot be given with an id", param_hint=f"--{given[0]}")
    access = api_access(url, api_key)
    display = _display(id is not None, as_json, access[0], every)
    try:
        last = asyncio.run(_follow(access, _one(id) if id else _Newest(filters), display, every, bool(id)))
    finally:
        display.close()
    if last["status"] not in _WELL:
        raise typer.Exit(1)


def _display(one: bool, as_json: bool, url: str, every: float) -> Display:
    from tidings.cli import watch_lines, watch_screen
    from tidings.cli.screen import json_text

    if as_json:
        return watch_lines.Lines(url, json_text)
    if not sys.stdout.isatty():
        return watch_lines.Lines(url, watch_lines.for_people)
    return watch_screen.OneScreen(url, every) if one else watch_screen.NewestScreen(url, every)


async def _follow(
    access: tuple[str, str], look: Look, display: Display, every: float, ends: bool
) -> dict[str, Any]:
    """Look and show until Ctrl-C, or, if it `ends`, until the one looked at has ended; that one.

    Goes on while the API is away. Raises TidingsClientError for what waiting does not better.
    """
    from tidings.client import NotReachable, RateLimitedProblem, Retrying, Tidings, UnavailableProblem
    from tidings.client.retrying import jitter

    backoff, failures = Retrying(first=max(1.0, every), cap=max(30.0, every)), 0
    async with Tidings(*access, timeout=_LIMIT, retrying=Retrying(total=0)) as client:
        while True:
            began = time.monotonic()
            try:
                items = await look(client)
            except NotReachable as error:
                failures += 1
                wait = backoff.wait(failures, None, jitter)
                display.away(error.reason, wait)
            except (UnavailableProblem, RateLimitedProblem) as problem:
                failures += 1
                wait = backoff.wait(failures, problem.retry_after, jitter)
                display.away(f"HTTP {problem.status}: {problem.title}", wait)
            else:
                failures = 0
                display.show(items)
                if ends and items[0]["status"] in FINAL:
                    return items[0]
                wait = max(every, _SHARE * (time.monotonic() - began))
            await asyncio.sleep(wait)


def _one(id: str) -> Look:
    async def look(client: "Tidings") -> Items:
        return [(await client.get(id)).to_json()]

    return look


class _Newest:
    """The newest ones of a filter. A list counts what it could go on with, so from the second look on it is
    asked for no more than what is seen already, and what is newer.
    """

    def __init__(self, filters: "ListFilters") -> None:
        self._filters = filters
        self._oldest: str | None = None

    async def __call__(self, client: "Tidings") -> Items:
        found = await self._page(client)
        if len(found) < _ROWS and self._oldest is not None:
            # Some have left the filter: older ones take their place.
            self._oldest = None
            found = await self._page(client)
        self._oldest = found[-1]["created_at"] if len(found) == _ROWS else None
        return found

    async def _page(self, client: "Tidings") -> list[dict[str, Any]]:
        filters: ListFilters = {**self._filters, "created_after": self._oldest}
        return [item.to_json() for item in (await client.page(per_page=_ROWS, **filters)).data]
