"""What follows from an attempt: outcome, budget and guarantee decide, here and nowhere else."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from tidings.domain.notification import Attempt, DeliveryState
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.vocabulary import Guarantee, Outcome, Status


class Terms(BaseModel):
    """What decides, beside its outcome, how delivery goes on after one attempt."""

    model_config = ConfigDict(frozen=True)

    retry: RetrySchedule
    guarantee: Guarantee
    automatic: bool
    """Whether the attempt counts against the budget: one made by hand does not."""
    spread: float
    """A random number in [0, 1) that places the next delay within its jitter."""


def state_after(state: DeliveryState, attempt: Attempt, terms: Terms) -> DeliveryState:
    """The state that follows `state`, the one while the finished `attempt` was under way."""
    at = attempt.finished_at or attempt.started_at
    match attempt.outcome:
        case Outcome.ACCEPTED:
            return state.accepted(attempt)
        case Outcome.PERMANENT:
            return state.moved(Status.FAILED, at, error=attempt.error)
        case Outcome.UNKNOWN if terms.guarantee is Guarantee.AT_MOST_ONCE:
            return state.moved(Status.UNKNOWN, at, error=attempt.error)
    delay = terms.retry.delay_after(state.automatic_attempts, terms.spread, attempt.retry_after)
    if delay is None:
        return state.moved(Status.FAILED, at, error=attempt.error)
    due = at + timedelta(seconds=delay)
    expires_first = state.expires_at is not None and state.expires_at <= due
    return state.moved(
        Status.RETRYING, at, error=attempt.error, next_attempt_at=None if expires_first else due
    )
