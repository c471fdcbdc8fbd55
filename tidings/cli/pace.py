"""Many calls at a bounded pace, with a progress bar, until Ctrl-C stops it between two of them."""

import asyncio
import contextlib
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from uuid import UUID

import typer

from tidings.cli.signals import Answer
from tidings.errors import TidingsError

_AT_ONCE = 50
"""So many may wait for their answer: enough for the pace where each query waits for an absent worker."""


class Paced:
    """Calls `act` once for each id, `rate` of them a second, in order. The first error stops it."""

    def __init__(self, ids: Iterable[UUID], act: Callable[[UUID], Awaitable[Answer]], *, rate: float) -> None:
        self.left = deque(ids)
        """Those that were not begun with."""
        self.total = len(self.left)
        self.answers: list[Answer] = []
        self.doubtful: list[UUID] = []
        """Those whose call failed: it may have been carried out."""
        self.error: TidingsError | None = None
        self._act = act
        self._gap = 1 / rate
        self._stop = asyncio.Event()

    async def run(self, title: str) -> None:
        """Do it, or a part of it: `left`, `doubtful` and `error` say what is missing."""
        # Not at the top: other commands need not wait for it.
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        bar = Progress(
            *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        with bar, self._stopped_by_ctrl_c():
            task = bar.add_task(title, total=self.total)
            await self._run(lambda: bar.advance(task))

    async def _run(self, advance: Callable[[], None]) -> None:
        room = asyncio.Semaphore(_AT_ONCE)

        async def one(id: UUID) -> None:
            try:
                self.answers.append(await self._act(id))
            except TidingsError as error:
                self.doubtful.append(id)
                self.error = self.error or error
                self._stop.set()
            finally:
                advance()
                room.release()

        async with asyncio.TaskGroup() as group:
            due = time.monotonic()
            while self.left:
                await room.acquire()
                if await self._stopped_before(due):
                    break
                group.create_task(one(self.left.popleft()))
                # What was late is not made up for: that would be a burst.
                due = max(due, time.monotonic()) + self._gap

    async def _stopped_before(self, due: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, due - time.monotonic())):
                await self._stop.wait()
        return self._stop.is_set()

    @contextlib.contextmanager
    def _stopped_by_ctrl_c(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            self._stop.set()
            # Once more, and it ends at once.
            loop.remove_signal_handler(signal.SIGINT)
            typer.echo(
                "Stopping: what is under way is seen to its end. Once more Ctrl-C ends it now.", err=True
            )

        loop.add_signal_handler(signal.SIGINT, stop)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)
