"""What follows from an attempt: outcome, budget and guarantee decide, here and nowhere else."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from tidings.domain.notification import Attempt, DeliveryState
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.route import is_last
from tidings.domain.vocabulary import Guarantee, Outcome, Status


class Terms(BaseModel):
    """What decides, beside its outcome, how delivery goes on after one attempt."""

    model_config = ConfigDict(frozen=True)

    retry: RetrySchedule
    guarantee: Guarantee
    route: list[str] = []
    """The providers in order; the next one takes over where one cannot."""
    passed_over: list[str] = []
    """Providers of the route that are skipped now: it is theirs only when they are back."""
    fails_over_at_once: bool = False
    """Whether the next provider takes over a passing failure at once, or after the schedule's delay."""
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
        case Outcome.PERMANENT if not attempt.misconfigured or _was_the_last_chance(attempt, terms):
            return state.moved(Status.FAILED, at, error=attempt.error)
        case Outcome.UNKNOWN if terms.guarantee is Guarantee.AT_MOST_ONCE:
            return state.moved(Status.UNKNOWN, at, error=attempt.error)
    delay = _delay(state, attempt, terms)
    if delay is None:
        return state.moved(Status.FAILED, at, error=attempt.error)
    due = at + timedelta(seconds=delay)
    expires_first = state.expires_at is not None and state.expires_at <= due
    return state.moved(
        Status.RETRYING, at, error=attempt.error, next_attempt_at=None if expires_first else due
    )


def _delay(state: DeliveryState, attempt: Attempt, terms: Terms) -> float | None:
    """Seconds until the next attempt; None if there is none."""
    passes = attempt.misconfigured or (terms.fails_over_at_once and attempt.outcome is Outcome.TRANSIENT)
    if passes and not is_last(_open_route(attempt, terms), attempt.provider):
        # Another provider: neither our schedule nor this one's Retry-After is a reason to wait.
        return 0 if state.automatic_attempts < terms.retry.attempts else None
    rounds = -(-state.automatic_attempts // max(len(terms.route), 1)) if terms.fails_over_at_once else None
    return terms.retry.delay_after(state.automatic_attempts, terms.spread, attempt.retry_after, rounds=rounds)


def _was_the_last_chance(attempt: Attempt, terms: Terms) -> bool:
    """Whether no provider is left that may take what this one's set-up could not.

    One that is skipped may, later; so may one that was skipped when its turn came, and is back.
    """
    skipped = [name for name in terms.passed_over if name in terms.route and name != attempt.provider]
    tried = attempt.number >= len(terms.route)
    return tried and not skipped and is_last(terms.route, attempt.provider)


def _open_route(attempt: Attempt, terms: Terms) -> list[str]:
    """The route without those that are skipped: who comes after its last one would be asked a second time."""
    return [name for name in terms.route if name == attempt.provider or name not in terms.passed_over]
