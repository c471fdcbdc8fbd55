"""Calls at a bounded pace: each id once, and a stop at the first error."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import typer

from tidings.cli import times
from tidings.cli.pace import Paced
from tidings.cli.signals import Answer
from tidings.domain.identifiers import new_id
from tidings.errors import OrchestratorUnavailable


async def test_each_is_called_once_and_in_order() -> None:
    ids, called = [new_id() for _ in range(120)], []

    async def act(id: UUID) -> Answer:
        called.append(id)
        return Answer(str(id), True, None, "signalled")

    paced = Paced(ids, act, rate=1_000)
    await paced.run("retry")
    assert called == ids
    assert ([answer.id for answer in paced.answers], paced.left) == (
        [str(id) for id in ids],
        type(paced.left)(),
    )


async def test_an_error_stops_it_and_says_whose_call_is_in_doubt() -> None:
    ids, called = [new_id() for _ in range(5)], []

    async def act(id: UUID) -> Answer:
        called.append(id)
        if id == ids[2]:
            raise OrchestratorUnavailable("Temporal cannot be reached.")
        return Answer(str(id), True, None, "signalled")

    paced = Paced(ids, act, rate=10)
    await paced.run("retry")
    assert called == ids[:3]
    assert [answer.id for answer in paced.answers] == [str(id) for id in ids[:2]]
    assert (paced.doubtful, list(paced.left)) == ([ids[2]], ids[3:])
    assert isinstance(paced.error, OrchestratorUnavailable)


def test_a_fault_of_ours_is_not_taken_for_an_answer() -> None:
    async def act(_: UUID) -> Answer:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(Paced([new_id()], act, rate=10).run("retry"))
    assert raised.group_contains(ZeroDivisionError)


def test_a_time_gone_by_is_a_duration_or_an_instant() -> None:
    before = datetime.now(UTC)
    ago = times.past("2h")
    assert before - timedelta(hours=2) <= ago <= datetime.now(UTC) - timedelta(hours=2)
    assert times.past("2026-01-01T02:00:00+02:00") == datetime(2026, 1, 1, tzinfo=UTC)
    assert times.past("999999d") == times.past("0001-01-01T00:00:00Z") == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "2", "2 h", "-2h", "2w", "1234567s", "٢h", "today", "2026-13-01T00:00:00Z"]
)
def test_what_is_no_time_is_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="neither an RFC 3339 time nor a duration"):
        times.past(text)
