"""What the Temporal Web UI shows of a notification: Markdown, without personal data."""

from datetime import datetime

from tidings.domain.notification import Attempt, DeliveryState
from tidings.domain.vocabulary import Status
from tidings.messages.delivery import SendRequest, SignalNote

SHOWN_SIGNALS = 10
_SHOWN_REASON = 200
_SHOWN_NAME = 50

_WHAT_ONE_CAN_DO = {
    Status.SCHEDULED: "Signal `cancel` stops it before it is sent.",
    Status.RETRYING: "Signal `retry` tries again now; `cancel` stops it.",
    Status.FAILED: "Signal `retry` starts a new attempt now.",
    Status.UNKNOWN: "It may have gone out. Signal `retry` sends it (again).",
    Status.EXPIRED: "Signal `retry` sends it all the same.",
}


def details(
    state: DeliveryState, attempts: list[Attempt], under_way: SendRequest | None, signals: list[str]
) -> str:
    """The status, the attempts, the next one, the signals, and what a person can do now."""
    lines = [f"**{state.status}**"]
    if under_way is not None and under_way.due is None:
        lines = [f"**sending**: attempt {under_way.number} by {under_way.provider}"]
    elif state.next_attempt_at is not None:
        lines.append(f"Next attempt at {_time(state.next_attempt_at)}.")
    if state.expires_at is not None and not state.status.is_final:
        lines.append(f"Nothing is sent from {_time(state.expires_at)} on.")
    if attempts:
        lines += ["", "| attempt | provider | outcome | reason |", "| --- | --- | --- | --- |"]
        lines += [_row(attempt) for attempt in attempts]
    if signals:
        lines += ["", *(f"- {signal}" for signal in signals)]
    if state.status in _WHAT_ONE_CAN_DO and (under_way is None or under_way.due is not None):
        lines += ["", _WHAT_ONE_CAN_DO[state.status]]
    return "\n".join(lines)


def attempt_summary(request: SendRequest) -> str:
    """What the timeline says of an attempt."""
    summary = f"attempt {request.number} by {request.provider}"
    if request.due is None:
        return summary
    reason = f" after {request.state.error.code}" if request.state.error else ""
    return f"{summary}, not before {_time(request.due)}{reason}"


def signal_line(at: datetime, signal: str, note: SignalNote | None) -> str:
    """A signal as the details show it, with its reason on one line; no note: its argument cannot be read."""
    reason = " ".join((note.reason or "").split()) if note else "its argument cannot be read"
    shown = reason if len(reason) <= _SHOWN_REASON else reason[: _SHOWN_REASON - 1] + "…"
    return f"{_time(at)}: {signal}" + (f": {shown}" if shown else "")


def refused_retry_line(at: datetime, note: SignalNote | None) -> str:
    """A `retry` that is not followed, as the details show it."""
    why = "its argument cannot be read" if note is None else "its `expires_at` is past"
    return f"{_time(at)}: retry, not followed: {why}"


def unknown_signal_line(at: datetime, signal: str) -> str:
    """A signal that there is not, as the details show it."""
    return f"{_time(at)}: there is no signal `{signal[:_SHOWN_NAME]}`; there are `cancel` and `retry`"


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _row(attempt: Attempt) -> str:
    # The error's code alone: its message may quote the recipient.
    reason = attempt.error.code if attempt.error else ""
    return f"| {attempt.number} | {attempt.provider} | {attempt.outcome} | {reason} |"
