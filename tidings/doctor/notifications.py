"""How the notifications of the last hour fare, by Temporal's index: whether many are stuck."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from temporalio.client import Client

from tidings.doctor.finding import Finding, State
from tidings.domain.vocabulary import Status
from tidings.errors import TidingsError
from tidings.temporal.selecting import NotificationIndex, Selection

LOOKED_AT = timedelta(hours=1)
STUCK = (Status.FAILED, Status.RETRYING, Status.UNKNOWN)
MANY = 0.1
"""The share that is said: some recipients always fail. The alert TidingsManyFailed begins there too."""


async def look(client: Client) -> Sequence[Finding]:
    """Finding `notifications`."""
    name = "notifications"
    index = NotificationIndex(client, timeout=5)
    since = datetime.now(UTC) - LOOKED_AT
    wanted = (tuple(Status), *((status,) for status in STUCK))
    try:
        total, *counts = await asyncio.gather(
            *(index.count(Selection(statuses, since=since)) for statuses in wanted)
        )
    except TidingsError as error:
        return [Finding(name, State.UNCHECKED, str(error))]
    stuck = {status: count for status, count in zip(STUCK, counts, strict=True) if count}
    if not stuck:
        return [Finding(name, State.OK, f"none of {total:,} of the last hour is stuck")]
    found = f"of {total:,} of the last hour " + ", ".join(
        f"{count:,} {status}" for status, count in stuck.items()
    )
    if sum(stuck.values()) <= MANY * total:
        return [Finding(name, State.OK, found)]
    worst = max(stuck, key=lambda status: stuck[status])
    return [Finding(name, State.WARNING, found, f"`tidings list --status {worst}` says why")]
