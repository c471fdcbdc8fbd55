"""When a process traces, what it takes from a caller, and what leaves it."""

import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode
from structlog.testing import capture_logs

from tidings.domain.shown_id import shown_id
from tidings.errors import SetupError
from tidings.tracing import going_on_from, is_on, parent_of, traceparent, tracing
from tidings.tracing.export import CleanExporter, clean
from tidings.tracing.set_up import is_wanted

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
COLLECTOR = {ENDPOINT: "http://127.0.0.1:4318"}
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CANARY = "canary7731"


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({ENDPOINT: " "}, False),
        (COLLECTOR, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://otel.example.com/v1/traces"}, True),
        (COLLECTOR | {"OTEL_SDK_DISABLED": "TRUE"}, False),
        (COLLECTOR | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (COLLECTOR | {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
    ids=["nothing", "blank", "endpoint", "traces", "disabled", "none", "spelt-out", "no-endpoint"],
)
def test_the_standard_variables_say_whether_to_trace(environment: dict[str, str], wanted: bool) -> None:
    assert is_wanted(environment) is wanted


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        (ENDPOINT, f"ftp://me:{CANARY}@127.0.0.1", "http://127.0.0.1:4318"),
        (ENDPOINT, "127.0.0.1:4318", "http://127.0.0.1:4318"),
        (ENDPOINT, "http://[::1", "http://127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp or none"),
        ("OTEL_EXPORTER_OTLP_HEADERS", f"a=b,{CANARY}", "name=value"),
    ],
    ids=["scheme", "no-scheme", "broken", "protocol", "exporter", "headers"],
)
def test_what_cannot_be_done_is_said_with_the_variable_and_the_remedy(
    name: str, value: str, remedy: str
) -> None:
    with pytest.raises(SetupError) as raised:
        is_wanted(COLLECTOR | {name: value})
    assert name in str(raised.value)
    assert remedy in str(raised.value)
    assert CANARY not in str(raised.value)


def test_an_endpoint_without_the_extra_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, COLLECTOR[ENDPOINT])
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with (
        pytest.raises(SetupError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT.*pip install 'tidings\[otel\]'"),
        tracing("x"),
    ):
        pass


def test_a_bad_number_is_a_bad_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, COLLECTOR[ENDPOINT])
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    with pytest.raises(SetupError, match="OTEL_"), tracing("x"):
        pass


def test_without_tracing_there_is_nothing_to_hand_on() -> None:
    with tracing("x"):
        assert not is_on()
        assert traceparent() is None


@pytest.mark.parametrize(
    "given",
    [
        [],
        [f"00-{TRACE}-{SPAN}-01"] * 2,
        [f"00-{'0' * 32}-{SPAN}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [f"ff-{TRACE}-{SPAN}-01"],
        [f"00-{TRACE.upper()}-{SPAN}-01"],
        [f"00-{TRACE}-{SPAN}"],
        [CANARY],
        ["0" * 100_000],
    ],
    ids=["none", "two", "zero-trace", "zero-span", "version", "capitals", "short", "garbage", "huge"],
)
def test_a_traceparent_that_is_not_one_is_passed_over(given: list[str]) -> None:
    assert not trace.get_current_span(parent_of(given)).get_span_context().is_valid


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True)])
def test_a_traceparent_says_trace_span_and_whether_it_is_recorded(flags: str, sampled: bool) -> None:
    context = trace.get_current_span(parent_of([f"00-{TRACE}-{SPAN}-{flags}"])).get_span_context()
    assert (f"{context.trace_id:032x}", f"{context.span_id:016x}") == (TRACE, SPAN)
    assert context.trace_flags.sampled is sampled


def test_what_goes_on_belongs_to_the_earlier_trace_and_the_present_span_links_to_it() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span("retry"), going_on_from(f"00-{TRACE}-{SPAN}-01"):
        assert traceparent() == f"00-{TRACE}-{SPAN}-01"
    [span] = exporter.get_finished_spans()
    [link] = span.links
    assert f"{link.context.trace_id:032x}" == TRACE
    with going_on_from(None):
        assert traceparent() is None


def test_nothing_leaves_but_what_is_on_the_list() -> None:
    said: dict[str, str | int] = {
        "tidings.attempt.outcome": "permanent",
        "url.full": CANARY,
        "exception.message": CANARY,
    }
    ids: dict[str, str | int] = {
        "tidings.notification.id": "3f2504e0-4f89-81d3-9a0c-0305e82c3301",
        "tidings.attempt.number": 3,
    }
    span = ReadableSpan(
        f"HandleSignal:{CANARY}@example.com",
        attributes={**said, **ids, "tidings.request.id": f"{CANARY}@example.com"},
        events=[Event("exception", {"exception.type": "ValueError", "exception.stacktrace": CANARY})],
        status=Status(StatusCode.ERROR, f"ValueError: {CANARY}"),
    )
    left = clean(span)
    assert left.name == "HandleSignal:[email]"
    assert left.attributes == {
        "tidings.attempt.outcome": "permanent",
        "tidings.request.id": "[email]",
        **ids,
    }
    [event] = left.events
    assert event.attributes == {"exception.type": "ValueError"}
    assert left.status.description == "ValueError"


@pytest.mark.parametrize(
    "name",
    [
        "POST /v1/notifications/{notification_id}/cancel",
        "StartWorkflow:DeliverNotification",
        "RunActivity:send",
        "send sendgrid",
    ],
)
def test_the_names_of_our_own_spans_stay(name: str) -> None:
    assert clean(ReadableSpan(name)).name == name


class Script(SpanExporter):
    def __init__(self, *results: SpanExportResult) -> None:
        self.results = list(results)

    def export(self, spans: object) -> SpanExportResult:
        """Do as the script says."""
        return self.results.pop(0)


def test_it_is_said_once_that_nothing_can_be_exported_and_once_that_it_can_again() -> None:
    failure, success = SpanExportResult.FAILURE, SpanExportResult.SUCCESS
    exporter = CleanExporter(Script(success, failure, failure, success, success, failure))
    with capture_logs() as lines:
        for _ in range(6):
            exporter.export([])
    assert [line["event"] for line in lines] == [
        "traces_not_exported",
        "traces_exported_again",
        "traces_not_exported",
    ]


@pytest.mark.parametrize(
    "id",
    [
        "notification-0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a",
        "schedule-0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a-fire-2026-11-21T14:00:00Z",
        "3f2504e04f8911d39a0c0305e82c3301",
        "order-1042",
    ],
)
def test_an_id_is_shown_whole(id: str) -> None:
    assert shown_id(id) == id


@pytest.mark.parametrize(
    "id",
    [
        f"{CANARY}@example.com",
        "+14155550137",
        "14155550137",
        "tel:+14155550137",
        "td_live_Ab3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY",
        "https://example.com/canary7731",
        "password:canary7731",
    ],
)
def test_what_is_no_id_is_masked(id: str) -> None:
    shown = shown_id(id)
    assert CANARY not in shown
    assert "4155550137" not in shown
    assert "Ab3dE5" not in shown
