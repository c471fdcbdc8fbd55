"""What the rooms say of their part in a trace. While this process does not trace, all of it does nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import tidings

_MOST_CHARACTERS = 200
"""A traceparent has 55; later versions may have more. Of far longer ones the library complains each time."""

_TRACEPARENT = TraceContextTextMapPropagator()


def tracer() -> Tracer:
    """Ours. One that is got before the process begins to trace will trace from then on."""
    return trace.get_tracer("tidings", tidings.__version__)


def parent_of(traceparents: Sequence[str]) -> Context:
    """What the caller's `traceparent` headers say (W3C Trace Context, 3.2): nothing, unless one and valid.

    Neither `tracestate` nor `baggage` is taken over: they may hold anything, personal data too.
    """
    if len(traceparents) != 1 or len(traceparents[0]) > _MOST_CHARACTERS:
        return Context()
    return _TRACEPARENT.extract({"traceparent": traceparents[0]}, context=Context())


def traceparent() -> str | None:
    """The header that says where we are, for whoever is called next; None while nothing is traced."""
    carrier: dict[str, str] = {}
    _TRACEPARENT.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def going_on_from(earlier: str | None) -> Iterator[None]:
    """Have what begins in the block belong to an earlier trace; the span that is under way links to it."""
    context = parent_of([earlier] if earlier else [])
    known = trace.get_current_span(context).get_span_context()
    if not known.is_valid:
        yield
        return
    trace.get_current_span().add_link(known)
    token = attach(context)
    try:
        yield
    finally:
        detach(token)


def http_status(status: int) -> None:
    """Note what a provider answered, with the attempt that is under way."""
    trace.get_current_span().set_attribute("http.response.status_code", status)
