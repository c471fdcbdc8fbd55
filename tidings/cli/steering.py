"""`cancel` and `retry`: signals straight to Temporal, so they work while the API is down."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from tidings.cli import screen
from tidings.cli.context import use_running_temporal
from tidings.domain.vocabulary import Status
from tidings.errors import OrchestratorUnavailable

if TYPE_CHECKING:
    from tidings.messages.delivery import StatusReport
    from tidings.temporal.notifications import NotificationWorkflows

WAIT_SECONDS = 5.0
_CONNECT_SECONDS = 10.0
_PAUSE_SECONDS = 0.1
_RETRYABLE = frozenset({Status.FAILED, Status.UNKNOWN, Status.EXPIRED, Status.RETRYING})

Ids = Annotated[list[UUID], typer.Argument(help="Ids of notifications.", metavar="ID...")]
Reason = Annotated[str | None, typer.Option(help="Shown in the workflow's history.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one notification."""

    id: str
    done: bool
    status: str | None
    detail: str


def cancel(ids: Ids, reason: Reason = None, as_json: AsJson = False) -> None:
    """Stop notifications before a provider accepts them; says what came of each."""
    _steer(_cancel, ids, reason, as_json)


def retry(ids: Ids, reason: Reason = None, as_json: AsJson = False) -> None:
    """Start a new attempt now, or cut a backoff short; says what came of each."""
    _steer(_retry, ids, reason, as_json)


Action = Callable[["NotificationWorkflows", UUID, str | None], Awaitable[Answer]]


def _steer(action: Action, ids: list[UUID], reason: str | None, as_json: bool) -> None:
    answers = asyncio.run(_all(action, ids, reason))
    if as_json:
        screen.print_json([asdict(answer) for answer in answers])
    else:
        for answer in answers:
            typer.echo(f"{answer.id}  {answer.detail}")
    if not all(answer.done for answer in answers):
        raise typer.Exit(1)


async def _all(action: Action, ids: list[UUID], reason: str | None) -> list[Answer]:
    # Not at the top: importing the SDK takes longer than most commands run.
    from tidings.temporal.client import connect
    from tidings.temporal.notifications import NotificationWorkflows

    use_running_temporal()
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            client = await connect(identity="tidings-cli")
    except TimeoutError:
        raise OrchestratorUnavailable("Temporal does not answer; see TEMPORAL_ADDRESS.") from None
    workflows = NotificationWorkflows(client, "")
    return [await action(workflows, id, reason) for id in ids]


async def _cancel(workflows: "NotificationWorkflows", id: UUID, reason: str | None) -> Answer:
    if not await workflows.cancel(id, reason):
        return await _not_open(workflows, id)
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


async def _retry(workflows: "NotificationWorkflows", id: UUID, reason: str | None) -> Answer:
    before = await workflows.status(id)
    if before is not None and before.status not in _RETRYABLE:
        return Answer(str(id), False, before.status, f"not retried: it is {before.status}")
    if not await workflows.retry(id, reason):
        return await _not_open(workflows, id)
    count = before.attempt_count if before is not None else 0
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


async def _not_open(workflows: "NotificationWorkflows", id: UUID) -> Answer:
    report = await workflows.status(id)
    if report is None:
        return Answer(str(id), False, None, "not found: Temporal has no open workflow for it")
    return Answer(str(id), False, report.status, f"too late: it is {report.status}")


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
