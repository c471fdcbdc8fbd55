"""What an attempt comes to: a provider's answer, or the end of the worker that was making it."""

from datetime import UTC, datetime

from tidings.domain.notification import Attempt, DeliveryError
from tidings.domain.vocabulary import Outcome
from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure, TransientFailure
from tidings.providers.protocol import Acceptance


def finished(attempt: Attempt, answer: Acceptance | SendFailure, at: datetime) -> Attempt:
    """The attempt with the provider's answer to it."""
    if isinstance(answer, SendFailure):
        return failed(attempt, answer, at)
    return attempt.model_copy(
        update={
            "outcome": Outcome.ACCEPTED,
            "provider_reference": answer.reference,
            "response": answer.response,
            "finished_at": at,
        }
    )


def outcome_of(answer: Acceptance | SendFailure) -> Outcome:
    """What that answer makes of an attempt."""
    match answer:
        case Acceptance():
            return Outcome.ACCEPTED
        case TransientFailure():
            return Outcome.TRANSIENT
        case PermanentFailure():
            return Outcome.PERMANENT
        case _:
            return Outcome.UNKNOWN


def failed(attempt: Attempt, failure: SendFailure, at: datetime) -> Attempt:
    """The attempt with the reason why the message was not accepted, or may not have been."""
    wait = failure.retry_after if isinstance(failure, TransientFailure) else None
    return attempt.model_copy(
        update={
            "outcome": outcome_of(failure),
            "misconfigured": isinstance(failure, ProviderMisconfigured),
            "error": DeliveryError(code=failure.code, message=failure.message),
            "retry_after": wait.total_seconds() if wait is not None else None,
            "response": failure.response,
            "finished_at": at,
        }
    )


def settled(earlier: Attempt) -> Attempt:
    """What an earlier run of an attempt came to; `unknown` if it began and was never heard of again."""
    if earlier.outcome is not None:
        return earlier
    error = DeliveryError(
        code="worker_lost",
        message="The worker ended during the attempt: the provider may or may not have taken the message.",
    )
    update = {"outcome": Outcome.UNKNOWN, "error": error, "finished_at": datetime.now(UTC)}
    return earlier.model_copy(update=update)
