"""Traces by OpenTelemetry: one from the caller's request over workflow and activities to the provider.

Off, and then free of cost, unless `OTEL_EXPORTER_OTLP_ENDPOINT` says where they go (docs/traces-and-logs.md).
"""

from tidings.tracing.set_up import is_on, tracing
from tidings.tracing.spans import going_on_from, http_status, parent_of, traceparent, tracer

__all__ = ["going_on_from", "http_status", "is_on", "parent_of", "traceparent", "tracer", "tracing"]
