"""How long the API trusts its list of revoked tokens, by a clock of the tests' own."""

import asyncio

import pytest

from api import revoked_tokens
from api.revoked_tokens import RevokedTokens
from tidings.errors import StorageUnavailable

FRESH, OUTAGE = 5.0, 100.0


class List:
    """The list where it is kept. It can go away, or just not answer; and the clock."""

    def __init__(self) -> None:
        self.stored: set[str] = set()
        self.questions = 0
        self.away = False
        self.silent = False
        self.now = 0.0
        self.cache = RevokedTokens(self, fresh=FRESH, outage=OUTAGE, clock=lambda: self.now)

    async def all(self) -> set[str]:
        self.questions += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.away:
            raise StorageUnavailable("away")
        return set(self.stored)


@pytest.fixture
def listed() -> List:
    return List()


async def test_a_revocation_holds_once_the_list_is_not_fresh(listed: List) -> None:
    assert not await listed.cache.holds("one")
    listed.stored.add("one")
    listed.now = FRESH - 0.1
    assert not await listed.cache.holds("one")
    listed.now = FRESH
    assert await listed.cache.holds("one")
    assert not await listed.cache.holds("two")


async def test_a_fresh_list_is_not_asked_for(listed: List) -> None:
    await listed.cache.refresh()
    for _ in range(10):
        await listed.cache.holds("one")
    assert listed.questions == 1


async def test_many_requests_ask_once(listed: List) -> None:
    assert not any(await asyncio.gather(*(listed.cache.holds("one") for _ in range(50))))
    assert listed.questions == 1


async def test_in_an_outage_the_list_holds_for_a_while(listed: List) -> None:
    listed.stored.add("one")
    assert await listed.cache.holds("one")
    listed.away = True
    listed.now = OUTAGE - 1
    assert await listed.cache.holds("one")
    assert not await listed.cache.holds("two")
    listed.now = OUTAGE
    with pytest.raises(StorageUnavailable):
        await listed.cache.holds("two")


async def test_before_the_list_is_known_no_token_is_judged(listed: List) -> None:
    listed.away = True
    for _ in range(10):
        with pytest.raises(StorageUnavailable):
            await listed.cache.holds("one")
    assert listed.questions == 1, "nor does each request ask again"


async def test_a_source_that_does_not_answer_holds_nobody_up(
    listed: List, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revoked_tokens, "_PATIENCE", 0.01)
    listed.stored.add("one")
    await listed.cache.refresh()
    listed.silent = True
    listed.now = FRESH
    assert await listed.cache.holds("one")
