"""What every sandbox endpoint does before it takes a message: fail it on purpose, or let it wait."""

import asyncio
from typing import Protocol

from aiohttp import web

from tidings.sandbox.behaviour import Behaviour, FailureCount, plan_for
from tidings.sandbox.inbox import Inbox, ReceivedMessage


class Reception(Protocol):
    """What the endpoints share."""

    @property
    def inbox(self) -> Inbox:
        """Where messages go."""
        ...

    @property
    def failures(self) -> FailureCount:
        """How often each notification has failed."""
        ...

    @property
    def slow_seconds(self) -> float:
        """How long slow recipients take."""
        ...

    @property
    def closing(self) -> asyncio.Event:
        """Set once the sandbox stops."""
        ...


async def failing(reception: Reception, message: ReceivedMessage) -> Behaviour | None:
    """How the recipient wants the message to fail, for the endpoint to say in its vendor's words.

    None: it does not want that. Hanging ends with a 503 when the sandbox stops.
    """
    plan = plan_for(message.channel, message.recipient)
    if reception.failures.fails(plan, f"{message.recipient} {message.notification_id}"):
        return Behaviour.TEMPORARY_FAILURE
    match plan.behaviour:
        case Behaviour.PERMANENT_FAILURE:
            return Behaviour.PERMANENT_FAILURE
        case Behaviour.HANG:
            await reception.closing.wait()
            raise web.HTTPServiceUnavailable
        case Behaviour.SLOW:
            await asyncio.sleep(reception.slow_seconds)
        case _:
            pass
    return None
