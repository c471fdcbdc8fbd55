"""Temporal workers of a test's own process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from temporalio.worker import Worker

_PATIENCE = 60


@asynccontextmanager
async def at_work(*workers: Worker) -> AsyncIterator[None]:
    """Run them for the block.

    A worker that is told to stop amid much work waits now and then for ever, for tasks that the SDK's core
    has lost track of (about once in 100 times under load): after a minute it is left to itself. Our own
    process does not wait for it either: `worker/stopping.py`.
    """
    async with AsyncExitStack() as stack:
        for worker in workers:
            await worker.__aenter__()
            stack.push_async_exit(partial(_stop, worker))
        yield


async def _stop(worker: Worker, kind: type[BaseException] | None, *more: object) -> None:
    stopping = asyncio.ensure_future(worker.__aexit__(kind, *more))
    done, _ = await asyncio.wait([stopping], timeout=_PATIENCE)
    for task in done:
        task.result()
