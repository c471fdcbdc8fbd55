"""What the tests of the client share: a scripted API, and a client that calls it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.integration.scripted_api import (
    NOTIFICATION,
    ScriptedApi,
    Step,
    problem,
    says,
    scripted_api,
)
from tidings.client import (
    MessageFields,
    Retry,
    Retrying,
    Tidings,
)

KEY = "td_live_0123456789abcdef"
EMAIL: MessageFields = {
    "channel": "email",
    "recipient": "ada@example.com",
    "subject": "Hello",
    "body": "Hi",
}
CREATED = says(201, NOTIFICATION)
AWAY = problem(503, "orchestrator-unavailable", "Temporal is away.")
QUICK = Retrying(total=20, first=0.001, cap=0.01)
ONCE = Retrying(total=0)

Call = Callable[[Tidings], Awaitable[Any]]


@asynccontextmanager
async def client_of(*script: Step, **options: Any) -> AsyncIterator[tuple[Tidings, ScriptedApi, list[Retry]]]:
    """A client, the scripted API it calls, and what it tells of its retries."""
    told: list[Retry] = []
    given: dict[str, Any] = {"retrying": QUICK} | options
    async with scripted_api(*script) as api, Tidings(api.url, KEY, on_retry=told.append, **given) as client:
        yield client, api, told
