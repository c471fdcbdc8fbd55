"""What a line is about: the span that is under way, and the workflow that Temporal's SDK speaks of."""

import re
from typing import Any

from opentelemetry import trace
from structlog.typing import EventDict, WrappedLogger

from tidings.errors import UnreadablePayload
from tidings.logging.exceptions import error_of

_WORKFLOW_PREFIX = "notification-"

_STATUS = re.compile(
    r"""code: (?P<mark>'?)(?P<code>[\w ]+)(?P=mark), message: "(?P<message>(?:\\.|[^"\\])*)\""""
)
"""How the SDK's core writes a server's error: a Rust value, in either of two forms."""


def trace_context(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add `trace_id` and `span_id` while a span is under way."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event


def temporal_context(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Of what the SDK adds to its own lines keep the workflow, under the names that ours have."""
    event.pop("__temporal_error_identifier", None)
    core = event.pop("temporal_log", None)
    for name, said in getattr(core, "fields", {}).items():
        event.setdefault(name, _server_error(said))
    for name in ("temporal_activity", "temporal_workflow"):
        said = event.pop(name, None)
        if not isinstance(said, dict):
            continue
        event["event"] = str(event["event"]).partition(" ({'")[0]  # the same once more
        _is_about(event, said.get("workflow_id"))
        for theirs, ours in (("activity_type", "activity"), ("attempt", "activity_attempt")):
            if name == "temporal_activity" and theirs in said:
                event.setdefault(ours, said[theirs])
    return event


def unreadable_context(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name the workflow of a payload that was not opened: the SDK knows an activity only by what it opens.

    Before `exception_as_text`, which takes the exception away.
    """
    exception = error_of(event.get("exc_info"))
    for error in (exception, exception and exception.__cause__):
        if isinstance(error, UnreadablePayload):
            _is_about(event, error.workflow_id)
    return event


def _is_about(event: EventDict, workflow_id: Any) -> None:
    if not isinstance(workflow_id, str) or not workflow_id:
        return
    event.setdefault("workflow_id", workflow_id)
    if workflow_id.startswith(_WORKFLOW_PREFIX):
        event.setdefault("notification_id", workflow_id.removeprefix(_WORKFLOW_PREFIX))


def _server_error(said: Any) -> Any:
    """A server's error in its own words: of what is quoted, the log leaves the values out."""
    status = _STATUS.search(said) if isinstance(said, str) else None
    return f"{status['code']}: {status['message']}" if status else said
