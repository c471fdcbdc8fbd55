"""The one place where the client's errors become OrchestratorUnavailable."""

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.service import RPCError

from tidings.errors import OrchestratorUnavailable


@contextmanager
def translated() -> Iterator[None]:
    """Turn what a call of Temporal raises while it cannot be reached, or refuses us, into one error."""
    try:
        yield
    except RPCError as error:
        raise OrchestratorUnavailable(f"Temporal: {error.status.name}: {error.message}") from error
    except RuntimeError as error:
        # What a lazily connected client raises when its first connection fails.
        if "connect" not in str(error).lower():
            raise
        raise OrchestratorUnavailable("Temporal cannot be reached.") from error
