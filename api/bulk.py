"""Many submissions in one request: each for itself, a bounded number of them at the same time."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from api.problems import Problem
from api.schemas.bulk import KEY_POINTER, Item, item_from
from api.submitting import Earlier, Submitted, Submitting
from tidings.domain.caller import Caller
from tidings.errors import OrchestratorUnavailable

MOST_SECONDS = 60
"""How long items are begun: who asks over HTTP waits no longer than this and one item."""

Answer = TypeVar("Answer")


class Bulk:
    """One for a process: all its bulk submissions share the places in flight, and single ones need none."""

    def __init__(
        self, submitting: Submitting, *, in_flight: int, patience: float, most_seconds: float = MOST_SECONDS
    ) -> None:
        """`patience`: seconds after which, with nothing but failures, Temporal is taken to be away."""
        self._submitting = submitting
        self._in_flight = in_flight
        self._places = asyncio.Semaphore(in_flight)
        self._patience = patience
        self._most_seconds = most_seconds

    async def submit(
        self, caller: Caller, documents: Sequence[Any], answer: Callable[[int, Submitted | Exception], Answer]
    ) -> list[Answer]:
        """Submit each decoded item, and give the answers in the items' order.

        `answer` is given an item's place and what came of it: Submitted, or what `Submitting.submit` raises.
        Items with one key are taken in order: the first that is accepted makes the notification.
        """
        batch = _Batch(answer, self._patience, self._most_seconds)
        groups = batch.read(documents)
        earlier = await self._submitting.earlier(caller, [key for key, _ in groups if key is not None])
        waiting = iter(groups)
        async with asyncio.TaskGroup() as lanes:
            for _ in range(min(self._in_flight, len(groups))):
                lanes.create_task(self._lane(caller, batch, waiting, earlier))
        return [batch.answers[place] for place in range(len(documents))]

    async def _lane(
        self,
        caller: Caller,
        batch: "_Batch[Answer]",
        waiting: Iterator["_Group"],
        earlier: Mapping[str, Earlier],
    ) -> None:
        for key, items in waiting:
            known = earlier.get(key) if key is not None else None
            for place, item in items:
                async with self._places:
                    result = await self._result(caller, batch, item, known)
                if isinstance(result, Submitted):
                    known = Earlier(result.record)
                batch.settle(place, result)

    async def _result(
        self, caller: Caller, batch: "_Batch[Answer]", item: Item, known: Earlier | None
    ) -> Submitted | Exception:
        if batch.given_up:
            return OrchestratorUnavailable("Not begun: the items before took too long.")
        try:
            return await self._submitting.submit(
                caller, item.document, item.key, pointer=KEY_POINTER, earlier=known
            )
        except Exception as error:
            # Whatever is wrong with this one, the others are not to suffer from it.
            return error


_Group = tuple[str | None, list[tuple[int, Item]]]
"""A key and the items that bear it, each with its place; or one item without a key."""


class _Batch(Generic[Answer]):
    """One request's items: what came of each, and whether it is worth going on."""

    def __init__(
        self, answer: Callable[[int, Submitted | Exception], Answer], patience: float, most_seconds: float
    ) -> None:
        self.answers: dict[int, Answer] = {}
        self._answer = answer
        self._patience = patience
        self._begun = self._last_good = time.monotonic()
        self._most_seconds = most_seconds
        self._failing = False

    def read(self, documents: Sequence[Any]) -> list[_Group]:
        """The items by their keys. Those whose key is none are answered at once."""
        alone: list[_Group] = []
        keyed: defaultdict[str, list[tuple[int, Item]]] = defaultdict(list)
        for place, document in enumerate(documents):
            try:
                item = item_from(document)
            except Problem as problem:
                self.settle(place, problem)
                continue
            if item.key is None:
                alone.append((None, [(place, item)]))
            else:
                keyed[item.key].append((place, item))
        return [*alone, *keyed.items()]

    def settle(self, place: int, result: Submitted | Exception) -> None:
        """Put into words what came of an item, and remember how Temporal does."""
        # In words at once: a thousand of them at the end would hold up everybody else.
        self.answers[place] = self._answer(place, result)
        if isinstance(result, Submitted):
            self._last_good, self._failing = time.monotonic(), False
        elif isinstance(result, OrchestratorUnavailable):
            self._failing = True

    @property
    def given_up(self) -> bool:
        """Whether to leave the rest: each would wait for Temporal in vain, and the caller for all of them."""
        now = time.monotonic()
        if now - self._begun > self._most_seconds:
            return True
        return self._failing and now - self._last_good > self._patience
