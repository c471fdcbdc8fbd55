"""Which request and which tenant a workflow's activities work for, so that their lines in the log say so.

It travels in a header, which Temporal keeps with the workflow and its activities: no event is added. The
header is not encrypted, so a caller's request id goes in masked.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

import structlog
from temporalio import activity, client, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

from tidings import tracing
from tidings.domain.shown_id import shown_id
from tidings.temporal import names

HEADER = "tidings"
TRACE_HEADER = "_tracer-data"
"""Where `temporalio.contrib.opentelemetry` keeps its context."""

Headers = Mapping[str, Payload]

_NONE: Headers = {}
_earlier: ContextVar[Headers] = ContextVar("earlier", default=_NONE)


@contextmanager
def going_on_from(headers: Headers) -> Iterator[None]:
    """Start workflows as the next runs of the one that was started with these headers."""
    token = _earlier.set({name: headers[name] for name in (HEADER, TRACE_HEADER) if name in headers})
    try:
        # For a process that traces: its plugin writes the header anew.
        with tracing.going_on_from(_unpacked(headers, TRACE_HEADER).get("traceparent")):
            yield
    finally:
        _earlier.reset(token)


class Correlation(client.Interceptor, worker.Interceptor):
    """For clients; their workers take it from there."""

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        """What is started is told of the request that is under way."""
        return _Client(next)

    def intercept_activity(
        self, next: worker.ActivityInboundInterceptor
    ) -> worker.ActivityInboundInterceptor:
        """What is logged meanwhile names notification, tenant, workflow, request and attempt."""
        return _Activities(next)

    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor]:
        """What a workflow starts is told what it was told."""
        return _Workflows


class _Client(client.OutboundInterceptor):
    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        ours = {HEADER: _packed({"request_id": shown_id(request_id)})} if request_id else {}
        input.headers = {**input.headers, **ours, **_earlier.get()}
        return await super().start_workflow(input)


class _Activities(worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        told = {"workflow_id": activity.info().workflow_id, **_unpacked(input.headers)}
        if input.args:
            told |= _named_by(input.args[0])
        told = {name: value for name, value in told.items() if value is not None}
        # Not taken back: the run has a context of its own, and the SDK says after us that it has failed.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(**told)
        return await super().execute_activity(input)


def _named_by(request: Any) -> dict[str, Any]:
    """What an activity's request says of its notification."""
    notification = getattr(request, "notification", None)
    id = getattr(notification, "id", None) or getattr(request, "notification_id", None)
    attempt = getattr(request, "attempt", None)
    number = getattr(request, "number", None) or getattr(attempt, "number", None)
    told = {"notification_id": str(id) if id else None, "attempt": number}
    if notification is not None:
        told["tenant"] = notification.tenant
    return told


class _Workflows(worker.WorkflowInboundInterceptor):
    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(_FromWorkflow(outbound))

    async def handle_signal(self, input: worker.HandleSignalInput) -> None:
        input.headers = _traced(input.headers)
        await super().handle_signal(input)

    async def handle_query(self, input: worker.HandleQueryInput) -> Any:
        input.headers = _traced(input.headers)
        return await super().handle_query(input)


def _traced(headers: Headers) -> Headers:
    """A signal that came without a trace, by the command line say, belongs to the notification's."""
    started_with = workflow.info().headers
    if TRACE_HEADER in headers or TRACE_HEADER not in started_with:
        return headers
    return {**headers, TRACE_HEADER: started_with[TRACE_HEADER]}


class _FromWorkflow(worker.WorkflowOutboundInterceptor):
    def start_activity(self, input: worker.StartActivityInput) -> workflow.ActivityHandle[Any]:
        input.headers = {**input.headers, **_told()}
        return super().start_activity(input)

    def start_local_activity(self, input: worker.StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        input.headers = {**input.headers, **_told()}
        return super().start_local_activity(input)

    async def start_child_workflow(
        self, input: worker.StartChildWorkflowInput
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        input.headers = {**input.headers, **_kept()}
        return await super().start_child_workflow(input)

    def continue_as_new(self, input: worker.ContinueAsNewInput) -> NoReturn:
        input.headers = {**input.headers, **_kept()}
        super().continue_as_new(input)


def _kept() -> Headers:
    """What this run was told, for one that goes on from it."""
    headers = workflow.info().headers
    return {HEADER: headers[HEADER]} if HEADER in headers else _NONE


def _told() -> Headers:
    """What this run was told and its tenant, for an activity."""
    tenant = workflow.info().typed_search_attributes.get(names.NOTIFICATION_TENANT)
    told = _unpacked(workflow.info().headers) | ({"tenant": tenant} if tenant else {})
    return {HEADER: _packed(told)} if told else _NONE


def _packed(told: dict[str, str]) -> Payload:
    return PayloadConverter.default.to_payload(told)


def _unpacked(headers: Headers, name: str = HEADER) -> dict[str, str]:
    """What a header says, of all that we look for in one; nothing, if it is not there or not to be read."""
    if name not in headers:
        return {}
    try:
        told: Any = PayloadConverter.default.from_payload(headers[name])
    except Exception:  # whatever the converter makes of it: a line in the log is not worth a failed task
        return {}
    if not isinstance(told, dict):
        return {}
    known = ("request_id", "tenant", "traceparent")
    return {name: told[name] for name in known if isinstance(told.get(name), str)}
