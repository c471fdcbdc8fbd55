"""What the Temporal Web UI shows of a notification: Markdown, without personal data."""

from tidings.domain.notification import Attempt, DeliveryState
from tidings.domain.vocabulary import Status

_SHOWN_ATTEMPTS = 20

_WHAT_ONE_CAN_DO = {
    Status.SCHEDULED: "Signal `cancel` stops it before it is sent.",
    Status.RETRYING: "Signal `retry` tries again now; `cancel` stops it.",
    Status.FAILED: "Signal `retry` starts a new attempt now.",
    Status.UNKNOWN: "It may have gone out. Signal `retry` sends it (again).",
    Status.EXPIRED: "Signal `retry` sends it all the same.",
}


def details(state: DeliveryState, attempts: list[Attempt]) -> str:
    """The status, the attempts, the next one, and what a person can do now."""
    lines = [f"**{state.status}**"]
    if state.next_attempt_at is not None:
        lines.append(f"Next attempt at {state.next_attempt_at:%Y-%m-%d %H:%M:%S} UTC.")
    if attempts:
        lines += ["", "| attempt | provider | outcome | reason |", "| --- | --- | --- | --- |"]
        lines += [_row(attempt) for attempt in attempts[-_SHOWN_ATTEMPTS:]]
    if state.status in _WHAT_ONE_CAN_DO:
        lines += ["", _WHAT_ONE_CAN_DO[state.status]]
    return "\n".join(lines)


def _row(attempt: Attempt) -> str:
    # The error's code alone: its message may quote the recipient.
    reason = attempt.error.code if attempt.error else ""
    return f"| {attempt.number} | {attempt.provider} | {attempt.outcome} | {reason} |"
