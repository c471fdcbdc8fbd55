"""What the Temporal Web UI is given, read back from a server as the Web UI reads it."""

import dataclasses
from typing import Any

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from tests.replay.recorded import messages_of
from tests.support import eventually
from tests.workflows.delivery import HOURS, Handle, delivery_worker
from tidings.domain.masking import masked
from tidings.domain.vocabulary import Status
from tidings.errors import PermanentFailure, TransientFailure
from tidings.messages.delivery import SignalNote
from tidings.temporal import names
from tidings.temporal.failures import SENTENCES, TypedFailureConverter

CANARY = "canary.ada@example.com"
BUSY = TransientFailure("smtp_451", f"<{CANARY}> try again later")
REFUSED = PermanentFailure("smtp_550", f"<{CANARY}> no such mailbox")


@pytest.fixture
async def client(time_skipping: WorkflowEnvironment) -> Client:
    """A client with the failures of our processes."""
    config = time_skipping.client.config()
    config["data_converter"] = dataclasses.replace(
        config["data_converter"], failure_converter_class=TypedFailureConverter
    )
    return Client(**config)


async def details(handle: Handle) -> str:
    """The current details, as the Web UI asks for them."""
    metadata: WorkflowMetadata = await handle.query(
        "__temporal_workflow_metadata", result_type=WorkflowMetadata
    )
    return metadata.current_details


async def summaries(client: Client, handle: Handle) -> list[str]:
    """Those of the steps, in the history's order."""
    converter = client.data_converter
    said = []
    async for event in handle.fetch_history_events():
        if event.user_metadata.HasField("summary"):
            said += await converter.decode([event.user_metadata.summary], [str])
    return said


def failures(event: HistoryEvent) -> list[Failure]:
    return [message for message in messages_of(event) if isinstance(message, Failure)]


async def test_a_notification_that_failed_and_was_retried_by_hand_reads_as_a_story(client: Client) -> None:
    async with delivery_worker(client, [BUSY, REFUSED, None]) as delivery:
        notification, handle = await delivery.start(recipient=CANARY)
        await delivery.reaches(handle, Status.FAILED)
        shown = await details(handle)
        assert shown.startswith("**failed** since 2")
        assert "UTC: refused for good by smtp (`smtp_550`)." in shown
        assert f"`tidings retry {notification.id}`" in shown
        await handle.signal(names.SIGNAL_RETRY, SignalNote(reason=f"{CANARY} has room again"))
        await handle.result()
        shown = await details(handle)
        assert shown.startswith("**sent** since 2")
        assert "UTC: smtp took it; " in shown
        assert "`retry`: `[email] has room again`" in shown
        numbers = [line.split()[1] for line in shown.splitlines() if line.startswith("| ")]
        assert numbers[2:] == ["1", "2", "3"]
        said = await summaries(client, handle)
        assert said[0] == "email notification, normal priority"
        assert said[1:3] == ["put into the database", "attempt 1 by smtp"]
        assert said[3].startswith("attempt 2 by smtp, backoff until ")
        assert said[3].endswith(" UTC after smtp_451")
        assert said[4].startswith("failed: can be retried until ")
        assert said[5] == "attempt 3 by smtp, by hand"
        assert CANARY not in shown + str(said)
        description = await handle.describe()
        assert "**Signals**" in str(await description.static_details())


async def test_an_outage_is_shown_as_one_sentence_and_no_stack_trace(client: Client) -> None:
    async with delivery_worker(client) as delivery:
        delivery.log.available = False
        _, handle = await delivery.start()

        async def waits() -> bool:
            return (await summaries(client, handle))[-1:] == [
                "put into the database, as soon as Postgres answers"
            ]

        await eventually(waits)
        assert "The database does not have this yet" in await details(handle)

        async def pending() -> Any:
            description = await handle.describe()
            found = description.raw_description.pending_activities
            return found[0] if found and found[0].HasField("last_failure") else None

        activity = await eventually(pending)
        delivery.log.available = True
        await handle.result()
        found = [activity.last_failure]
        async for event in handle.fetch_history_events():
            found += failures(event)
        assert len(found) > 1
        for failure in found:
            assert failure.stack_trace == ""
            assert failure.message in {*SENTENCES.values(), "Activity task failed"}, failure
        assert "The database" not in await details(handle)


async def test_an_attempt_handed_out_early_says_so_without_a_stack_trace(client: Client) -> None:
    async with delivery_worker(client, [BUSY, None], retry=HOURS) as delivery:
        _, handle = await delivery.start()
        await delivery.reaches(handle, Status.RETRYING)

        async def put_off() -> Any:
            description = await handle.describe()
            found = description.raw_description.pending_activities
            return found[0].last_failure if found and found[0].HasField("last_failure") else None

        failure = await eventually(put_off)
        assert failure.application_failure_info.type == "NotDue"
        # That server's clock may stand in a century whose years look like numbers to call.
        due = (await delivery.status(handle)).next_attempt_at
        assert failure.message == masked(f"not before {due:%Y-%m-%d %H:%M:%S} UTC")
        assert failure.stack_trace == ""
        await handle.result()
