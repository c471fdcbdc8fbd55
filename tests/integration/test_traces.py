"""Traces, with everything real: API and worker as processes, Temporal, and a collector that takes OTLP."""

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from temporalio.client import Client

from tests.collector import Collector, attributes, collecting
from tests.encryption import CONVERTER
from tests.processes import System, Target, running_system, target
from tests.support import eventually, free_port
from tests.worker_process import worker_process
from tidings.local.temporal_server import TemporalServer
from tidings.temporal import names
from tidings.temporal.correlation import HEADER

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
CANARY = "canary7731"
SECRETS = {
    "subject": f"subject {CANARY}",
    "body": f"body {CANARY}",
    "metadata": {"note": f"metadata {CANARY}"},
}
HEADERS = {
    "traceparent": f"00-{TRACE}-{CALLER}-01",
    "tracestate": f"vendor={CANARY}",
    "baggage": f"recipient={CANARY}",
}


@asynccontextmanager
async def traced_system(
    folder: Path, server: TemporalServer, database_url: str, **environment: str
) -> AsyncIterator[tuple[Collector, Target, System]]:
    """A running system, the collector that it exports to, and a target for webhooks."""
    async with (
        collecting() as collector,
        target() as called,
        running_system(
            folder,
            temporal_address=server.address,
            database_url=database_url,
            smtp_port=1,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            **environment,
        ) as system,
    ):
        yield collector, called, system


async def test_one_trace_goes_from_the_callers_request_to_the_providers_answer_and_on_to_a_retry_by_hand(
    temporal_server: TemporalServer, temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    async with traced_system(tmp_path, temporal_server, database_url, TIDINGS_RETRY_WINDOW="0") as (
        collector,
        called,
        system,
    ):
        called.script, called.text = [503, 400, 200], f"no {CANARY}"
        recipient = f"{called.url}?token={CANARY}"
        id = await system.submitted({"channel": "webhook", "recipient": recipient, **SECRETS}, HEADERS)
        await system.reaches(id, "failed")
        # The run is over: what comes now is another, started by a process that does not trace.
        await temporal_client.get_workflow_handle(names.workflow_id(id)).result()
        retried = await system.command("retry", id)
        assert retried.status == 0, retried.err
        await system.reaches(id, "sent")
        await temporal_client.get_workflow_handle(names.workflow_id(id)).result()
        await system.end()

        spans = collector.of_trace(TRACE)
        by_id = {span.span_id: span for span in spans}
        assert collector.services == {"tidings-api", "tidings-worker"}
        [request] = [span for span in spans if span.name == "POST /v1/notifications"]
        assert request.parent_span_id.hex() == CALLER
        assert attributes(request)["http.response.status_code"] == 201
        sends = [span for span in spans if span.name == "send webhook"]
        assert [kind(span) for span in sends] == [
            (1, "transient", 503),
            (2, "permanent", 400),
            (3, "accepted", 200),
        ]
        assert [span.status.code for span in sends] == [Status.STATUS_CODE_ERROR] * 2 + [
            Status.STATUS_CODE_UNSET
        ]
        assert {attributes(span)["tidings.notification.id"] for span in sends} == {id}
        assert {attributes(span)["tidings.tenant"] for span in sends} == {"acme"}
        above = [by_id[sends[0].span_id]]
        while above[-1].parent_span_id in by_id:
            above.append(by_id[above[-1].parent_span_id])
        assert [span.name for span in above] == [
            "send webhook",
            "RunActivity:send",
            "StartActivity:send",
            "RunWorkflow:DeliverNotification",
            "StartWorkflow:DeliverNotification",
            "POST /v1/notifications",
        ]
        assert len(by_id) == len(spans), "a span was exported twice"
        assert [headers["traceparent"] for headers in called.headers] == [
            f"00-{TRACE}-{span.span_id.hex()}-01" for span in sends
        ]
        assert not {"baggage", "tracestate"} & {name for headers in called.headers for name in headers}
        for secret in (CANARY, system.key, called.url):
            assert secret.encode() not in collector.received


def kind(span: Span) -> tuple[object, ...]:
    said = attributes(span)
    wanted = ("tidings.attempt.number", "tidings.attempt.outcome", "http.response.status_code")
    return tuple(said[name] for name in wanted)


async def test_what_the_caller_does_not_record_is_not_recorded_and_garbage_begins_a_trace(
    temporal_server: TemporalServer, database_url: str, tmp_path: Path
) -> None:
    async with traced_system(tmp_path, temporal_server, database_url, OTEL_SERVICE_NAME="mine") as (
        collector,
        called,
        system,
    ):
        fields = {"channel": "webhook", "recipient": called.url, "body": "Hello"}
        for traceparent in (f"00-{TRACE}-{CALLER}-00", f"00-{TRACE}-{'0' * 16}-01", f"{CANARY}-01"):
            id = await system.submitted(fields, {"traceparent": traceparent})
            await system.reaches(id, "sent")
        await system.end()
        unsampled, *own = [headers["traceparent"] for headers in called.headers]
        assert unsampled.startswith(f"00-{TRACE}-")
        assert unsampled.endswith("-00")
        assert collector.of_trace(TRACE) == []
        for traceparent in own:
            names_seen = {span.name for span in collector.of_trace(traceparent.split("-")[1])}
            assert {"POST /v1/notifications", "send webhook"} <= names_seen
        assert collector.services == {"mine"}
        assert CANARY.encode() not in collector.received


async def test_a_collector_that_is_away_holds_nothing_up_and_is_told_of_once(
    temporal_server: TemporalServer, database_url: str, tmp_path: Path
) -> None:
    async with (
        target() as called,
        running_system(
            tmp_path,
            temporal_address=temporal_server.address,
            database_url=database_url,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}",
            OTEL_EXPORTER_OTLP_TIMEOUT="1",
            OTEL_BSP_SCHEDULE_DELAY="50",
        ) as system,
    ):
        fields = {"channel": "webhook", "recipient": called.url, "body": "Hello"}
        for _ in range(3):
            await system.reaches(await system.submitted(fields), "sent")
        await eventually(lambda: system.said().count("traces_not_exported") == 2)
        await system.reaches(await system.submitted(fields), "sent")
        await system.end()
        lines = [json.loads(line) for line in system.said().splitlines()]
    assert [line["message"] for line in lines].count("traces_not_exported") == 2, "once each"
    assert not [line for line in lines if line["logger"].startswith(("opentelemetry", "urllib3"))]
    assert len(called.headers) == 4


async def test_without_an_endpoint_nothing_is_traced_and_the_history_is_the_same_event_by_event(
    temporal_server: TemporalServer, temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    histories: list[list[Any]] = []
    async with collecting() as collector, target() as called:
        for endpoint in ("", collector.url):
            folder = tmp_path / f"endpoint-{bool(endpoint)}"
            folder.mkdir()
            async with running_system(
                folder,
                temporal_address=temporal_server.address,
                database_url=database_url,
                OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            ) as system:
                fields = {"channel": "webhook", "recipient": called.url, "body": "Hello"}
                id = await system.submitted(fields, {"traceparent": HEADERS["traceparent"]})
                await system.reaches(id, "sent")
                handle = temporal_client.get_workflow_handle(names.workflow_id(id))
                await handle.result()
                histories.append([event async for event in handle.fetch_history_events()])
                await system.end()
    off, on = histories
    assert [event.event_type for event in off] == [event.event_type for event in on]
    assert not any(b"_tracer-data" in event.SerializeToString() for event in off)
    assert any(b"_tracer-data" in event.SerializeToString() for event in on)
    assert "traceparent" not in called.headers[0]
    assert "traceparent" in called.headers[1]


async def test_a_workflow_that_another_worker_takes_over_has_each_span_once(
    temporal_server: TemporalServer, temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    servers = {"temporal_address": temporal_server.address, "database_url": database_url}
    async with collecting() as collector, target() as called:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "TIDINGS_RETRY_WEBHOOK": '{"attempts": 1, "first": 1, "factor": 1, "cap": 1, "jitter": 0}',
        }
        called.script = [400, 200]
        async with running_system(tmp_path, smtp_port=1, **servers, **settings) as system:
            fields = {"channel": "webhook", "recipient": called.url, "body": "Hello"}
            id = await system.submitted(fields, HEADERS)
            await system.reaches(id, "failed")
            handle = temporal_client.get_workflow_handle(names.workflow_id(id))

            async def has_heard() -> bool:
                known = (await handle.describe()).typed_search_attributes
                return known.get(names.NOTIFICATION_STATUS) == "failed"

            # The database knows first.
            await eventually(has_heard)
            # It stays open, for a retry by hand: this worker ends before it does, and the next one replays.
            await system.worker_ends()
            allowed = {"TIDINGS_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}
            second = tmp_path / "second.log"
            async with worker_process(second, smtp_port=1, **servers, **settings, **allowed) as worker:
                assert (await system.command("retry", id)).status == 0
                await system.reaches(id, "sent")
                await handle.result()
                worker.process.send_signal(signal.SIGTERM)
                assert await worker.process.wait() == 0
            await system.end()
        spans = collector.of_trace(TRACE)
        assert len({span.span_id for span in spans}) == len(spans)
        named = [span.name for span in spans]
        assert named.count("RunWorkflow:DeliverNotification") == 1
        assert named.count("RunActivity:send") == named.count("StartActivity:send") == 2
        assert "HandleSignal:retry" in named


async def test_trace_and_request_go_over_to_the_next_run_of_a_long_history(
    database_url: str, tmp_path: Path
) -> None:
    server = TemporalServer(
        *(free_port(), free_port()),
        db_file=None,
        log_file=tmp_path / "temporal.log",
        dynamic_config=["limit.historyCount.suggestContinueAsNew=50"],
    )
    await server.start()
    try:
        client = await Client.connect(server.address, data_converter=CONVERTER)
        retry = '{"attempts": 2, "first": 3600, "factor": 1, "cap": 3600, "jitter": 0}'
        async with traced_system(tmp_path, server, database_url, TIDINGS_RETRY_WEBHOOK=retry) as (
            collector,
            called,
            system,
        ):
            called.script = [503, 200]
            fields = {"channel": "webhook", "recipient": called.url, "body": "Hello"}
            id = await system.submitted(fields, {**HEADERS, "X-Request-ID": "order-1042"})
            await system.reaches(id, "retrying")
            handle = client.get_workflow_handle(names.workflow_id(id))
            first = (await handle.describe()).run_id

            async def handed_over() -> bool:
                await handle.signal("misspelt")
                return (await handle.describe()).run_id != first

            await eventually(handed_over, interval=0)
            assert (await system.command("retry", id)).status == 0
            await system.reaches(id, "sent")
            await handle.result()
            [started, *_] = [event async for event in handle.fetch_history_events()]
            await system.end()
        told = started.workflow_execution_started_event_attributes.header.fields[HEADER]
        assert json.loads(told.data) == {"request_id": "order-1042"}
        spans = collector.of_trace(TRACE)
        sends = [span for span in spans if span.name == "send webhook"]
        assert [kind(span)[0] for span in sends] == [1, 2]
        assert [span.name for span in spans].count("RunWorkflow:DeliverNotification") > 1
    finally:
        await server.stop(hurry=True)
