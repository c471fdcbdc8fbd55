"""What tests of every kind need: free ports, and waiting on a condition instead of sleeping."""

import asyncio
import contextlib
import inspect
import itertools
import os
import random
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar, overload

T = TypeVar("T")

_PORTS = range(12_000, 32_000)
"""Below those that the kernel gives to outgoing connections, one of which would take a port before the server
it was found for does. Each of pytest-xdist's workers has a part of them to itself."""


def _my_ports() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    mine = _PORTS[worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    # Somewhere among them: another run may be under way on the same machine.
    start = random.randrange(len(mine))  # noqa: S311 -- no secret
    return itertools.cycle((*mine[start:], *mine[:start]))


_ports = _my_ports()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, not given to another test of this run."""
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("unreachable: the ports go round")


@overload
async def eventually(
    condition: Callable[[], Coroutine[Any, Any, T | None]], timeout: float = 60, interval: float = 0.05
) -> T: ...


@overload
async def eventually(condition: Callable[[], T | None], timeout: float = 60, interval: float = 0.05) -> T: ...


async def eventually(condition: Callable[[], Any], timeout: float = 60, interval: float = 0.05) -> Any:
    """Ask `condition`, sync or async, until its answer is true; that answer.

    An AssertionError of the condition counts as "not yet". Raises AssertionError with the last answer
    after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        last: object
        try:
            asked = condition()
            answer = await asked if inspect.isawaitable(asked) else asked
            if answer:
                return answer
            last = answer
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s; the last answer was {last!r}")
        await asyncio.sleep(interval)
