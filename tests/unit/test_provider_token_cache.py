"""A token is fetched once for all who need it, kept while it is good, and replaced when it may help."""

import asyncio
import gc

from tests.support import eventually
from tidings.errors import TransientFailure
from tidings.providers.token_cache import Token, TokenCache


class Issuer:
    """Issues token-1, token-2, …; as slowly as `gate` is held."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.issued = 0
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.cache = TokenCache(self.fetch, youngest=60, clock=lambda: self.now)

    async def fetch(self) -> Token:
        self.issued += 1
        number = self.issued
        await self.gate.wait()
        if self.fails:
            raise TransientFailure("down", "no token now")
        return Token(f"token-{number}", 3300)


async def test_a_token_is_kept_until_it_is_too_old() -> None:
    issuer = Issuer()
    assert await issuer.cache.get() == "token-1"
    issuer.now += 3299
    assert await issuer.cache.get() == "token-1"
    issuer.now += 1
    assert await issuer.cache.get() == "token-2"


async def test_a_clock_that_was_set_back_makes_no_token_eternal() -> None:
    issuer = Issuer()
    await issuer.cache.get()
    issuer.now -= 100_000
    assert await issuer.cache.get() == "token-2"


async def test_many_at_once_share_one_fetch_at_first_and_at_every_renewal() -> None:
    issuer = Issuer()
    for renewal in (1, 2, 3):
        issuer.gate.clear()
        waiting = [asyncio.create_task(issuer.cache.get()) for _ in range(200)]
        await asyncio.sleep(0)
        issuer.gate.set()
        assert set(await asyncio.gather(*waiting)) == {f"token-{renewal}"}
        issuer.now += 4000
    assert issuer.issued == 3


async def test_one_who_gives_up_waiting_takes_nothing_from_the_others() -> None:
    issuer = Issuer()
    issuer.gate.clear()
    first, second = asyncio.create_task(issuer.cache.get()), asyncio.create_task(issuer.cache.get())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    issuer.gate.set()
    assert await second == "token-1"
    assert first.cancelled()


async def test_a_failed_fetch_fails_all_who_wait_and_is_tried_again_by_the_next() -> None:
    issuer = Issuer()
    issuer.fails = True
    results = await asyncio.gather(*(issuer.cache.get() for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [TransientFailure] * 5
    issuer.fails = False
    assert await issuer.cache.get() == "token-2"
    assert issuer.issued == 2


async def test_a_failed_fetch_that_nobody_waits_for_any_more_is_no_noise() -> None:
    issuer = Issuer()
    issuer.gate.clear()
    issuer.fails = True
    tasks = len(asyncio.all_tasks())
    only = asyncio.create_task(issuer.cache.get())
    await asyncio.sleep(0)
    only.cancel()
    await asyncio.wait([only])
    loop, complaints = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    issuer.gate.set()
    await eventually(lambda: len(asyncio.all_tasks()) == tasks)
    gc.collect()
    loop.set_exception_handler(None)
    assert complaints == []


async def test_a_refused_token_is_replaced_once_unless_it_is_new() -> None:
    issuer = Issuer()
    token = await issuer.cache.get()
    issuer.now += 59
    assert not issuer.cache.refused(token)
    assert await issuer.cache.get() == "token-1"
    issuer.now += 1
    assert [issuer.cache.refused(token) for _ in range(3)] == [True] * 3
    assert await issuer.cache.get() == "token-2"
    # One that was sent with the old token and is answered only now.
    assert issuer.cache.refused(token)
    assert await issuer.cache.get() == "token-2"
    assert issuer.issued == 2


async def test_closing_ends_a_fetch_that_hangs() -> None:
    issuer = Issuer()
    issuer.gate.clear()
    waiting = asyncio.create_task(issuer.cache.get())
    await asyncio.sleep(0)
    await issuer.cache.aclose()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
