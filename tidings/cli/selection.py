"""The options by which `cancel` and `retry` take many notifications, and what is wrong with them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from tidings.cli import times
from tidings.cli.tenant_name import tenant_name
from tidings.domain.vocabulary import Channel, Status

if TYPE_CHECKING:
    from tidings.temporal.selecting import Selection

LIMIT = 10_000
RATE = 20.0


def _tenant(name: str | None) -> str | None:
    return None if name is None else tenant_name(name)


ChannelOption = Annotated[Channel | None, typer.Option(help="Select only those of this channel.")]
TenantOption = Annotated[str | None, typer.Option(help="Select only those of this tenant.", callback=_tenant)]
Since = Annotated[
    datetime | None,
    typer.Option(
        help="Select only those whose workflow started at this time or later: RFC 3339, or 30m, 2h, 7d ago.",
        parser=times.past,
        metavar="TIME",
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        help="Select only those whose workflow started before this time.", parser=times.past, metavar="TIME"
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(help="Take at most so many of the selected.", min=1, max=100_000, show_default=str(LIMIT)),
]
Rate = Annotated[
    float | None,
    typer.Option(help="Signals per second to the selected.", min=0.1, max=1_000, show_default=f"{RATE:g}"),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Signal the selected without asking.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be selected, and do nothing.")]


@dataclass(frozen=True, slots=True)
class Mass:
    """What was said of many: which ones, and how they are to be signalled."""

    action: str
    statuses: Sequence[Status] | None
    channel: Channel | None
    tenant: str | None
    since: datetime | None
    until: datetime | None
    limit: int | None
    rate: float | None
    yes: bool
    dry_run: bool
    as_json: bool

    @property
    def given(self) -> list[str]:
        """The options by their names, but for --json, which has a meaning without a selection."""
        values = {
            "--status": self.statuses,
            "--channel": self.channel,
            "--tenant": self.tenant,
            "--since": self.since,
            "--until": self.until,
            "--limit": self.limit,
            "--rate": self.rate,
            "--yes": self.yes,
            "--dry-run": self.dry_run,
        }
        return [name for name, value in values.items() if value]


def chosen(mass: Mass, ids: Sequence[UUID], possible: Sequence[Status]) -> "Selection | None":
    """What is selected; None if it goes by ids. Raises typer.BadParameter, UsageError."""
    words = _listed(possible)
    if ids and mass.given:
        raise typer.BadParameter(
            "is for a selection: name notifications either by their ids or by --status and more",
            param_hint=mass.given[0],
        )
    if ids:
        return None
    if not mass.statuses:
        raise typer.BadParameter(f"name notifications by their ids, or select them by --status: {words}")
    for status in mass.statuses:
        if status not in possible:
            shown = " (Temporal's index shows the status before it)" if status is Status.SENDING else ""
            raise typer.BadParameter(
                f"{mass.action} can do nothing with {status}{shown}: give {words}", param_hint="--status"
            )
    if mass.since is not None and mass.until is not None and mass.since >= mass.until:
        raise typer.BadParameter("must be after --since", param_hint="--until")
    if not (mass.yes or mass.dry_run or sys.stdin.isatty()):
        raise typer.BadParameter(
            "is needed: nobody can be asked, as standard input is no terminal. --dry-run shows what would be"
            " selected",
            param_hint="--yes",
        )
    return _selection(mass, open_only=mass.action == "cancel")


def _selection(mass: Mass, *, open_only: bool) -> "Selection":
    # Not at the top: importing the SDK takes longer than most commands run.
    from tidings.temporal.selecting import Selection

    return Selection(
        statuses=list(dict.fromkeys(mass.statuses or ())),
        channel=mass.channel,
        tenant=mass.tenant,
        since=mass.since,
        until=mass.until,
        open_only=open_only,
    )


def _listed(statuses: Sequence[Status]) -> str:
    *first, last = statuses
    return f"{', '.join(first)} or {last}"
