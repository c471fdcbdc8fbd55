"""A provider that keeps failing is skipped for a while, and one message finds out whether it is back."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from tidings.domain.notification import Attempt
from tidings.domain.vocabulary import Channel, Outcome
from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure, TransientFailure

LONGEST_SKIP = 600.0
"""Seconds. A provider that is back is found out within this time by the next message for it."""

NOT_WATCHED = frozenset({Channel.WEBHOOK, Channel.CHAT})
"""There the one that fails is the recipient's own service, which is another one for each message."""


@dataclass(frozen=True, slots=True)
class SkipRule:
    """After `after` failures in a row, for `seconds`, doubled with each skip in a row. `after` 0: never."""

    after: int = 5
    seconds: float = 30

    def pause(self, skips: int) -> float:
        """How long the n-th skip in a row lasts, from 1, in seconds."""
        doubled: float = self.seconds * 2.0 ** min(skips - 1, 30)
        return min(doubled, max(LONGEST_SKIP, self.seconds))


@dataclass(frozen=True, slots=True)
class SkippedProvider:
    """A provider that is skipped on a channel, until it has been found to be back.

    `left` is the time in seconds until a message may find out; not above 0: the next one does. `probing`: one
    is at it, and if nothing is heard of it, the one after `left` is next.
    """

    channel: Channel
    provider: str
    failures: int
    skips: int
    last_code: str
    skipped_until: datetime
    left: float
    probing: bool
    changed_at: datetime


def is_failing(failure: SendFailure | None) -> bool:
    """Whether an attempt that ended so speaks against its provider. None: accepted.

    A message that is refused for itself was understood: that speaks for the provider as an acceptance does.
    """
    match failure:
        case None:
            return False
        case TransientFailure():
            return not failure.of_message
        case PermanentFailure():
            return isinstance(failure, ProviderMisconfigured)
        case _:
            return True


def provider_instead(asked: str, route: Sequence[str], last: Attempt | None, skipped: Collection[str]) -> str:
    """Who sends in place of `asked`, which is skipped: the next in turn that is not.

    It stays `asked` where the choice is not free (it is pinned, or after an `unknown` it alone may recognise
    the message) and where nobody better is left. Whose attempt has just failed comes last, and not at all if
    it was our set-up there.
    """
    if asked not in route or (last is not None and last.outcome is Outcome.UNKNOWN):
        return asked
    at = route.index(asked)
    in_turn = [name for name in (*route[at:], *route[:at]) if name not in skipped]
    if last is not None and last.outcome in (Outcome.TRANSIENT, Outcome.PERMANENT):
        others = [name for name in in_turn if name != last.provider]
        in_turn = others or ([] if last.misconfigured else in_turn)
    return in_turn[0] if in_turn else asked
