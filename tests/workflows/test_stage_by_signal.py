"""Every stage of a notification's life under every signal: the table, and one test for each of its cells.

`pytest -v` prints it: each test's name says the stage, the signals, and what must come of it.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from tests.support import eventually
from tests.workflows.delivery import HOURS, Delivery, Handle, delivery_worker, happened
from tidings.domain.vocabulary import Status
from tidings.errors import PermanentFailure, SendFailure, TransientFailure, UnknownOutcome

BUSY = TransientFailure("smtp_451", "try again later")
REFUSED = PermanentFailure("smtp_550", "no such mailbox")
LOST = UnknownOutcome("connection_lost", "the line broke after the message had gone out")
A_DAY = timedelta(days=1)
A_MINUTE = timedelta(minutes=1)
AT_MOST_ONCE = {"guarantee": "at_most_once"}


@dataclass(frozen=True)
class Stage:
    """Where the notification is when the signal comes: after `script`'s first answers, at `status`."""

    script: list[SendFailure | None]
    status: Status
    fields: dict[str, Any] = field(default_factory=dict)
    under_way: bool = False
    """An attempt has begun and is held; it ends with the script's first answer after the signal."""
    sends: bool = True
    """Whether a worker of the channel runs before the signal. Without, the server is the real one: the
    time-skipping one never skips again once a task was taken back that no worker had asked for."""
    send_at: timedelta | None = None
    expires_at: timedelta | None = None


STAGES = {
    "scheduled": Stage([None], Status.SCHEDULED, send_at=A_DAY),
    "queued": Stage([None], Status.SENDING, sends=False),
    "queued, will expire": Stage([None], Status.SENDING, sends=False, expires_at=timedelta(seconds=1)),
    "sending, will be accepted": Stage([None], Status.SENDING, under_way=True),
    "sending, will fail for now": Stage([BUSY, None], Status.SENDING, under_way=True),
    "sending, will be refused": Stage([REFUSED], Status.SENDING, under_way=True),
    "sending, at_least_once, will be unknown": Stage([LOST, None], Status.SENDING, under_way=True),
    "sending, at_most_once, will be unknown": Stage([LOST], Status.SENDING, AT_MOST_ONCE, under_way=True),
    "retrying": Stage([BUSY, None], Status.RETRYING),
    "retrying after unknown": Stage([LOST, None], Status.RETRYING),
    "retrying, will expire": Stage([BUSY, None], Status.RETRYING, expires_at=A_MINUTE),
    "failed": Stage([REFUSED, None], Status.FAILED),
    "unknown": Stage([LOST, None], Status.UNKNOWN, AT_MOST_ONCE),
    "expired": Stage([BUSY, None], Status.EXPIRED, expires_at=A_MINUTE),
    "sent": Stage([None], Status.SENT),
    "cancelled": Stage([None], Status.CANCELLED),
}

CANCEL, RETRY, TEMPORAL_CANCEL = "cancel", "retry", "temporal workflow cancel"
RETRY_FOR_A_DAY, RETRY_TOO_LATE = "retry for a day", "retry until yesterday"
RETRY_BECAUSE, RETRY_GARBLED, CANCEL_GARBLED = "retry with a reason", "retry, garbled", "cancel, garbled"
MISSPELT = "retri"

TABLE: list[tuple[str, tuple[str, ...], Status, int]] = [
    # stage, signals in this order, what it ends as, calls of the provider in all
    ("scheduled", (), Status.SENT, 1),
    ("scheduled", (CANCEL,), Status.CANCELLED, 0),
    ("scheduled", (CANCEL, CANCEL), Status.CANCELLED, 0),
    ("scheduled", (TEMPORAL_CANCEL,), Status.CANCELLED, 0),
    ("scheduled", (RETRY,), Status.SENT, 1),
    ("scheduled", (RETRY, CANCEL), Status.CANCELLED, 0),
    ("scheduled", (CANCEL, RETRY), Status.CANCELLED, 0),
    ("queued", (), Status.SENT, 1),
    ("queued", (CANCEL,), Status.CANCELLED, 0),
    ("queued", (TEMPORAL_CANCEL,), Status.CANCELLED, 0),
    ("queued", (RETRY,), Status.SENT, 1),
    ("queued, will expire", (), Status.EXPIRED, 0),
    ("queued, will expire", (RETRY,), Status.EXPIRED, 0),
    ("sending, will be accepted", (CANCEL,), Status.SENT, 1),
    ("sending, will be accepted", (CANCEL, CANCEL), Status.SENT, 1),
    ("sending, will be accepted", (TEMPORAL_CANCEL,), Status.SENT, 1),
    ("sending, will be accepted", (RETRY,), Status.SENT, 1),
    ("sending, will fail for now", (), Status.SENT, 2),
    ("sending, will fail for now", (CANCEL,), Status.CANCELLED, 1),
    ("sending, will fail for now", (RETRY,), Status.SENT, 2),
    ("sending, will be refused", (CANCEL,), Status.CANCELLED, 1),
    ("sending, will be refused", (RETRY,), Status.FAILED, 1),
    ("sending, at_least_once, will be unknown", (), Status.SENT, 2),
    ("sending, at_least_once, will be unknown", (CANCEL,), Status.UNKNOWN, 1),
    ("sending, at_most_once, will be unknown", (), Status.UNKNOWN, 1),
    ("sending, at_most_once, will be unknown", (CANCEL,), Status.UNKNOWN, 1),
    ("sending, at_most_once, will be unknown", (RETRY,), Status.UNKNOWN, 1),
    ("retrying", (), Status.SENT, 2),
    ("retrying", (CANCEL,), Status.CANCELLED, 1),
    ("retrying", (CANCEL, CANCEL), Status.CANCELLED, 1),
    ("retrying", (CANCEL, RETRY), Status.CANCELLED, 1),
    ("retrying", (TEMPORAL_CANCEL,), Status.CANCELLED, 1),
    ("retrying", (RETRY,), Status.SENT, 2),
    ("retrying", (RETRY_TOO_LATE,), Status.SENT, 2),
    ("retrying", (RETRY_GARBLED,), Status.SENT, 2),
    ("retrying", (CANCEL_GARBLED,), Status.CANCELLED, 1),
    ("retrying after unknown", (CANCEL,), Status.UNKNOWN, 1),
    ("retrying after unknown", (RETRY,), Status.SENT, 2),
    ("retrying, will expire", (), Status.EXPIRED, 1),
    ("retrying, will expire", (CANCEL,), Status.CANCELLED, 1),
    ("retrying, will expire", (RETRY,), Status.SENT, 2),
    ("failed", (), Status.FAILED, 1),
    ("failed", (CANCEL,), Status.FAILED, 1),
    ("failed", (RETRY,), Status.SENT, 2),
    ("failed", (CANCEL, RETRY), Status.SENT, 2),
    ("failed", (TEMPORAL_CANCEL,), Status.FAILED, 1),
    ("failed", (RETRY_BECAUSE,), Status.SENT, 2),
    ("failed", (RETRY_TOO_LATE,), Status.FAILED, 1),
    ("failed", (RETRY_GARBLED,), Status.FAILED, 1),
    ("failed", (MISSPELT,), Status.FAILED, 1),
    ("unknown", (), Status.UNKNOWN, 1),
    ("unknown", (CANCEL,), Status.UNKNOWN, 1),
    ("unknown", (RETRY,), Status.SENT, 2),
    ("expired", (), Status.EXPIRED, 1),
    ("expired", (CANCEL,), Status.EXPIRED, 1),
    ("expired", (RETRY,), Status.SENT, 2),
    ("expired", (RETRY_FOR_A_DAY,), Status.SENT, 2),
    ("expired", (RETRY_TOO_LATE,), Status.EXPIRED, 1),
    ("sent", (CANCEL,), Status.SENT, 1),
    ("sent", (RETRY,), Status.SENT, 1),
    ("cancelled", (CANCEL,), Status.CANCELLED, 0),
    ("cancelled", (RETRY,), Status.CANCELLED, 0),
]


def _name(row: tuple[str, tuple[str, ...], Status, int]) -> str:
    stage, signals, status, calls = row
    return f"{stage} | {', '.join(signals) or 'nothing'} | {status}, {calls} calls"


@pytest.mark.parametrize(("stage", "signals", "status", "calls"), TABLE, ids=[_name(row) for row in TABLE])
async def test_stage_by_signal(
    time_skipping: WorkflowEnvironment,
    temporal_client: Client,
    stage: str,
    signals: tuple[str, ...],
    status: Status,
    calls: int,
) -> None:
    at = STAGES[stage]
    server = time_skipping if at.sends else WorkflowEnvironment.from_client(temporal_client)
    window = A_DAY.total_seconds() if at.sends else 0
    async with delivery_worker(
        server.client, at.script, retry=HOURS, retry_window=window, sends=at.sends
    ) as delivery:
        handle = await _brought_to(server, delivery, at)
        for signal in signals:
            await _signal(server, handle, signal)
        if at.under_way:
            await _taken_in(handle, signals)
            assert delivery.provider.gate is not None
            delivery.provider.gate.set()
        async with contextlib.AsyncExitStack() as stack:
            if not at.sends and status is Status.SENT:
                await stack.enter_async_context(delivery.sending())
            result = await handle.result()
        assert (result.state.status, len(delivery.provider.calls)) == (status, calls)
        # What the database says is what the workflow says, and no number is missing.
        (entry,) = delivery.log._entries.values()
        # A signal that comes just as the workflow closes has its last step done once more, a moment later.
        assert entry.state == result.state.model_copy(update={"updated_at": entry.state.updated_at})
        assert sorted(entry.attempts) == list(range(1, calls + 1))
        assert result.state.attempt_count == calls


async def _brought_to(environment: WorkflowEnvironment, delivery: Delivery, stage: Stage) -> Handle:
    now = await environment.get_current_time()
    times = {"send_at": stage.send_at, "expires_at": stage.expires_at}
    fields = stage.fields | {name: now + time for name, time in times.items() if time is not None}
    if stage.under_way:
        delivery.provider.gate = asyncio.Event()
    if stage.status is Status.CANCELLED:
        fields["send_at"] = now + A_DAY
    _, handle = await delivery.start(**fields, created_at=now)
    if stage.under_way:
        await delivery.provider.called.wait()
    elif stage.status is Status.CANCELLED:
        await handle.signal(CANCEL)
        await handle.result()
    elif stage.status is Status.EXPIRED:
        await delivery.reaches(handle, Status.RETRYING)
        await environment.sleep(A_MINUTE * 2)
        await delivery.reaches(handle, Status.EXPIRED)
    else:
        await delivery.reaches(handle, stage.status)
    return handle


async def _signal(environment: WorkflowEnvironment, handle: Handle, signal: str) -> None:
    now = await environment.get_current_time()
    notes = {
        RETRY_FOR_A_DAY: (RETRY, {"reason": "open again", "expires_at": (now + A_DAY).isoformat()}),
        RETRY_TOO_LATE: (RETRY, {"expires_at": (now - A_DAY).isoformat()}),
        RETRY_BECAUSE: (RETRY, "the mailbox is there again"),
        RETRY_GARBLED: (RETRY, {"expires_at": "2027-01-01T00:00:00"}),
        CANCEL_GARBLED: (CANCEL, ["ordered", 2]),
    }
    try:
        if signal == TEMPORAL_CANCEL:
            await handle.cancel()
        elif signal in notes:
            await handle.signal(*notes[signal])
        else:
            await handle.signal(signal)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        # The workflow is closed: there is nothing to signal.


async def _taken_in(handle: Handle, signals: tuple[str, ...]) -> None:
    """Wait until the workflow has acted on the signals.

    The time-skipping server wedges if an activity ends in the very moment its cancellation is asked for; the
    real one is held to that in the tests against it.
    """
    if CANCEL in signals or TEMPORAL_CANCEL in signals:
        kind = EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED
        await eventually(lambda: happened(handle, kind))
