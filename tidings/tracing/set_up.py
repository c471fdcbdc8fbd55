"""Whether a process traces, by OpenTelemetry's own variables, and that what it has seen goes out at its end.

The variables: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
https://opentelemetry.io/docs/specs/otel/protocol/exporter/.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opentelemetry import trace

import tidings
from tidings.errors import SetupError

if TYPE_CHECKING:
    from temporalio.contrib.opentelemetry import ReplaySafeTracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_EXPORTERS = "OTEL_TRACES_EXPORTER"
_DISABLED = "OTEL_SDK_DISABLED"
_LAST_EXPORT_SECONDS = 5
"""How long the end of a process waits for a collector: what is left then is lost."""


@contextmanager
def tracing(service: str) -> Iterator[None]:
    """Trace for the block, if the environment says so, as `service` unless it names another.

    OpenTelemetry has one provider in a process, so this is for a process's `main`. Raises SetupError.
    """
    if not is_wanted(os.environ):
        yield
        return
    provider = _provider(service)
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        # In a thread: the last export may hang for longer than whoever stops us is ready to wait.
        last = threading.Thread(target=provider.shutdown, daemon=True)
        last.start()
        last.join(_LAST_EXPORT_SECONDS)


def is_on() -> bool:
    """Whether this process traces."""
    # Named by what it can do: the SDK, which has its class, may not be installed.
    return hasattr(trace.get_tracer_provider(), "force_flush")


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the variables ask for traces. Raises SetupError for what they ask that cannot be done."""
    if environment.get(_DISABLED, "").strip().lower() == "true":
        return False
    exporter = environment.get(_EXPORTERS, "").strip().lower() or "otlp"
    if exporter == "none":
        return False
    endpoint = _first(environment, _ENDPOINTS)
    if endpoint is None:
        return False
    if exporter != "otlp":
        raise SetupError(f"{_EXPORTERS}: {exporter!r} is not supported: leave it empty, or set otlp or none.")
    _check_endpoint(*endpoint)
    protocol = _first(environment, _PROTOCOLS)
    if protocol is not None and protocol[1].lower() != "http/protobuf":
        raise SetupError(
            f"{protocol[0]}: {protocol[1]!r} is not supported: set http/protobuf, which collectors take "
            "on port 4318."
        )
    _check_headers(environment)
    return True


def _check_endpoint(name: str, value: str) -> None:
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        # Not repeated here: a URL may hold credentials.
        raise SetupError(f"{name}: not an http:// or https:// URL; a collector's is http://127.0.0.1:4318.")


def _check_headers(environment: Mapping[str, str]) -> None:
    for name in _HEADERS:
        for header in environment.get(name, "").split(","):
            if header.strip() and not header.partition("=")[1]:
                # Not repeated: it may be the key itself.
                raise SetupError(f"{name}: not of the form name=value,name=value, with %20 for a space.")


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str] | None:
    for name in names:
        if value := environment.get(name, "").strip():
            return name, value
    return None


def _provider(service: str) -> "ReplaySafeTracerProvider":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from temporalio.contrib.opentelemetry import create_tracer_provider

        from tidings.tracing.export import CleanExporter
    except ModuleNotFoundError as error:
        raise SetupError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT: traces need {error.name}: pip install 'tidings[otel]'."
        ) from error
    named = Resource({"service.name": service, "service.version": tidings.__version__})
    try:
        # The environment's own words about the service stand.
        resource = Resource.create().merge(named) if _nameless() else named.merge(Resource.create())
        provider = create_tracer_provider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(CleanExporter(OTLPSpanExporter())))
    except (ValueError, OSError) as error:
        raise SetupError(f"OTEL_…: traces cannot be set up: {error}. Check these variables.") from error
    return provider


def _nameless() -> bool:
    given = os.environ.get("OTEL_SERVICE_NAME", ""), os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return not given[0].strip() and "service.name=" not in given[1]
