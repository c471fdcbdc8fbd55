"""How findings come about, whatever it is that is looked at."""

import asyncio
from collections.abc import Sequence

import pytest

from tidings.doctor.finding import Check, Finding, State, clock, examine
from tidings.errors import SetupError


def well(name: str) -> Finding:
    return Finding(name, State.OK, "well")


async def test_what_hangs_or_breaks_keeps_nothing_else_from_being_looked_at() -> None:
    async def looks() -> Sequence[Finding]:
        return [well("first"), well("second")]

    async def hangs() -> Sequence[Finding]:
        await asyncio.Event().wait()
        return []

    async def is_set_up_badly() -> Sequence[Finding]:
        raise SetupError("TIDINGS_X: is none.")

    async def breaks() -> Sequence[Finding]:
        raise LookupError("a-secret")

    looked = (("hangs", hangs), ("looks", looks), ("bad", is_set_up_badly), ("breaks", breaks))
    findings = await examine([Check(name, look) for name, look in looked], 0.1)
    assert findings == [
        Finding("hangs", State.FAILED, "no answer within 0.1 s"),
        well("first"),
        well("second"),
        Finding("bad", State.FAILED, "TIDINGS_X: is none."),
        Finding("breaks", State.FAILED, "the check itself failed: LookupError"),
    ]


@pytest.mark.parametrize(
    ("ahead", "doubt", "state"),
    [
        (0, 0, State.OK),
        (-5, 0, State.OK),
        (5.1, 0, State.WARNING),
        (-60, 0, State.WARNING),
        (60.1, 0, State.FAILED),
        (-3600, 0, State.FAILED),
        (8, 4, State.OK),
        (62, 4, State.WARNING),
    ],
)
def test_a_clock_is_judged_by_what_is_certain(ahead: float, doubt: float, state: State) -> None:
    assert clock("Postgres", ahead, doubt).state is state


def test_a_clock_that_is_off_is_said_with_its_direction_and_why_it_matters() -> None:
    behind, early = clock("API", -90, 0), clock("API", 90, 0)
    assert behind.found == "this machine's clock is 90 s behind it"
    assert early.found == "this machine's clock is 90 s ahead of it"
    assert "signatures" in (behind.remedy or "")
