"""One attempt in a trace: whom we called for which notification, and what came of it. Never for whom."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import Span, SpanKind, StatusCode

from activities.attempt_outcome import outcome_of
from tidings.domain.notification import Notification
from tidings.errors import ProviderMisconfigured, SendFailure
from tidings.providers.protocol import Acceptance
from tidings.tracing import tracer

_tracer = tracer()


@contextmanager
def attempt_span(provider: str, notification: Notification, number: int) -> Iterator[Span]:
    """The span `send <provider>`, around all that the attempt asks of it."""
    with _tracer.start_as_current_span(
        f"send {provider}",
        kind=SpanKind.CLIENT,
        attributes={
            "tidings.notification.id": str(notification.id),
            "tidings.tenant": notification.tenant,
            "tidings.channel": notification.channel.value,
            "tidings.mode": notification.mode.value,
            "tidings.provider": provider,
            "tidings.attempt.number": number,
        },
        # What an exception says may quote the recipient.
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


def note_answer(span: Span, answer: Acceptance | SendFailure) -> None:
    """Note what came of it. A fault of our set-up, which an operator must see to, is an event of its own."""
    span.set_attribute("tidings.attempt.outcome", outcome_of(answer).value)
    if isinstance(answer, SendFailure):
        span.set_attribute("error.type", answer.code)
        span.set_status(StatusCode.ERROR, answer.code)
    if isinstance(answer, ProviderMisconfigured):
        span.add_event("provider_misconfigured", {"error.type": answer.code})
