"""The OpenAPI description, where the framework cannot derive it from the routes."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from api.description import finish, problem_answer
from api.problems import ProblemDetails
from api.schemas.bulk import BulkSubmission
from api.schemas.notification import NotificationView
from api.schemas.schedule_submission import ScheduleSubmission
from api.schemas.steering import CancelBody, RetryBody
from api.schemas.submission import Submission
from api.schemas.webhook_endpoint import EndpointBody, EndpointDetails, RotateBody
from tidings.domain.idempotency import LONGEST_KEY

REPLAYED = "Idempotent-Replayed"

_REFERENCE = "#/components/schemas/{model}"


def _body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """We read bodies ourselves (`api.body`), so the framework does not know of them."""
    schema = {"$ref": _REFERENCE.format(model=model.__name__)}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def _created(description: str, location: str, **more: Any) -> dict[int | str, dict[str, Any]]:
    headers = {"Location": {"schema": {"type": "string"}, "description": location}, **more}
    return {201: {"description": description, "headers": headers}}


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "Submits once, however often the request is repeated: the same key and body give the first "
        "notification again."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[!-~]*$"},
    "example": "order-1042-shipped",
}
_REPLAYED = {
    "schema": {"type": "string", "const": "true"},
    "description": "There if an earlier request with this Idempotency-Key made the notification.",
}

SUBMISSION = {"parameters": [_IDEMPOTENCY_KEY], **_body(Submission)}
"""The key, too, we read ourselves (`api.idempotency_key`)."""
BULK_SUBMISSION = _body(BulkSubmission)
CANCEL_BODY = _body(CancelBody, required=False)
RETRY_BODY = _body(RetryBody, required=False)
CREATED = _created("Accepted, and safe.", "The notification's path.", **{REPLAYED: _REPLAYED})
CALLBACK_BODY = {
    "requestBody": {
        "required": True,
        "description": "As the provider sends and signs it.",
        "content": {"*/*": {"schema": {"type": "string"}}},
    }
}
ENDPOINT_BODY = _body(EndpointBody)
ROTATE_BODY = _body(RotateBody, required=False)
ENDPOINT_CREATED = _created("The URL has a secret of its own.", "The endpoint's path.")
ENDPOINT_KNOWN: dict[int | str, dict[str, Any]] = {
    200: {"description": "The URL has a secret already: this is it.", "model": EndpointDetails}
}
SCHEDULE_BODY = _body(ScheduleSubmission)
SCHEDULE_CREATED = _created("It fires from now on.", "The schedule's path.")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers of a route that are problems."""
    return {status: problem_answer(HTTPStatus(status).phrase) for status in statuses}


def accepted(description: str) -> dict[int | str, dict[str, Any]]:
    """A 202 that shows the notification."""
    return {202: {"description": description, "model": NotificationView}}


def install(app: FastAPI) -> None:
    """Have the app describe the models that only we know of."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            _add_models(schema["components"]["schemas"])
            _drop_foreign_problems(schema)
            _add_refusals(schema)
            _add_answers_of_limits(schema)
            finish(schema)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]  # the framework's documented way


def _add_models(schemas: dict[str, Any]) -> None:
    modes: dict[type[BaseModel], JsonSchemaMode] = {
        Submission: "validation",
        BulkSubmission: "validation",
        CancelBody: "validation",
        RetryBody: "validation",
        ScheduleSubmission: "validation",
        EndpointBody: "validation",
        RotateBody: "validation",
        ProblemDetails: "serialization",
    }
    for model, mode in modes.items():
        described = model.model_json_schema(ref_template=_REFERENCE, mode=mode)
        schemas.update(described.pop("$defs", {}))
        schemas[model.__name__] = described


def _add_answers_of_limits(schema: dict[str, Any]) -> None:
    """What any request may be answered (`api.request_limits`), and any that has a key (`api.admission`)."""
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            answers = operation["responses"]
            if operation.get("security"):
                _add_problems(answers, 403, 429)
            _add_problems(answers, *([408] if "requestBody" in operation else []), 414, 431)
            if path.startswith("/v1/"):
                _add_problems(answers, 503)
            operation["responses"] = dict(sorted(answers.items()))


def _add_problems(answers: dict[str, Any], *statuses: int) -> None:
    for status, answer in problems(*statuses).items():
        answers.setdefault(str(status), answer)


def _drop_foreign_problems(schema: dict[str, Any]) -> None:
    """The framework promises its own form of 422 wherever a path has a parameter; we never answer so."""
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)
    for operations in schema["paths"].values():
        for operation in operations.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]


def _add_refusals(schema: dict[str, Any]) -> None:
    """Whoever needs a key or token may come without one, or with one that lacks the scope."""
    for operations in schema["paths"].values():
        for operation in operations.values():
            if "security" in operation:
                refusals = {str(status): answer for status, answer in problems(401, 403).items()}
                operation["responses"] = {**refusals, **operation["responses"]}
