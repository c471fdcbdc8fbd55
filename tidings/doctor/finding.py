"""What a look at one thing gives: a state, what was found and what to do; and looking at many at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tidings.errors import TidingsError


class State(StrEnum):
    """`warning`: it works, and somebody should look; `unchecked`: nothing is known of it."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. No part of it is a secret."""

    check: str
    state: State
    found: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at. What `look` raises, TidingsError above all, is a failure of `name`."""

    name: str
    look: Callable[[], Awaitable[Sequence[Finding]]]


async def examine(checks: Sequence[Check], limit: float) -> list[Finding]:
    """All findings in the order of the checks, which run at once and have `limit` seconds together."""
    findings = await asyncio.gather(*(_looked(check, limit) for check in checks))
    return [finding for found in findings for finding in found]


async def _looked(check: Check, limit: float) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(limit):
            return await check.look()
    except TimeoutError:
        return [Finding(check.name, State.FAILED, f"no answer within {limit:g} s")]
    except TidingsError as error:
        return [Finding(check.name, State.FAILED, str(error))]
    except Exception as error:
        # Its text may hold anything.
        return [Finding(check.name, State.FAILED, f"the check itself failed: {type(error).__name__}")]


SKEW_NOTICED = 5.0
SKEW_HARMS = 60.0


def clock(where: str, ahead: float, doubt: float) -> Finding:
    """Our clock against another's: `ahead` seconds, known to within `doubt`."""
    name = f"clock ({where})"
    skew = max(abs(ahead) - doubt, 0.0)
    if skew <= SKEW_NOTICED:
        return Finding(name, State.OK, f"within {SKEW_NOTICED:g} s of this machine's")
    word = "ahead of" if ahead > 0 else "behind"
    return Finding(
        name,
        State.FAILED if skew > SKEW_HARMS else State.WARNING,
        f"this machine's clock is {skew:.0f} s {word} it",
        "set both by NTP: signatures, tokens and expiry times go by the clock",
    )
