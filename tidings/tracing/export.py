"""What leaves this process as a trace: attributes by a list, and no words of an exception.

Messages of exceptions quote addresses and values, and a library's next release may put anything into an
attribute: whatever is not on the list stays here.
"""

from collections.abc import Sequence
from typing import Any

import structlog
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status

from tidings.domain.masking import masked
from tidings.domain.shown_id import shown_id

ATTRIBUTES = frozenset(
    {
        "error.type",
        "exception.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "temporalActivityID",
        "temporalRunID",
        "temporalUpdateID",
        "temporalWorkflowID",
        "tidings.attempt.number",
        "tidings.attempt.outcome",
        "tidings.channel",
        "tidings.mode",
        "tidings.notification.id",
        "tidings.provider",
        "tidings.request.id",
        "tidings.tenant",
    }
)
"""All that a span, an event or a link may say."""

_IDS = frozenset(name for name in ATTRIBUTES if name.endswith(("ID", ".id")))
_MOST_CHARACTERS = 200

log = structlog.get_logger(__name__)


class CleanExporter(SpanExporter):
    """Hands on what may leave; says once that it cannot be handed on, and once that it can again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """In a thread of its own: nobody waits for it."""
        result = self._exporter.export([clean(span) for span in spans])
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            log.warning(
                "traces_not_exported",
                reason="the collector cannot be reached or refuses them; nothing else is affected",
                remedy="check OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS",
            )
        elif self._failing and not failed:
            log.info("traces_exported_again")
        self._failing = failed
        return result

    def shutdown(self) -> None:
        """Give up what is under way."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held here."""
        return self._exporter.force_flush(timeout_millis)


def clean(span: ReadableSpan) -> ReadableSpan:
    """The span as it may leave."""
    return ReadableSpan(
        name=_text(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_listed(span.attributes),
        events=[
            Event(_text(event.name), _listed(event.attributes), event.timestamp) for event in span.events
        ],
        links=[Link(link.context, _listed(link.attributes)) for link in span.links],
        kind=span.kind,
        status=Status(span.status.status_code, _kind(span.status.description)),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _listed(attributes: Any) -> BoundedAttributes:
    kept = {
        name: (shown_id if name in _IDS else _text)(value) if isinstance(value, str) else value
        for name, value in (attributes or {}).items()
        if name in ATTRIBUTES
    }
    return BoundedAttributes(attributes=kept)


def _kind(description: str | None) -> str | None:
    """Of `SomeError: its message`, the error's name."""
    return _text(description.partition(":")[0]) if description else description


def _text(value: str) -> str:
    return masked(value)[:_MOST_CHARACTERS]
