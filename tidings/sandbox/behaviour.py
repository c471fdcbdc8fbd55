"""Recipients that make the sandbox fail on purpose."""

import re
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote, urlsplit

from tidings.domain.vocabulary import Channel
from tidings.domain.web_push import endpoint_of


class Behaviour(StrEnum):
    """What the sandbox does with a message instead of taking it at once."""

    TEMPORARY_FAILURE = "temporary-failure"
    PERMANENT_FAILURE = "permanent-failure"
    SLOW = "slow"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Plan:
    """A behaviour, or none. `failures`: only so many attempts of a notification fail; None: all of them."""

    behaviour: Behaviour | None = None
    failures: int | None = None


_WORD = re.compile(
    r"(temporary-failure|permanent-failure|slow|hang)(?:-(\d{1,4})(?![A-Za-z0-9]))?", re.IGNORECASE
)
_NUMBER_ENDINGS = {
    "0001": Behaviour.TEMPORARY_FAILURE,
    "0002": Behaviour.PERMANENT_FAILURE,
    "0003": Behaviour.SLOW,
    "0004": Behaviour.HANG,
}
_REMEMBERED = 10_000


def plan_for(channel: Channel, recipient: str) -> Plan:
    """What this recipient asks for: by its local part, number ending, token or last path segment.

    Of a Web Push subscription it is the last path segment of its endpoint.
    """
    if channel is Channel.SMS:
        return Plan(_NUMBER_ENDINGS.get(recipient[-4:]))
    found = _WORD.match(_telling_part(channel, recipient))
    if found is None:
        return Plan()
    behaviour = Behaviour(found[1].lower())
    counted = found[2] is not None and behaviour is Behaviour.TEMPORARY_FAILURE
    return Plan(behaviour, int(found[2]) if counted else None)


def _telling_part(channel: Channel, recipient: str) -> str:
    match channel:
        case Channel.EMAIL:
            return recipient.rpartition("@")[0].strip('"')
        case Channel.WEBHOOK | Channel.CHAT:
            return _last_segment(recipient)
        case _:
            endpoint = endpoint_of(recipient)
            return recipient if endpoint == recipient else _last_segment(endpoint)


def _last_segment(url: str) -> str:
    return unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])


class FailureCount:
    """Counts the attempts of each notification that were made to fail. Forgets the oldest ones."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, int] = OrderedDict()

    def fails(self, plan: Plan, key: str) -> bool:
        """Whether this attempt of the notification `key` is to fail; if so, it is counted."""
        if plan.behaviour is not Behaviour.TEMPORARY_FAILURE:
            return False
        failed = self._failed.get(key, 0)
        if plan.failures is not None and failed >= plan.failures:
            return False
        self._failed[key] = failed + 1
        self._failed.move_to_end(key)
        if len(self._failed) > _REMEMBERED:
            self._failed.popitem(last=False)
        return True
