"""What the Temporal Web UI shows of a notification: Markdown, at most 20 KB, without personal data.

Written for whoever is woken by it and has never read the code: where it stands, what happened, what comes
next, and the commands that one can give now.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidings.domain.masking import masked
from tidings.domain.notification import Attempt, DeliveryState
from tidings.domain.vocabulary import Outcome, Status
from tidings.messages.delivery import SendRequest, SignalNote
from tidings.providers.wording import shown
from tidings.temporal import names
from tidings.temporal.story import DETAILS_BYTES, fitted
from workflows.story.reasons import in_words, shown_code
from workflows.story.steps import clock

SHOWN_SIGNALS = 10
_SHOWN_REASON = 200
_SHOWN_NAME = 50
_CLOSE = timedelta(seconds=1)

_RETRY = {
    Status.RETRYING: "try again now",
    Status.FAILED: "start a new attempt now",
    Status.UNKNOWN: "send it, perhaps a second time",
    Status.EXPIRED: "send it all the same",
}
_CANCEL = {
    Status.PENDING: "stop it before it is sent",
    Status.SCHEDULED: "stop it before it is sent",
    Status.RETRYING: "send nothing more",
    Status.SENDING: "send nothing after this attempt",
}


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known of a notification at one moment."""

    id: str
    queue: str
    """The task queue of its sends."""
    state: DeliveryState
    attempts: list[Attempt]
    """The last ones."""
    under_way: SendRequest | None
    """The attempt that is due, or will be."""
    signals: list[str]
    recorded: bool
    """Whether the database has this state."""

    @property
    def status(self) -> Status:
        """With an attempt under way as `sending`."""
        waits = self.under_way is None or self.under_way.due is not None
        return self.state.status if waits else Status.SENDING


def details(trace: Trace) -> str:
    """The whole page."""
    parts = ["\n".join(_standing(trace))]
    if trace.attempts:
        parts.append("\n".join(_table(trace)))
    if trace.signals:
        parts.append("\n".join(f"- {signal}" for signal in trace.signals))
    if commands := _commands(trace):
        parts.append("\n".join(commands))
    return fitted("\n\n".join(parts), DETAILS_BYTES)


def signal_line(at: datetime, signal: str, note: SignalNote | None) -> str:
    """A signal as the details show it, with its reason, masked; no note: its argument cannot be read."""
    if note is None:
        return f"{clock(at)}: `{signal}`: its argument cannot be read"
    reason = _typed(note.reason or "", _SHOWN_REASON)
    return f"{clock(at)}: `{signal}`" + (f": {reason}" if reason else "")


def refused_retry_line(at: datetime, note: SignalNote | None) -> str:
    """A `retry` that is not followed, as the details show it."""
    why = "its argument cannot be read" if note is None else "its `expires_at` is past"
    return f"{clock(at)}: `retry`, not followed: {why}"


def unknown_signal_line(at: datetime, signal: str) -> str:
    """A signal that there is not, as the details show it."""
    named = _typed(signal, _SHOWN_NAME)
    return f"{clock(at)}: there is no signal {named}; there are `cancel` and `retry`"


def _typed(text: str, limit: int) -> str:
    """What a person typed, as code: so that nothing in it is taken for Markdown or HTML."""
    # Masked before it is shortened: half an address is not recognised.
    typed = shown(masked(text), limit).replace("`", "'")
    return f"`{typed}`" if typed else ""


def _standing(trace: Trace) -> list[str]:
    state = trace.state
    if trace.status is Status.SENDING and trace.under_way is not None:
        lines = [f"**sending**: attempt {trace.under_way.number} by {trace.under_way.provider} is under way."]
    else:
        lines = [f"**{state.status}** since {clock(state.updated_at)}: {_in_words(trace)}."]
    if trace.status is Status.RETRYING and state.next_attempt_at is not None:
        lines += ["", _next_attempt(trace, state.next_attempt_at)]
    elif trace.status is Status.SCHEDULED and state.next_attempt_at is not None:
        lines += ["", f"Attempt 1 at {clock(state.next_attempt_at)}."]
    if state.expires_at is not None and not state.status.is_final:
        lines += ["", f"Nothing is sent from {clock(state.expires_at)} on: it expires then."]
    if not trace.recorded:
        lines += ["", "The database does not have this yet: it is tried until Postgres answers."]
    return lines


def _in_words(trace: Trace) -> str:
    state = trace.state
    match state.status:
        case Status.RETRYING if state.next_attempt_at is not None:
            return f"waits for attempt {state.attempt_count + 1}"
        case Status.SENT:
            return f"{state.provider} took it; whether it arrived, only a receipt can say"
        case Status.FAILED:
            return _why_it_failed(trace)
    return _IN_WORDS[state.status]


_IN_WORDS = {
    Status.PENDING: "accepted, nothing sent yet",
    Status.SCHEDULED: "waits for its `send_at`",
    Status.SENDING: "an attempt has begun",
    Status.RETRYING: "waits to expire, for no attempt fits before that",
    Status.DELIVERED: "a receipt says that it arrived",
    Status.UNKNOWN: "it may or may not have gone out; a person or a receipt has to decide",
    Status.CANCELLED: "stopped before any provider took it",
    Status.EXPIRED: "`expires_at` passed before a provider took it",
}


def _why_it_failed(trace: Trace) -> str:
    code = trace.state.error.code if trace.state.error else ""
    after = f" (`{shown_code(code)}`)" if code else ""
    if code == "suppressed":
        return f"not sent, the recipient is on the suppression list{after}"
    last = trace.attempts[-1] if trace.attempts else None
    if last is None or last.error is None or last.error.code != code:
        return f"given up{after}"
    if last.misconfigured:
        return f"no provider could take it, our own set-up was refused{after}"
    if last.outcome is Outcome.PERMANENT:
        return f"refused for good by {last.provider}{after}"
    return f"out of attempts{after}"


def _next_attempt(trace: Trace, at: datetime) -> str:
    request, last = trace.under_way, trace.attempts[-1] if trace.attempts else None
    by = f" by {request.provider}" if request is not None else ""
    said = f"Attempt {trace.state.attempt_count + 1}{by} at {clock(at)}"
    if last is not None and last.error is not None:
        said += f": {_why_then(last, at)} `{shown_code(last.error.code)}`"
    return f"{said}. If that is past, it is under way, or no worker serves the task queue `{trace.queue}`."


def _why_then(last: Attempt, at: datetime) -> str:
    ended = last.finished_at or last.started_at
    if at <= ended:
        return "at once after"
    if last.retry_after is not None and at - ended - timedelta(seconds=last.retry_after) < _CLOSE:
        return f"{last.provider} asked us to wait {last.retry_after:.0f} s with"
    return "backoff after"


def _table(trace: Trace) -> list[str]:
    rows = ["| no. | provider | ended (UTC) | outcome |", "| --- | --- | --- | --- |"]
    return rows + [_row(attempt) for attempt in trace.attempts]


def _row(attempt: Attempt) -> str:
    ended = attempt.finished_at or attempt.started_at
    # The error's code alone: its message may quote the recipient.
    code = f", `{shown_code(attempt.error.code)}`" if attempt.error else ""
    # The Web UI gives the table half a page, and its cells no space: a time must not be broken up.
    cells = (attempt.number, attempt.provider, f"{ended:%d\u00a0%b\u00a0%H:%M:%S}")
    return "".join(f"| {cell}\u00a0 " for cell in cells) + f"| {attempt.outcome}{code}: {in_words(attempt)} |"


def _commands(trace: Trace) -> list[str]:
    lines = []
    for words, command in ((_RETRY, names.SIGNAL_RETRY), (_CANCEL, names.SIGNAL_CANCEL)):
        if what := words.get(trace.status):
            lines += [
                f"To {what}: `tidings {command} {trace.id}`, or",
                f"`temporal workflow signal --workflow-id {names.workflow_id(trace.id)} --name {command}`",
                "",
            ]
    return lines[:-1]
