"""Many notifications, found by a selection: counted, asked about, signalled at a bounded pace, summed up."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from tidings.cli import screen
from tidings.cli.pace import Paced
from tidings.cli.selection import LIMIT, RATE, Mass
from tidings.cli.signals import Answer, connected
from tidings.domain.vocabulary import Status
from tidings.messages.delivery import SignalNote

if TYPE_CHECKING:
    from tidings.temporal.notifications import NotificationWorkflows
    from tidings.temporal.selecting import NotificationIndex, Selected, Selection

Signal = Callable[["NotificationWorkflows", UUID, SignalNote], Awaitable[Answer]]

_SETTLE_SECONDS = 5.0
"""How long is waited, at the end, for the index to show what became of them."""
_LOOK_SECONDS = 0.5
_SHOWN = 10


def steer_selection(mass: Mass, selection: "Selection", note: SignalNote, signal: Signal) -> None:
    """Signal what is selected. Ends the command with 1 if one was refused, with 130 if Ctrl-C stopped it."""
    found, more = asyncio.run(_select(selection, mass.limit or LIMIT))
    if mass.dry_run:
        return _show_selected(mass, selection, found, more)
    if not found:
        return _print_nothing(mass)
    if not mass.yes and not _confirmed(mass, found, more):
        typer.echo("Nothing was signalled.", err=True)
        raise typer.Exit(1)
    if mass.yes and not mass.as_json:
        _print_counts(found, more, Console(highlight=False))
    paced, now = asyncio.run(_signal(mass, selection, [each.id for each in found], note, signal))
    _print_summary(mass, paced, now)
    if paced.error is not None:
        raise paced.error
    if paced.left:
        raise typer.Exit(130)
    if not all(answer.done for answer in paced.answers):
        raise typer.Exit(1)
    return None


async def _select(selection: "Selection", limit: int) -> "tuple[list[Selected], bool]":
    from tidings.temporal.selecting import NotificationIndex

    return await NotificationIndex(await connected()).select(selection, limit)


async def _signal(
    mass: Mass, selection: "Selection", ids: Sequence[UUID], note: SignalNote, signal: Signal
) -> tuple[Paced, "Counter[str] | None"]:
    """What became of each signal, and where those who took one stand now."""
    from tidings.temporal.notifications import NotificationWorkflows
    from tidings.temporal.selecting import NotificationIndex

    client = await connected()
    workflows = NotificationWorkflows(client, "")
    paced = Paced(ids, lambda id: signal(workflows, id, note), rate=mass.rate or RATE)
    await paced.run(f"{mass.action} {len(ids)}")
    taken = [UUID(answer.id) for answer in paced.answers if answer.done]
    if paced.left or paced.error is not None or not taken:
        return paced, None
    return paced, await _settled(NotificationIndex(client), taken, selection.statuses)


async def _settled(
    index: "NotificationIndex", ids: Sequence[UUID], before: Collection[Status]
) -> "Counter[str]":
    """Where they stand: once none of them has a status from before, or after a while."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        now: Counter[str] = await index.statuses(ids)
        waiting = sum(now[status] for status in before) or now.total() < len(ids)
        if not waiting or time.monotonic() >= deadline:
            return now
        await asyncio.sleep(_LOOK_SECONDS)


def _confirmed(mass: Mass, found: "Sequence[Selected]", more: bool) -> bool:
    # With --json, standard output is for the answers.
    _print_counts(found, more, Console(highlight=False, stderr=mass.as_json))
    if mass.action == "retry" and any(each.status == Status.UNKNOWN for each in found):
        typer.echo("Those that are unknown may have gone out already: they may be sent twice.", err=True)
    return typer.confirm(f"{mass.action.capitalize()} {_many(len(found))}?", err=mass.as_json)


def _show_selected(mass: Mass, selection: "Selection", found: "Sequence[Selected]", more: bool) -> None:
    if mass.as_json:
        screen.print_json(
            {
                "selected": len(found),
                "more": more,
                "counts": _counts(found),
                "query": selection.query,
                "ids": [str(each.id) for each in found],
            }
        )
        return None
    if not found:
        return _print_nothing(mass)
    console = screen.wide_console()
    _print_counts(found, more, console)
    for each in found[:_SHOWN]:
        console.print(str(each.id))
    if len(found) > _SHOWN:
        console.print(f"… and {len(found) - _SHOWN:,} more; --json names them all.")
    console.print(f"\nIn the Web UI: {selection.query}", soft_wrap=True, markup=False)
    return None


def _print_nothing(mass: Mass) -> None:
    if mass.as_json:
        _print_summary(mass, Paced([], _never, rate=RATE), None)
    else:
        typer.echo(
            "No notification is selected; what changed a moment ago may not be in Temporal's index yet."
        )


async def _never(id: UUID) -> Answer:
    raise AssertionError(id)


def _counts(found: "Sequence[Selected]") -> list[dict[str, Any]]:
    counted = Counter((each.status, each.channel) for each in found)
    return [
        {"status": status, "channel": channel, "count": count}
        for (status, channel), count in sorted(counted.items())
    ]


def _print_counts(found: "Sequence[Selected]", more: bool, console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("status")
    table.add_column("channel")
    table.add_column("notifications", justify="right")
    for row in _counts(found):
        table.add_row(screen.coloured(row["status"]), row["channel"], f"{row['count']:,}")
    console.print(table)
    if more:
        console.print(f"There are more: only these {len(found):,} are taken (--limit).")
    console.print()


def _print_summary(mass: Mass, paced: Paced, now: "Counter[str] | None") -> None:
    answers = paced.answers
    accepted = sum(answer.done for answer in answers)
    missing = sum(answer.is_missing for answer in answers)
    refused = len(answers) - accepted - missing
    if mass.as_json:
        screen.print_json(
            {
                "selected": paced.total,
                "accepted": accepted,
                "refused": refused,
                "not_found": missing,
                "left": len(paced.left),
                "doubtful": [str(id) for id in paced.doubtful],
                "now": None if now is None else dict(now),
                "answers": [asdict(answer) for answer in answers],
            }
        )
    else:
        others = [answer for answer in answers if not answer.done]
        for answer in others[:_SHOWN]:
            typer.echo(f"{answer.id}  {answer.detail}")
        if len(others) > _SHOWN:
            typer.echo(f"… and {len(others) - _SHOWN:,} more like these; --json names them all.")
        typer.echo(f"{accepted:,} of {paced.total:,} signalled, {refused:,} refused, {missing:,} not found.")
        if now is not None:
            # To whoever waits for a provider to be back, "failed" alone would say that it is not.
            shown = ", ".join(
                f"{count:,} {status}{' (again, or not tried yet)' if status in (mass.statuses or ()) else ''}"
                for status, count in now.most_common()
            )
            typer.echo(f"Now they are: {shown}.")
    for id in paced.doubtful:
        typer.echo(f"tidings: {id} may have been signalled or not: `tidings show {id}`.", err=True)
    if paced.left:
        typer.echo(
            f"tidings: Stopped with {len(paced.left):,} left. The same command goes on with those that are"
            " still selected.",
            err=True,
        )


def _many(count: int) -> str:
    return f"{count:,} notification{'' if count == 1 else 's'}"
