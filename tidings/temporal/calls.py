"""The one place where the client's errors become OrchestratorUnavailable."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.service import RPCError, RPCStatusCode

from tidings.errors import AccessRefused, NamespaceNotReady, OrchestratorUnavailable
from tidings.temporal import names

REFUSED = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED})
"""Who we are, or what we may do, is the matter. Temporal Cloud says so of an unknown namespace too."""

_AWAY = frozenset({RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})
"""CANCELLED is what the SDK makes of its own time limit."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn what a call of Temporal raises while it cannot be reached, or refuses us, into one error."""
    try:
        yield
    except RPCError as error:
        raise unavailable(error) from error
    except RuntimeError as error:
        # What a lazily connected client raises when its first connection fails.
        if "connect" not in str(error).lower():
            raise
        raise OrchestratorUnavailable(
            f"Temporal cannot be reached ({cause(str(error))}): "
            "see TEMPORAL_ADDRESS, TEMPORAL_TLS_… and TEMPORAL_API_KEY."
        ) from error


def unavailable(error: RPCError) -> OrchestratorUnavailable:
    """What a refused or failed call means, in a line that says what to do."""
    said = f"{error.status.name}: {error.message}"
    namespace = missing_namespace(error)
    if namespace is not None:
        return NamespaceNotReady(namespace_missing(namespace))
    if error.status in REFUSED:
        return AccessRefused(
            f"Temporal refuses us ({said}): check TEMPORAL_API_KEY, TEMPORAL_TLS_… and TEMPORAL_NAMESPACE."
        )
    if error.status in _AWAY:
        return OrchestratorUnavailable(f"Temporal does not answer ({said}): see TEMPORAL_ADDRESS.")
    if error.status is RPCStatusCode.INVALID_ARGUMENT:
        unknown = [attribute.name for attribute in names.SEARCH_ATTRIBUTES if attribute.name in error.message]
        if unknown:
            return NamespaceNotReady(
                f"Temporal does not take the search attribute {unknown[0]} ({error.message}): "
                "run `tidings migrate`."
            )
    return OrchestratorUnavailable(f"Temporal: {said}")


def namespace_missing(namespace: str) -> str:
    """What to say of a namespace that is not there."""
    return (
        f"Temporal has no namespace {namespace!r}: `tidings migrate` creates it, "
        "or TEMPORAL_NAMESPACE names another."
    )


def missing_namespace(error: RPCError) -> str | None:
    """The namespace that is not there, if that is the error: a missing workflow has the same status."""
    if error.status is not RPCStatusCode.NOT_FOUND:
        return None
    failure = NamespaceNotFoundFailure()
    for detail in error.grpc_status.details:
        if detail.Unpack(failure):
            return failure.namespace
    return None


def is_absence(error: RPCError) -> bool:
    """Whether what was asked for is not there, in a namespace that is."""
    return error.status is RPCStatusCode.NOT_FOUND and missing_namespace(error) is None


def cause(text: str) -> str:
    """The innermost words of what the SDK's core gives as a Rust value written out."""
    status = re.search(r'code: (\w+), message: "([^"]*)"', text)
    if status is not None and status[2] != "transport error":
        return f"{status[1]}: {status[2]}"
    quoted: list[str] = re.findall(r'"([^"]+)"', text)
    if quoted:
        return quoted[-1]
    innermost = re.search(r"\w+(?:\(\w+)*(?=[\s)}]*$)", text)
    return innermost[0].replace("(", ": ") if innermost else "unknown cause"
