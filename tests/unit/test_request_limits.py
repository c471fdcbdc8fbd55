"""The bodies of all requests under way have a budget; a single one may always come."""

import asyncio
from collections.abc import Iterable

from starlette.types import Message, Receive, Scope, Send

from api.request_limits import RequestLimits
from tidings.settings import ApiSettings

SCOPE: Scope = {"type": "http", "path": "/v1/notifications", "headers": [], "query_string": b""}


class Reader:
    """An application that reads the whole body, and goes on when it is told to."""

    def __init__(self) -> None:
        self.read = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        self.read.set()
        await self.go_on.wait()


async def request(limits: RequestLimits, parts: Iterable[int]) -> str:
    """One request whose body comes in parts of so many bytes: `read`, or the problem it met."""
    sizes = list(parts)

    async def receive() -> Message:
        size = sizes.pop(0)
        return {"type": "http.request", "body": b" " * size, "more_body": bool(sizes)}

    async def send(_message: Message) -> None:
        raise AssertionError("nothing is answered here")

    try:
        await limits(dict(SCOPE), receive, send)
    except Exception as error:
        return str(error)
    return "read"


async def test_one_alone_may_always_come_and_others_wait_until_there_is_room() -> None:
    reader = Reader()
    limits = RequestLimits(reader, ApiSettings(_env_file=None, max_body_bytes_at_once=1_000_000))
    first = asyncio.create_task(request(limits, [900_000, 900_000]))
    await reader.read.wait()
    assert (await request(limits, [1])).startswith("too-busy")
    reader.go_on.set()
    assert await request(limits, [0]) == "read"
    assert await first == "read"
    assert await request(limits, [600_000, 600_000]) == "read"
