"""Temporal's part in a trace: the SDK's own plugin, where this process traces."""

from temporalio.client import Plugin

from tidings import tracing


def trace_plugins() -> list[Plugin]:
    """The plugins for a client; its workers take them from there. None, and no header, without tracing."""
    if not tracing.is_on():
        return []
    from temporalio.contrib.opentelemetry import OpenTelemetryPlugin

    return [OpenTelemetryPlugin(add_temporal_spans=True)]
