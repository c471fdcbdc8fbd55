"""What the sandbox does with a message that came in a provider's own protocol."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from tidings.sandbox.behaviour import Behaviour, FailureCount, plan_for
from tidings.sandbox.inbox import Inbox, ReceivedMessage


@dataclass(slots=True)
class Reception:
    """Takes messages as their recipients ask for. `closing` lets those go that hang on purpose."""

    inbox: Inbox
    failures: FailureCount
    slow_seconds: float
    closing: asyncio.Event

    async def refusal(self, message: ReceivedMessage) -> Behaviour | None:
        """None: the message is in the inbox. Else the way in which to fail; after a hang: nobody listens."""
        plan = plan_for(message.channel, message.recipient)
        if self.failures.fails(plan, f"{message.recipient} {message.notification_id}"):
            return Behaviour.TEMPORARY_FAILURE
        match plan.behaviour:
            case Behaviour.PERMANENT_FAILURE:
                return Behaviour.PERMANENT_FAILURE
            case Behaviour.HANG:
                await self.closing.wait()
                return Behaviour.HANG
            case Behaviour.SLOW:
                await asyncio.sleep(self.slow_seconds)
            case _:
                pass
        self.inbox.add(message)
        return None


def without_secrets(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers that the inbox may show: a sender's credentials may be real ones."""
    return [(name, value) for name, value in headers if name.lower() != "authorization"]
