"""Answers that say no: RFC 9457 problem details."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem. `name` ends its type URI, which never changes; docs/api.md describes each."""

    name: str
    status: HTTPStatus
    title: str

    @property
    def type(self) -> str:
        """The type URI, relative to the API's root (RFC 9457, section 3.1.1)."""
        return f"/problems/{self.name}"


INVALID_JSON = Kind("invalid-json", HTTPStatus.BAD_REQUEST, "The body is not valid JSON")
INVALID_CURSOR = Kind("invalid-cursor", HTTPStatus.BAD_REQUEST, "The cursor is not one of ours")
BAD_REQUEST = Kind("bad-request", HTTPStatus.BAD_REQUEST, "The request cannot be understood")
UNAUTHORIZED = Kind("unauthorized", HTTPStatus.UNAUTHORIZED, "A valid API key or token is needed")
FORGED_CALLBACK = Kind(
    "forged-callback", HTTPStatus.FORBIDDEN, "The callback is not proven to come from the provider"
)
MALFORMED_CALLBACK = Kind("malformed-callback", HTTPStatus.BAD_REQUEST, "The callback cannot be read")
CALLBACK_POSTPONED = Kind(
    "callback-postponed", HTTPStatus.SERVICE_UNAVAILABLE, "The callback cannot be dealt with now"
)
INSUFFICIENT_SCOPE = Kind("insufficient-scope", HTTPStatus.FORBIDDEN, "The API key or token is not for this")
WRONG_MODE = Kind("wrong-mode", HTTPStatus.FORBIDDEN, "The API key is of the other mode")
TENANT_DISABLED = Kind("tenant-disabled", HTTPStatus.FORBIDDEN, "The tenant is disabled")
NOT_FOUND = Kind("not-found", HTTPStatus.NOT_FOUND, "There is no such thing")
METHOD_NOT_ALLOWED = Kind("method-not-allowed", HTTPStatus.METHOD_NOT_ALLOWED, "The method is not allowed")
MISDIRECTED = Kind("misdirected-request", HTTPStatus.MISDIRECTED_REQUEST, "The request is for another host")
WRONG_STATUS = Kind("wrong-status", HTTPStatus.CONFLICT, "The notification's status does not allow it")
TOO_LARGE = Kind("too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large")
UNSUPPORTED_MEDIA_TYPE = Kind(
    "unsupported-media-type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json"
)
VALIDATION = Kind("validation", HTTPStatus.UNPROCESSABLE_ENTITY, "The request is not valid")
IDEMPOTENCY_KEY_REUSED = Kind(
    "idempotency-key-reused", HTTPStatus.UNPROCESSABLE_ENTITY, "The Idempotency-Key belongs to another body"
)
TOO_MANY_REQUESTS = Kind("too-many-requests", HTTPStatus.TOO_MANY_REQUESTS, "Too many requests")
REQUEST_TIMEOUT = Kind("request-timeout", HTTPStatus.REQUEST_TIMEOUT, "The request came too slowly")
URI_TOO_LONG = Kind("uri-too-long", HTTPStatus.REQUEST_URI_TOO_LONG, "The URI is too long")
HEADERS_TOO_LARGE = Kind(
    "headers-too-large", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The header fields are too large"
)
TOO_BUSY = Kind("too-busy", HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests are under way")
INTERNAL = Kind("internal", HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side")
STORAGE_UNAVAILABLE = Kind(
    "storage-unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "The database cannot be reached"
)
ORCHESTRATOR_UNAVAILABLE = Kind(
    "orchestrator-unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Temporal cannot serve this"
)
WEBHOOK_KEY_MISSING = Kind(
    "webhook-key-missing", HTTPStatus.SERVICE_UNAVAILABLE, "Webhook secrets are not set up"
)
TOKEN_KEYS_UNAVAILABLE = Kind(
    "token-keys-unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Tokens cannot be checked"
)
NOT_READY = Kind("not-ready", HTTPStatus.SERVICE_UNAVAILABLE, "A part cannot be reached")

KINDS = tuple(kind for kind in vars().values() if isinstance(kind, Kind))
"""All of them."""

RETRY_AFTER = {"Retry-After": "5"}
"""Seconds after which it is worth asking again while a part is away."""


class FieldError(BaseModel):
    """What is wrong with one field."""

    pointer: str = Field(
        description="JSON pointer (RFC 6901) into the body, or `/` and the query parameter or header."
    )
    detail: str


class ProblemDetails(BaseModel):
    """RFC 9457. Some kinds have members of their own, such as `errors` here."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path of the request.")
    errors: list[FieldError] | None = None


class Problem(Exception):
    """Raised anywhere below a route to answer with a problem. `detail` must hold no secret."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(f"{kind.name}: {detail}")
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers
        self.members = members


def details(path: str, problem: Problem) -> dict[str, Any]:
    """The problem as it is given out, to a request for `path`."""
    kind = problem.kind
    content: dict[str, Any] = {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status.value,
        "detail": problem.detail,
        "instance": path,
        **problem.members,
    }
    if problem.errors:
        content["errors"] = [error.model_dump() for error in problem.errors]
    return content


def problem_response(path: str, problem: Problem) -> Response:
    """The answer to a request for `path`."""
    return Response(
        # As ASCII: a path or a field's name may hold what UTF-8 cannot.
        json.dumps(details(path, problem)),
        status_code=problem.kind.status.value,
        headers=dict(problem.headers) if problem.headers else None,
        media_type=MEDIA_TYPE,
    )
