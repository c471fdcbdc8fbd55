"""What tests of every kind need: free ports, and waiting on a condition instead of sleeping."""

import asyncio
import inspect
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

T = TypeVar("T")

_handed_out: set[int] = set()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, never the same twice in one test run."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _handed_out:
            _handed_out.add(port)
            return port


@overload
async def eventually(
    condition: Callable[[], Coroutine[Any, Any, T | None]], timeout: float = 20, interval: float = 0.05
) -> T: ...


@overload
async def eventually(condition: Callable[[], T | None], timeout: float = 20, interval: float = 0.05) -> T: ...


async def eventually(condition: Callable[[], Any], timeout: float = 20, interval: float = 0.05) -> Any:
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
