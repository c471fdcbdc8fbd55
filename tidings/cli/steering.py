"""`cancel` and `retry`: signals straight to Temporal, so they work while the API is down."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from tidings.cli import screen
from tidings.cli.context import database_settings, use_running_temporal
from tidings.domain.vocabulary import Status
from tidings.errors import AccessRefused, NamespaceNotReady, OrchestratorUnavailable
from tidings.messages.delivery import SignalNote

if TYPE_CHECKING:
    from tidings.domain.record import NotificationRecord
    from tidings.messages.delivery import StatusReport
    from tidings.temporal.notifications import NotificationWorkflows

WAIT_SECONDS = 5.0
_CONNECT_SECONDS = 10.0
_PAUSE_SECONDS = 0.1
_RETRYABLE = frozenset({Status.FAILED, Status.UNKNOWN, Status.EXPIRED, Status.RETRYING})

Ids = Annotated[list[UUID], typer.Argument(help="Ids of notifications.", metavar="ID...")]
Reason = Annotated[str | None, typer.Option(help="Shown in the workflow's trace.")]
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
    _steer(_cancel, ids, SignalNote(reason=reason), as_json)


def retry(
    ids: Ids,
    reason: Reason = None,
    expires_at: Annotated[
        str | None, typer.Option(help="RFC 3339; nothing is sent after it, instead of what was said before.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start a new attempt now, or cut a backoff short; says what came of each."""
    _steer(_retry, ids, SignalNote(reason=reason, expires_at=_future(expires_at)), as_json)


def _future(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is no RFC 3339 time", param_hint="--expires-at") from None
    if time.tzinfo is None:
        raise typer.BadParameter("needs an offset from UTC, such as Z", param_hint="--expires-at")
    if time <= datetime.now(UTC):
        raise typer.BadParameter(f"{text} is not in the future", param_hint="--expires-at")
    return time.astimezone(UTC)


Action = Callable[["NotificationWorkflows", UUID, SignalNote], Awaitable[Answer]]


def _steer(action: Action, ids: list[UUID], note: SignalNote, as_json: bool) -> None:
    answers = asyncio.run(_all(action, ids, note))
    if as_json:
        screen.print_json([asdict(answer) for answer in answers])
    else:
        for answer in answers:
            typer.echo(f"{answer.id}  {answer.detail}")
    if not all(answer.done for answer in answers):
        raise typer.Exit(1)


async def _all(action: Action, ids: list[UUID], note: SignalNote) -> list[Answer]:
    # Not at the top: importing the SDK takes longer than most commands run.
    from tidings.temporal.client import connect
    from tidings.temporal.notifications import NotificationWorkflows
    from tidings.temporal.quiet import quiet

    use_running_temporal()
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            client = await connect(identity="tidings-cli", runtime=quiet())
    except TimeoutError:
        raise OrchestratorUnavailable("Temporal does not answer; see TEMPORAL_ADDRESS.") from None
    workflows = NotificationWorkflows(client, "")
    answers: list[Answer] = []
    for id in ids:
        try:
            answers.append(await action(workflows, id, note))
        except OrchestratorUnavailable as error:
            # What came of those before is still to be said.
            certain = isinstance(error, NamespaceNotReady | AccessRefused)
            said = f"{'not done' if certain else 'not known what came of it'}: {error}"
            answers.append(Answer(str(id), False, None, said))
            return answers + [Answer(str(id), False, None, "not tried") for id in ids[len(answers) :]]
    return answers


async def _cancel(workflows: "NotificationWorkflows", id: UUID, note: SignalNote) -> Answer:
    if not await workflows.cancel(id, note):
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


async def _retry(workflows: "NotificationWorkflows", id: UUID, note: SignalNote) -> Answer:
    record = await workflows.find(None, id) or await _stored(id)
    if record is None:
        return Answer(str(id), False, None, "not found: neither Temporal nor the database has it")
    status, count = record.state.status, record.state.attempt_count
    if status not in _RETRYABLE:
        return Answer(str(id), False, status, f"not retried: it is {status}")
    await workflows.retry(record, note)
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


async def _stored(id: UUID) -> "NotificationRecord | None":
    """The notification from the database: Temporal forgets closed workflows after a while."""
    from tidings.database.engine import create_engine
    from tidings.database.notifications import NotificationRepository

    engine = create_engine(database_settings(), application_name="tidings-cli")
    try:
        return await NotificationRepository(engine).get(None, id)
    finally:
        await engine.dispose()


async def _not_open(workflows: "NotificationWorkflows", id: UUID) -> Answer:
    record = await workflows.find(None, id) or await _stored(id)
    if record is None:
        return Answer(str(id), False, None, "not found: neither Temporal nor the database has it")
    status = record.state.status
    if not status.is_final:
        ended = (
            f"{status}, but its workflow was ended from outside: nothing more is sent unless it is retried"
        )
        return Answer(str(id), False, status, ended)
    return Answer(str(id), False, status, f"too late: it is {status}")


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
