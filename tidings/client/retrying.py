"""When a call is made again, and after how long."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that another try may better."""

NOT_BEGUN = frozenset({408, 425, 429})
"""Among them, those of a request that has done nothing: it never came in whole, or was turned away."""


class Repeat(Enum):
    """After which failures a call may be made again."""

    ALWAYS = auto()
    """Twice does what once does: reads, deletions, cancel, pause, resume, and what has an idempotency key."""

    IF_NOT_BEGUN = auto()
    """Twice may do more than once: only after a failure that shows that the request did nothing."""


@dataclass(frozen=True, slots=True)
class Retrying:
    """How long and how often a call is made again, in seconds.

    The waits grow from `first` by `factor` up to `cap`, each shortened by up to half at random, so that many
    clients do not come back at once; a `Retry-After` lengthens them. No try begins later than `total` after
    the first: with 0, there is one try.
    """

    total: float = 30.0
    first: float = 0.2
    factor: float = 2.0
    cap: float = 5.0

    def wait(self, failures: int, retry_after: float | None, jitter: Callable[[], float]) -> float:
        """Seconds to wait after so many failures in a row; `jitter` gives numbers from 0 to 1."""
        # A power of a client that has failed for days is beyond a float.
        grown = self.cap if failures > 60 else min(self.cap, self.first * self.factor ** (failures - 1))
        own = grown * (1 - 0.5 * jitter())
        return own if retry_after is None else max(own, retry_after + 0.1 * self.first * jitter())


@dataclass(frozen=True, slots=True)
class Retry:
    """What the client is about to do about a failure: make the same call again after `wait` seconds."""

    method: str
    path: str
    failures: int
    reason: str
    wait: float
    total: float


jitter: Callable[[], float] = random.SystemRandom().random


def seconds_of(retry_after: str | None) -> float | None:
    """The header `Retry-After` (RFC 9110, section 10.2.3) in seconds from now; None for what is neither a
    number nor a date.
    """
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdecimal() and len(text) <= 9:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.utcoffset() is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
