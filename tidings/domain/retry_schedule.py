"""When to try again: exponential backoff with jitter, within a budget of attempts."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class RetrySchedule(BaseModel):
    """Delays in seconds: `first`, then times `factor`, never above `cap`, each ± `jitter` of itself.

    `attempts` counts all automatic attempts, the first included.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: int = Field(default=7, ge=1, le=1000)
    first: float = Field(default=5, gt=0, le=86_400)
    factor: float = Field(default=6, ge=1, le=100)
    cap: float = Field(default=36_000, gt=0, le=2_592_000)
    jitter: float = Field(default=0.2, ge=0, lt=1)

    @model_validator(mode="after")
    def _cap_is_not_below_first(self) -> Self:
        if self.cap < self.first:
            raise ValueError(f"cap ({self.cap}) must not be below first ({self.first})")
        return self

    def delay_after(
        self,
        attempts_made: int,
        spread: float,
        retry_after: float | None = None,
        *,
        rounds: int | None = None,
    ) -> float | None:
        """Seconds to wait after that many attempts, or None when the budget is used up.

        `spread` is a random number in [0, 1) that places the delay within its jitter.
        The delay never undercuts `retry_after`, the seconds a provider asked for. It grows with `rounds`,
        where several providers were tried in a row, else with each attempt.
        """
        if attempts_made >= self.attempts:
            return None
        # The exponent is bounded first: a float overflows at about 1e308.
        exponent = min(max((rounds or attempts_made) - 1, 0), 64)
        delay = min(self.first * self.factor**exponent, self.cap)
        delay *= 1 + self.jitter * (2 * spread - 1)
        return max(delay, retry_after or 0.0)
