"""A watch as a screen that is drawn anew at each look."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tidings.cli.screen import attempts_table, coloured, printable, short_time
from tidings.cli.watch_lines import said_of

_AROUND = 4
"""Lines of the screen that are no rows: counts, heading, an empty one, the last."""
_CHANGED = "bold reverse"
_SHOWN_ATTEMPTS = 10

# What there is room for, from so many columns of the terminal on.
_WIDE, _MIDDLING = 120, 74


class _Screen:
    """What was seen last, when, and what keeps it from being newer."""

    full = False
    """Whether it takes the whole terminal, which it gives back at its end."""

    def __init__(self, url: str, every: float, console: Console | None = None) -> None:
        self._url = url
        self._every = every
        self._console = console or Console(highlight=False)
        self._live = Live(
            console=self._console, auto_refresh=False, screen=self.full, vertical_overflow="crop"
        )
        self._items: Sequence[dict[str, Any]] = []
        self._changed: set[str] = set()
        self._looked: datetime | None = None
        self._trouble: str | None = None
        self._live.start()

    def show(self, items: Sequence[dict[str, Any]]) -> None:
        """Draw what was seen; what is new or has changed since the look before stands out."""
        before = {item["id"]: item for item in self._items}
        first = self._looked is None
        self._changed = set() if first else {item["id"] for item in items if before.get(item["id"]) != item}
        self._items, self._looked, self._trouble = items, datetime.now(UTC), None
        self._draw()

    def away(self, reason: str, wait: float) -> None:
        """Draw what was seen last, and say below that it is old."""
        self._trouble = f"The API at {self._url} does not serve ({reason}); again in {wait:.0f} s."
        self._draw()

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._live.stop()

    def body(self) -> RenderableType:
        """All but the last line."""
        raise NotImplementedError

    def _draw(self) -> None:
        self._live.update(Group(self.body(), self._last_line()), refresh=True)

    def _last_line(self) -> Text:
        at = f"{self._looked:%H:%M:%S} UTC" if self._looked else "never"
        if self._trouble:
            return Text(
                f"{printable(self._trouble)} Seen at {at}. Ctrl-C ends.", style="red", overflow="fold"
            )
        return Text(f"{at}, every {self._every:g} s. Ctrl-C ends.", style="dim", no_wrap=True)


class NewestScreen(_Screen):
    """The newest notifications, and how many of those looked at stand where."""

    full = True

    def body(self) -> RenderableType:
        """Counts, and as many rows as there is room for."""
        room = max(1, self._console.height - _AROUND)
        counts = Counter(item["status"] for item in self._items)
        line = Text(f"{len(self._items)} newest: " if self._items else "No notifications.", no_wrap=True)
        for number, (status, count) in enumerate(counts.most_common()):
            line.append(", " if number else "").append(f"{count} ").append_text(coloured(status))
        return Group(line, self._rows(room), Text(""))

    def _rows(self, room: int) -> Table:
        width = self._console.width
        table = Table(box=None, pad_edge=False, expand=False)
        table.add_column("id", no_wrap=True, overflow="ellipsis")
        table.add_column("status", no_wrap=True, min_width=9)
        for name, least in (("channel", _MIDDLING), ("created (UTC)", _MIDDLING), ("recipient", _WIDE)):
            if width >= least:
                table.add_column(name, no_wrap=True, overflow="ellipsis")
        if width >= _WIDE:
            table.add_column("", no_wrap=True, overflow="ellipsis")
        for item in self._items[:room]:
            created = short_time(item["created_at"])[11:]
            middling = [item["channel"], created] if width >= _MIDDLING else []
            wide = [Text(printable(item["recipient"])), Text(said_of(item))] if width >= _WIDE else []
            style = _CHANGED if item["id"] in self._changed else None
            table.add_row(item["id"], coloured(item["status"]), *middling, *wide, style=style)
        return table


class OneScreen(_Screen):
    """One notification and its attempts; it stays when the watch has ended."""

    def body(self) -> RenderableType:
        """Where it stands, and its latest attempts."""
        if not self._items:
            return Text("")
        (item,) = self._items
        line = Text.assemble(item["id"], "  ", coloured(item["status"]), "  ", said_of(item), overflow="fold")
        if item["id"] in self._changed:
            line.stylize("bold")
        attempts = item.get("attempts") or []
        if not attempts:
            return line
        return Group(line, Text(""), attempts_table(attempts[-_SHOWN_ATTEMPTS:]), Text(""))
