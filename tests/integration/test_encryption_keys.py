"""Keys that are missing, wrong or new: nothing is lost, nothing crashes, and the remedy is named."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client

from activities.memory_log import InMemoryDeliveryLog
from tests.encryption import KEY, OTHER_KEY
from tests.integration.api import EMAIL, make_key, running_api
from tests.integration.command_line import tidings
from tests.promql import COUNTED_ONCE_TASKS_FAIL
from tests.scraping import Scrape
from tests.support import eventually, free_port
from tests.worker_process import worker_process
from tests.workflows.delivery import Handle, delivery_worker
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.vocabulary import Status
from tidings.errors import TransientFailure
from tidings.local.temporal_server import NAMESPACE, TemporalServer
from tidings.messages.delivery import DeliveryResult
from tidings.temporal import names
from tidings.temporal.encryption.converter import data_converter
from tidings.temporal.encryption.keys import NO_KEYS, Key, Keyring, written

A, B = KEY, OTHER_KEY
LACKS_A = f"Sealed with the key '{A.id}', which this process does not have: add it to TIDINGS_CODEC_KEYS."
BUSY = TransientFailure("smtp_451", "try again later")
HOURS = RetrySchedule(attempts=5, first=3_600, factor=1, cap=3_600, jitter=0)


async def client_with(server: TemporalServer, *keys: Key) -> Client:
    """A connection of a process that has these keys."""
    return await client_of(server, Keyring(keys))


async def client_of(server: TemporalServer, keys: Keyring) -> Client:
    """A connection of a process that has this keyring."""
    return await Client.connect(server.address, namespace=NAMESPACE, data_converter=data_converter(keys))


def handle_of(client: Client, handle: Handle) -> Handle:
    return client.get_workflow_handle(handle.id, result_type=DeliveryResult)


async def failed_tasks(handle: Handle) -> list[Failure]:
    events = (await handle.fetch_history()).events
    return [
        event.workflow_task_failed_event_attributes.failure
        for event in events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    ]


@pytest.mark.parametrize(
    "lacks", [Keyring((B,)), NO_KEYS], ids=["another key", "switched off, and no key kept"]
)
async def test_a_worker_without_the_key_leaves_the_notification_to_one_that_has_it(
    lacks: Keyring, temporal_server: TemporalServer
) -> None:
    writer = await client_with(temporal_server, A)
    log = InMemoryDeliveryLog()
    lacking = await client_of(temporal_server, lacks)
    async with delivery_worker(lacking, log=log) as without:
        without.client = writer
        _, handle = await without.start()
        failure, *_ = await eventually(lambda: failed_tasks(handle))
        # In clear: whoever lacks the key reads that it is lacking.
        assert failure.message == LACKS_A
        assert failure.application_failure_info.type == "UnknownCodecKey"
        assert failure.stack_trace == ""
        # The same worker goes on with what it can open.
        without.client = lacking
        _, other = await without.start()
        assert (await other.result()).state.status is Status.SENT
        assert len(without.provider.calls) == 1
    assert len(await failed_tasks(handle)) <= 3
    both = await client_with(temporal_server, B, A)
    async with delivery_worker(both, log=log) as with_both:
        assert (await handle_of(both, handle).result()).state.status is Status.SENT
        assert len(with_both.provider.calls) == 1


async def test_a_worker_without_the_key_counts_and_logs_what_it_cannot_carry_out(
    temporal_server: TemporalServer, database_url: str, tmp_path: Path
) -> None:
    """By these counts the alert TidingsTasksFailing finds it; by the log it is told of which notification."""
    writer = await client_with(temporal_server, A)
    async with delivery_worker(writer, sends=False) as delivery:
        _, handle = await delivery.start()
        await eventually(lambda: delivery.status(handle))
    port = free_port()
    async with worker_process(
        tmp_path / "worker.log",
        temporal_address=temporal_server.address,
        database_url=database_url,
        smtp_port=1,
        TIDINGS_CODEC_KEYS=str(B),
        TIDINGS_WORKER_METRICS_PORT=str(port),
    ) as without:
        await handle.signal(names.SIGNAL_RETRY)

        async def counted() -> bool:
            labels = (await Scrape.of(f"http://127.0.0.1:{port}/metrics")).labels()
            found = {name: labels.get(name, set()) for name in COUNTED_ONCE_TASKS_FAIL}
            assert found == COUNTED_ONCE_TASKS_FAIL
            return True

        await eventually(counted)
        said = [json.loads(line) for line in without.log_file.read_text().splitlines()]
        for logger in ("temporalio.activity", "temporalio.worker._workflow"):
            lines = [line for line in said if line["logger"] == logger and handle.id in str(line)]
            assert lines, logger
            assert all(line["workflow_id"] == handle.id for line in lines)
            assert all(LACKS_A in line["exception"] for line in lines)
    await handle.terminate()


async def test_keys_are_rotated_under_notifications_that_are_under_way(
    temporal_server: TemporalServer,
) -> None:
    """A, then B with A behind it, then B alone: each notification outlives the step it began in."""
    a, b_a, b = [await client_with(temporal_server, *keys) for keys in ((A,), (B, A), (B,))]
    log = InMemoryDeliveryLog()
    async with delivery_worker(a, [BUSY], retry=HOURS, log=log) as delivery:
        _, first = await delivery.start()
        _, second = await delivery.start()
        await delivery.reaches(first, Status.RETRYING)
        await delivery.reaches(second, Status.RETRYING)
    async with delivery_worker(b_a, [None, BUSY], retry=HOURS, log=log) as delivery:
        await handle_of(b_a, first).signal(names.SIGNAL_RETRY)
        assert (await handle_of(b_a, first).result()).state.status is Status.SENT
        _, third = await delivery.start()
        await delivery.reaches(third, Status.RETRYING)
    async with delivery_worker(b, [None], retry=HOURS, log=log):
        await third.signal(names.SIGNAL_RETRY)
        assert (await handle_of(b, third).result()).state.status is Status.SENT
        # One that began with A was given up too soon: it waits for its key, and says so.
        await second.signal(names.SIGNAL_RETRY)
        failure, *_ = await eventually(lambda: failed_tasks(second))
        assert failure.message == LACKS_A
    async with delivery_worker(b_a, [None], retry=HOURS, log=log):
        assert (await handle_of(b_a, second).result()).state.status is Status.SENT


async def test_switched_off_what_was_sealed_goes_on_in_clear(temporal_server: TemporalServer) -> None:
    on = await client_with(temporal_server, A)
    off = await client_of(temporal_server, Keyring((A,), seals=False))
    log = InMemoryDeliveryLog()
    async with delivery_worker(on, [BUSY], retry=HOURS, log=log) as delivery:
        _, handle = await delivery.start()
        await delivery.reaches(handle, Status.RETRYING)
    async with delivery_worker(off, [None], retry=HOURS, log=log):
        await handle.signal(names.SIGNAL_RETRY)
        assert (await handle_of(off, handle).result()).state.status is Status.SENT
    last = (await handle.fetch_history()).events[-1]
    (result,) = last.workflow_execution_completed_event_attributes.result.payloads
    assert result.metadata["encoding"] == b"json/plain"


async def test_what_was_written_before_there_were_keys_goes_on_sealed(
    temporal_server: TemporalServer, temporal_client: Client
) -> None:
    before = await client_of(temporal_server, NO_KEYS)
    log = InMemoryDeliveryLog()
    async with delivery_worker(before, [BUSY], retry=HOURS, log=log) as delivery:
        _, handle = await delivery.start()
        await delivery.reaches(handle, Status.RETRYING)
    async with delivery_worker(temporal_client, [None], retry=HOURS, log=log):
        # As the `temporal` command would: a reason in clear.
        await handle.signal(names.SIGNAL_RETRY, "the provider is back")
        assert (await handle_of(temporal_client, handle).result()).state.status is Status.SENT
    last = (await handle.fetch_history()).events[-1]
    (result,) = last.workflow_execution_completed_event_attributes.result.payloads
    assert result.metadata["encoding"] == b"binary/encrypted"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"TIDINGS_CODEC_KEYS": str(B)}, id="another key"),
        pytest.param({"TIDINGS_CODEC": "off", "TIDINGS_CODEC_KEYS": ""}, id="switched off, and no key kept"),
    ],
)
async def test_an_api_without_the_key_answers_503_and_one_with_it_answers(
    other: dict[str, str], temporal_server: TemporalServer, database_url: str
) -> None:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        id = await api.submitted()
        async with running_api(database_url, temporal_server.address, key=key, environment=other) as without:
            answer = await without.get(f"/v1/notifications/{id}")
            assert answer.status == 503
            assert answer.json["type"] == "/problems/orchestrator-unavailable"
            assert answer.json["detail"].startswith("What Temporal has of this is sealed")
            assert answer.headers["Retry-After"]
            # It serves all else.
            assert (await without.post("/v1/notifications", json=EMAIL)).status == 201
        assert (await api.get(f"/v1/notifications/{id}")).json["recipient"] == EMAIL["recipient"]


@pytest.mark.parametrize("command", ["cancel", "retry"])
async def test_a_command_without_the_key_says_so_on_one_line_and_signals_nothing(
    command: str, temporal_server: TemporalServer, temporal_client: Client
) -> None:
    """What it sealed could not be opened by the workflow's worker, which would be stuck with it."""
    async with delivery_worker(temporal_client, [BUSY], retry=HOURS, sends=False) as delivery:
        notification, handle = await delivery.start()
        await eventually(lambda: delivery.status(handle))
        ended = await tidings(
            *(command, str(notification.id), "--reason", "somebody asked"),
            TEMPORAL_ADDRESS=temporal_server.address,
            TEMPORAL_CONFIG_FILE=os.devnull,
            TIDINGS_CODEC_KEYS=str(B),
        )
        assert (ended.status, ended.err) == (1, "")
        assert ended.out == f"{notification.id}  not done: {LACKS_A}\n"
        kinds = {event.event_type for event in (await handle.fetch_history()).events}
        assert EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED not in kinds
        await handle.terminate()


@pytest.mark.parametrize("part", ["api", "worker"])
async def test_a_process_without_any_key_does_not_start(part: str, temporal_server: TemporalServer) -> None:
    ended = await tidings(
        part,
        TEMPORAL_ADDRESS=temporal_server.address,
        TEMPORAL_CONFIG_FILE=os.devnull,
        TIDINGS_API_PORT=str(free_port()),
        TIDINGS_CODEC_KEYS="",
    )
    assert ended.status == 1
    assert "`tidings codec new-key`" in ended.err
    assert ended.err.count("\n") == 1


async def test_a_mounted_file_of_keys_serves_as_well(
    temporal_server: TemporalServer, temporal_client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text(written((B, A)).replace(",", "\n"))
    async with delivery_worker(temporal_client, [BUSY], retry=HOURS, sends=False) as delivery:
        notification, handle = await delivery.start()
        await eventually(lambda: delivery.status(handle))
        ended: Any = await tidings(
            *("cancel", str(notification.id)),
            TEMPORAL_ADDRESS=temporal_server.address,
            TEMPORAL_CONFIG_FILE=os.devnull,
            TIDINGS_CODEC_KEYS="",
            TIDINGS_CODEC_KEYS_FILE=str(file),
        )
        assert ended.status == 0, ended.err
        assert "cancelled" in ended.out
        assert (await handle.result()).state.status is Status.CANCELLED
