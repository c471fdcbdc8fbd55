"""Whether the namespace is still as the workers need it, while they run.

A poll that waits for tasks is not told that its namespace is gone: without a look, nobody is.
"""

import asyncio

import structlog
from temporalio.client import Client

from tidings.errors import NamespaceNotReady, OrchestratorUnavailable
from tidings.temporal import namespace

EVERY = 60.0
"""Seconds between two looks, of two small calls each."""

log = structlog.get_logger(__name__)


async def watch_namespace(client: Client, *, every: float = EVERY) -> None:
    """Log `temporal_not_set_up` at each look that finds it so; goes on until cancelled."""
    while True:
        await asyncio.sleep(every)
        try:
            await namespace.check(client)
        except NamespaceNotReady as error:
            log.warning("temporal_not_set_up", error=str(error), retry_in_seconds=every)
        except OrchestratorUnavailable:
            continue  # that Temporal is away, the SDK's own log says
