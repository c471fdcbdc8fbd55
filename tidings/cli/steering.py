"""`cancel` and `retry`: signals straight to Temporal, so they work while the API is down."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from tidings.cli import completion, screen, times
from tidings.cli.mass_signals import Signal, steer_selection
from tidings.cli.selection import (
    ChannelOption,
    DryRun,
    Limit,
    Mass,
    Rate,
    Since,
    TenantOption,
    Until,
    Yes,
    chosen,
)
from tidings.cli.signals import (
    CANCELLABLE,
    RETRYABLE,
    Answer,
    connected,
    signal_cancel,
    signal_retry,
)
from tidings.domain.vocabulary import Status
from tidings.errors import (
    AccessRefused,
    NamespaceNotReady,
    OrchestratorUnavailable,
    StorageUnavailable,
    UnreadablePayload,
)
from tidings.messages.delivery import SignalNote

if TYPE_CHECKING:
    from tidings.messages.delivery import StatusReport
    from tidings.temporal.notifications import NotificationWorkflows

WAIT_SECONDS = 5.0
_PAUSE_SECONDS = 0.1

Ids = Annotated[
    list[UUID] | None,
    typer.Argument(help="Ids of notifications.", metavar="ID", autocompletion=completion.recent_ids),
]
Reason = Annotated[str | None, typer.Option(help="Shown in the workflow's trace.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def cancel(
    ids: Ids = None,
    status: Annotated[
        list[Status] | None,
        typer.Option(
            help="Instead of ids, all of this status: pending, scheduled or retrying; once for each.",
            metavar="STATUS",
            autocompletion=completion.cancellable,
        ),
    ] = None,
    channel: ChannelOption = None,
    tenant: TenantOption = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    rate: Rate = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Stop notifications before a provider accepts them; says what came of each. By ids, or all that are
    selected by --status and more."""
    mass = Mass("cancel", status, channel, tenant, since, until, limit, rate, yes, dry_run, as_json)
    _steer(mass, CANCELLABLE, ids, SignalNote(reason=reason), _cancel, signal_cancel)


def retry(
    ids: Ids = None,
    status: Annotated[
        list[Status] | None,
        typer.Option(
            help="Instead of ids, all of this status: failed, unknown, expired or retrying; once for each.",
            metavar="STATUS",
            autocompletion=completion.retryable,
        ),
    ] = None,
    channel: ChannelOption = None,
    tenant: TenantOption = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    rate: Rate = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    reason: Reason = None,
    expires_at: Annotated[
        datetime | None,
        typer.Option(
            help="Nothing is sent after it, instead of what was said before: RFC 3339, or from now: 24h.",
            parser=times.future,
            metavar="TIME",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start a new attempt now, or cut a backoff short; says what came of each. By ids, or all that are
    selected by --status and more."""
    mass = Mass("retry", status, channel, tenant, since, until, limit, rate, yes, dry_run, as_json)
    _steer(mass, RETRYABLE, ids, SignalNote(reason=reason, expires_at=expires_at), _retry, _signal_retry)


Action = Callable[["NotificationWorkflows", UUID, SignalNote], Awaitable[Answer]]


def _steer(
    mass: Mass,
    possible: tuple[Status, ...],
    ids: list[UUID] | None,
    note: SignalNote,
    one: Action,
    many: Signal,
) -> None:
    selection = chosen(mass, ids or [], possible)
    if selection is not None:
        return steer_selection(mass, selection, note, many)
    answers = asyncio.run(_all(one, list(dict.fromkeys(ids or ())), note))
    if mass.as_json:
        screen.print_json([asdict(answer) for answer in answers])
    else:
        for answer in answers:
            typer.echo(f"{answer.id}  {answer.detail}")
    if not all(answer.done for answer in answers):
        raise typer.Exit(1)
    return None


async def _all(action: Action, ids: list[UUID], note: SignalNote) -> list[Answer]:
    from tidings.temporal.notifications import NotificationWorkflows

    workflows = NotificationWorkflows(await connected(), "")
    answers: list[Answer] = []
    for id in ids:
        try:
            answers.append(await action(workflows, id, note))
        except StorageUnavailable as error:
            # Temporal may have the others: the database is asked only about what it does not have.
            said = f"not done: Temporal does not have it, and {error}: see TIDINGS_DATABASE_URL"
            answers.append(Answer(str(id), False, None, said))
        except OrchestratorUnavailable as error:
            # What came of those before is still to be said.
            certain = isinstance(error, NamespaceNotReady | AccessRefused | UnreadablePayload)
            said = f"{'not done' if certain else 'not known what came of it'}: {error}"
            answers.append(Answer(str(id), False, None, said))
            return answers + [Answer(str(id), False, None, "not tried") for id in ids[len(answers) :]]
    return answers


async def _cancel(workflows: "NotificationWorkflows", id: UUID, note: SignalNote) -> Answer:
    signalled = await signal_cancel(workflows, id, note)
    if not signalled.done:
        return signalled
    report = await _until(workflows, id, lambda report: report.status.is_final)
    if report is None:
        return Answer(
            str(id), True, None, "will be cancelled: no worker answers now, Temporal keeps the signal"
        )
    if report.status is Status.CANCELLED:
        return Answer(str(id), True, report.status, "cancelled")
    if report.status.is_final:
        return Answer(str(id), False, report.status, f"too late: it is {report.status}")
    return Answer(
        str(id), True, report.status, f"{report.status}: an attempt is under way; nothing is sent after it"
    )


async def _retry(workflows: "NotificationWorkflows", id: UUID, note: SignalNote) -> Answer:
    signalled, count = await signal_retry(workflows, id, note)
    if not signalled.done:
        return signalled
    report = await _until(workflows, id, lambda report: report.attempt_count > count)
    if report is None:
        return Answer(
            str(id), True, None, "will be retried: no worker answers now, Temporal keeps the signal"
        )
    if report.attempt_count == count:
        return Answer(
            str(id), True, report.status, f"{report.status}: signalled, the attempt has not begun yet"
        )
    return Answer(str(id), True, report.status, f"{report.status}, attempt {report.attempt_count}")


async def _signal_retry(workflows: "NotificationWorkflows", id: UUID, note: SignalNote) -> Answer:
    return (await signal_retry(workflows, id, note))[0]


async def _until(
    workflows: "NotificationWorkflows", id: UUID, done: Callable[["StatusReport"], bool]
) -> "StatusReport | None":
    """The workflow's word once `done`, or its last one after `WAIT_SECONDS`; None if no worker answers."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        report = await workflows.status(id)
        if (report is not None and done(report)) or time.monotonic() >= deadline:
            return report
        await asyncio.sleep(_PAUSE_SECONDS)
