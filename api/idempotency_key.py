"""The header `Idempotency-Key` of a submission."""

from starlette.requests import Request

from api import problems
from api.problems import FieldError, Problem
from tidings.domain.idempotency import checked_key

HEADER = "Idempotency-Key"
POINTER = f"/{HEADER}"
"""Names the header among the pointers into the body."""


def key_of(request: Request) -> str | None:
    """The request's key, taken as it is (quotes, if any, are part of it), or None if it has none.

    Raises Problem (422) for what is no key: ignoring it would send twice what is meant to be sent once.
    """
    keys = request.headers.getlist(HEADER)
    if not keys:
        return None
    try:
        if len(keys) > 1:
            raise ValueError("must be given once")
        return checked_key(keys[0])
    except ValueError as fault:
        errors = [FieldError(pointer=POINTER, detail=str(fault))]
        raise Problem(
            problems.VALIDATION, "The Idempotency-Key header is not valid.", errors=errors
        ) from None
