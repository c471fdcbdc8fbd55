"""The one place where errors become answers."""

from collections.abc import Callable, Iterable
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from api import problems
from api.problems import Problem, problem_response
from api.validation import field_errors
from tidings.errors import (
    AccessRefused,
    CallbackPostponed,
    ForgedCallback,
    MalformedCallback,
    NamespaceNotReady,
    NotFound,
    OrchestratorUnavailable,
    QueryTooSlow,
    StorageUnavailable,
    UnreadablePayload,
)

log = structlog.get_logger("api")


def install(app: FastAPI) -> None:
    """Answer every expected error with its problem. All others are bugs: the middleware answers them."""
    for error_type, translate in _TRANSLATIONS.items():
        app.add_exception_handler(error_type, _handler(translate))


def problem_of(request: Request, error: Exception) -> Problem:
    """What an error is answered with; raises it again if it is a bug."""
    for error_type in type(error).__mro__:
        if error_type in _TRANSLATIONS:
            return _TRANSLATIONS[error_type](request, error)
    raise error


def _handler(translate: Callable[[Request, Any], Problem]) -> Callable[[Request, Exception], Any]:
    async def handle(request: Request, error: Exception) -> Response:
        return problem_response(request.url.path, translate(request, error))

    return handle


def _itself(request: Request, error: Problem) -> Problem:
    return error


def _invalid_query(request: Request, error: RequestValidationError) -> Problem:
    # The first part of each location says "query".
    faults = [{**fault, "loc": fault["loc"][1:]} for fault in error.errors()]
    return Problem(problems.VALIDATION, "Some query parameters are not valid.", errors=field_errors(faults))


def _refused_by_framework(request: Request, error: HTTPException) -> Problem:
    if error.status_code == problems.NOT_FOUND.status:
        return Problem(problems.NOT_FOUND, "There is nothing at this path.")
    if error.status_code == problems.METHOD_NOT_ALLOWED.status:
        allowed = ", ".join(sorted(_methods(request, request.app.state.routes)))
        detail = f"This path takes {allowed}."
        return Problem(problems.METHOD_NOT_ALLOWED, detail, headers={"Allow": allowed})
    kind = problems.BAD_REQUEST if error.status_code < 500 else problems.INTERNAL
    return Problem(kind, f"{kind.title}.", headers=error.headers)


def _methods(request: Request, routes: Iterable[BaseRoute]) -> set[str]:
    """Every method of the path (RFC 9110, section 15.5.6); the framework names its first route's only."""
    methods = {
        method
        for route in routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in getattr(route, "methods", None) or ()
    }
    return methods | {"HEAD"} if "GET" in methods else methods


def _not_found(request: Request, error: NotFound) -> Problem:
    return Problem(problems.NOT_FOUND, "There is no notification with this id.")


def _storage_unavailable(request: Request, error: StorageUnavailable) -> Problem:
    return Problem(
        problems.STORAGE_UNAVAILABLE,
        "Postgres cannot be reached, and this cannot be answered without it: try again later.",
        headers=problems.RETRY_AFTER,
    )


def _query_too_slow(request: Request, error: QueryTooSlow) -> Problem:
    return Problem(
        problems.STORAGE_UNAVAILABLE,
        "Postgres took too long over this. If it is a list, ask for less of it: by created_after and "
        "created_before, or by cursor, which counts nothing. Else try again later.",
        headers=problems.RETRY_AFTER,
    )


def _orchestrator_unavailable(request: Request, error: OrchestratorUnavailable) -> Problem:
    # The caller can do nothing about it; whoever reads the log can.
    log.warning("temporal_unavailable", reason=str(error))
    return Problem(
        problems.ORCHESTRATOR_UNAVAILABLE,
        "Temporal cannot be reached, and this cannot be done without it: try again later.",
        headers=problems.RETRY_AFTER,
    )


def _not_set_up(request: Request, error: NamespaceNotReady | AccessRefused) -> Problem:
    log.error("temporal_unavailable", reason=str(error))
    return Problem(
        problems.ORCHESTRATOR_UNAVAILABLE,
        "Temporal is not set up for this: the operator must see to it, whose log says how. Then try again.",
        headers=problems.RETRY_AFTER,
    )


def _unreadable_payload(request: Request, error: UnreadablePayload) -> Problem:
    log.error("payload_unreadable", path=request.url.path, reason=str(error))
    return Problem(
        problems.ORCHESTRATOR_UNAVAILABLE,
        "What Temporal has of this is sealed, and cannot be opened here: the operator must see to the keys.",
        headers=problems.RETRY_AFTER,
    )


def _forged_callback(request: Request, error: ForgedCallback) -> Problem:
    log.warning("callback_refused", path=request.url.path, reason=str(error))
    return Problem(problems.FORGED_CALLBACK, f"{error}")


def _malformed_callback(request: Request, error: MalformedCallback) -> Problem:
    log.warning("callback_unreadable", path=request.url.path, reason=str(error))
    return Problem(problems.MALFORMED_CALLBACK, f"{error}")


def _callback_postponed(request: Request, error: CallbackPostponed) -> Problem:
    log.warning("callback_postponed", path=request.url.path, reason=str(error))
    return Problem(problems.CALLBACK_POSTPONED, f"{error}", headers=problems.RETRY_AFTER)


_TRANSLATIONS: dict[type[Exception], Callable[[Request, Any], Problem]] = {
    Problem: _itself,
    RequestValidationError: _invalid_query,
    HTTPException: _refused_by_framework,
    NotFound: _not_found,
    StorageUnavailable: _storage_unavailable,
    QueryTooSlow: _query_too_slow,
    OrchestratorUnavailable: _orchestrator_unavailable,
    NamespaceNotReady: _not_set_up,
    AccessRefused: _not_set_up,
    UnreadablePayload: _unreadable_payload,
    ForgedCallback: _forged_callback,
    MalformedCallback: _malformed_callback,
    CallbackPostponed: _callback_postponed,
}
