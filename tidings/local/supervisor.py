"""Keeps parts running: starts again what dies, with growing pauses, and stops all in reverse order."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from tidings.errors import SetupError
from tidings.local.part import Part

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_STABLE_SECONDS = 60.0
"""A part that ran this long starts with the first pause again."""


class Supervisor:
    """Watches over parts from their start to `stop`.

    `say` gets one line for everything that a person should know; `order` names the parts so that none needs
    a later one; `restarted` is called when a part runs again.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        *,
        order: Sequence[str],
        restarted: Callable[[], None] = lambda: None,
    ) -> None:
        self._say = say
        self._order = order
        self._restarted = restarted
        self._watches: dict[Part, asyncio.Task[None]] = {}

    @property
    def parts(self) -> list[Part]:
        """The parts that are watched, none before one that it needs."""
        return sorted(self._watches, key=lambda part: self._order.index(part.name))

    async def start(self, part: Part) -> None:
        """Start a part; once it is ready it is watched. Raises SetupError if it does not become ready."""
        await part.start()
        self._watches[part] = asyncio.create_task(self._watch(part), name=f"watch {part.name}")

    async def run(self, until: Awaitable[object]) -> None:
        """Return when `until` does. A watch only ends early by a fault of ours, which is raised."""
        waiting = asyncio.ensure_future(until)
        try:
            done, _ = await asyncio.wait(
                [waiting, *self._watches.values()], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waiting.cancel()
        for task in done - {waiting}:
            task.result()

    async def stop(self, hurry: asyncio.Event) -> None:
        """Stop all parts, none before one that needs it. `hurry`, set at any time, cuts waits short."""
        for watch in self._watches.values():
            watch.cancel()
        await asyncio.gather(*self._watches.values(), return_exceptions=True)
        for part in reversed(self.parts):
            await _stop_part(part, hurry)
        self._watches.clear()

    async def _watch(self, part: Part) -> None:
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            status = await part.exited()
            if time.monotonic() - began > _STABLE_SECONDS:
                pause = _FIRST_PAUSE
            ended = f"{part.name} {_ending(status)}"
            while True:
                self._say(f"{ended}; starting it again in {pause:g} s. Log: {part.log_file}")
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                try:
                    await part.start()
                except (SetupError, OSError) as error:
                    ended = str(error)
                else:
                    break
            self._say(f"{part.name} is ready again.")
            self._restarted()


def _ending(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"


async def _stop_part(part: Part, hurry: asyncio.Event) -> None:
    gently = asyncio.create_task(part.stop(hurry=hurry.is_set()))
    hurrying = asyncio.create_task(hurry.wait())
    await asyncio.wait([gently, hurrying], return_when=asyncio.FIRST_COMPLETED)
    if not gently.done():
        await part.stop(hurry=True)
    hurrying.cancel()
    await gently
