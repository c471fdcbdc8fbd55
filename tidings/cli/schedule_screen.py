"""What `tidings schedules` prints for people."""

from typing import Any

from rich.table import Table
from rich.text import Text

from tidings.cli.screen import short_time, wide_console

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def print_schedule(schedule: dict[str, Any]) -> None:
    """One schedule with its next times and its latest firings."""
    notification = schedule["notification"]
    window = [f"from {schedule['starts_at']}"] if schedule["starts_at"] else []
    window += [f"until {schedule['ends_at']}"] if schedule["ends_at"] else []
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    rows = {
        "id": schedule["id"],
        "state": _state(schedule),
        "when": _when(schedule),
        "window": " ".join(window),
        "to": f"{notification['recipient']} by {notification['channel']}",
        "subject": notification.get("subject"),
        "expires": f"{schedule['expires_after']} s after its firing" if schedule["expires_after"] else None,
        "created": schedule["created_at"],
        "next, if resumed" if schedule["paused"] else "next": "\n".join(
            f"{short_time(time)} UTC" for time in schedule["next_times"]
        ),
        "page": schedule["url"],
    }
    for name, value in rows.items():
        if value:
            grid.add_row(name, value if isinstance(value, Text) else Text(value))
    console = wide_console()
    console.print(grid)
    if schedule["firings"]:
        console.print()
        console.print(_firings(schedule["firings"]))


def print_schedules(page: dict[str, Any]) -> None:
    """A page of schedules."""
    console = wide_console()
    if not page["data"]:
        console.print("No schedules.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("id", "state", "channel", "when", "next (UTC)"):
        table.add_column(column, no_wrap=column != "when", overflow="fold")
    for item in page["data"]:
        times = [] if item["paused"] else item["next_times"]
        table.add_row(
            *(item["id"], _state(item), item["channel"], Text(_when(item))),
            short_time(times[0]) if times else "",
        )
    console.print(table)
    if page["next_cursor"]:
        console.print(f"\nThere are more: --cursor {page['next_cursor']}", soft_wrap=True)


def _firings(firings: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("fired (UTC)", "notification"):
        table.add_column(column, no_wrap=True)
    for firing in firings:
        table.add_row(short_time(firing["fired_at"]), firing["notification_id"] or "not begun yet")
    return table


def _state(schedule: dict[str, Any]) -> Text:
    if schedule["paused"]:
        return Text("paused", style="yellow")
    over = schedule["ends_at"] is not None and not schedule["next_times"]
    return Text("over", style="dim") if over else Text("active", style="green")


def _when(schedule: dict[str, Any]) -> str:
    if schedule["cron"]:
        return f"{schedule['cron']}  {schedule['time_zone']}"
    return f"every {_duration(schedule['every'])}"


def _duration(seconds: int) -> str:
    parts = []
    for unit, length in _UNITS:
        count, seconds = divmod(seconds, length)
        parts += [f"{count} {unit}"] if count else []
    return " ".join(parts)
