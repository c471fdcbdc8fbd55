"""The OpenAPI description's last touches, alike for all routes: words, headers, problems, examples."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from fastapi.routing import APIRoute

from api import examples, problems
from api.problems import KINDS, MEDIA_TYPE, Kind

Node = dict[str, Any]

_REFERENCE = "#/components/{section}/{name}"

HEADERS: dict[str, Node] = {
    "X-Request-ID": {
        "description": "The caller's, or a new one; it is in every line logged for the request.",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        "example": "6f0e4b5a0c7d4f2e9f6f4f3a9d1b2c3e",
    },
    "Retry-After": {
        "description": "Seconds after which it is worth asking again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "5",
    },
    "WWW-Authenticate": {
        "description": "What to send (RFC 6750).",
        "required": True,
        "schema": {"type": "string"},
        "example": 'Bearer realm="tidings", error="invalid_token"',
    },
    "WWW-Authenticate-Scope": {
        "description": "There if a scope is lacking, and names it (RFC 6750).",
        "schema": {"type": "string"},
        "example": 'Bearer realm="tidings", error="insufficient_scope", scope="send"',
    },
    "RateLimit-Policy": {
        "description": "The limits that there are: q requests in w seconds.",
        "schema": {"type": "string"},
        "example": '"key";q=1000;w=1, "tenant";q=2000;w=1',
    },
    "RateLimit": {
        "description": "r requests are left of each, all of them again in t seconds.",
        "schema": {"type": "string"},
        "example": '"key";r=999;t=1, "tenant";r=1999;t=1',
    },
    "Allow": {
        "description": "The path's methods.",
        "required": True,
        "schema": {"type": "string"},
        "example": "GET, HEAD, POST",
    },
}
"""By the name of the component, which is the header's but for a second meaning."""
_HEADERS_OF = {"401": ["WWW-Authenticate"], "429": ["Retry-After"], "503": ["Retry-After"]}
"""Beside X-Request-ID, by status."""
_HEADERS_WITH_KEY = ["RateLimit-Policy", "RateLimit"]
_NOT_COUNTED = {"401", "414", "421", "431", "500"}
"""Answers to requests that were not counted, or that nobody knows any more of."""


class _Operation:
    """One operation with its place in the description."""

    def __init__(self, path: str, node: Node) -> None:
        self.path = path
        self.node = node
        self.parameters = {parameter["name"] for parameter in node.get("parameters", [])}
        self.takes_json = "application/json" in node.get("requestBody", {}).get("content", {})
        self.is_callback = path.startswith("/v1/callbacks")
        self.is_open = not path.startswith("/v1")
        self.needs_key = bool(node.get("security"))
        self.minds_mode: bool = path.startswith("/v1/webhook-endpoints") or node["operationId"] in _MINDS_MODE

    def may_answer(self, kind: Kind) -> bool:
        """Whether this is among the problems of its status here."""
        applies = _ONLY_WHERE.get(kind)
        return applies is None or applies(self)

    def headers(self, status: str) -> dict[str, str]:
        """The component of each header that such an answer may have."""
        names = ["X-Request-ID", *_HEADERS_OF.get(status, ())]
        if self.needs_key and status not in _NOT_COUNTED:
            names += _HEADERS_WITH_KEY
        components = {name: name for name in names}
        if self.needs_key and status == "403":
            components["WWW-Authenticate"] = "WWW-Authenticate-Scope"
        return components


_MINDS_MODE = {
    "notifications_cancel",
    "notifications_retry",
    "schedules_pause",
    "schedules_resume",
    "schedules_delete",
}
"""Operations on what may be live or a test."""

_ONLY_WHERE: dict[Kind, Callable[[_Operation], bool]] = {
    problems.INVALID_JSON: lambda operation: operation.takes_json,
    problems.INVALID_CURSOR: lambda operation: "cursor" in operation.parameters,
    problems.BAD_REQUEST: lambda operation: operation.node["operationId"] == "schedules_create",
    problems.MALFORMED_CALLBACK: lambda operation: operation.is_callback,
    problems.FORGED_CALLBACK: lambda operation: operation.is_callback,
    problems.CALLBACK_POSTPONED: lambda operation: operation.is_callback,
    problems.INSUFFICIENT_SCOPE: lambda operation: operation.needs_key,
    problems.TENANT_DISABLED: lambda operation: operation.needs_key,
    problems.TOKEN_KEYS_UNAVAILABLE: lambda operation: operation.needs_key,
    problems.WRONG_MODE: lambda operation: operation.minds_mode,
    problems.TOO_BUSY: lambda operation: not operation.is_open,
    problems.IDEMPOTENCY_KEY_REUSED: lambda operation: "Idempotency-Key" in operation.parameters,
    problems.STORAGE_UNAVAILABLE: lambda operation: not operation.is_open,
    problems.ORCHESTRATOR_UNAVAILABLE: lambda operation: operation.path.startswith(
        ("/v1/notifications", "/v1/schedules", "/v1/callbacks")
    ),
    problems.WEBHOOK_KEY_MISSING: lambda operation: operation.path.startswith("/v1/webhook-endpoints"),
    problems.NOT_READY: lambda operation: operation.path == "/health/ready",
}
"""Problems that not every operation has which documents their status."""


def operation_id(route: APIRoute) -> str:
    """`notifications_submit`: the tag, and what is done. Clients are made from these: they do not change."""
    tag = str(route.tags[0]) if route.tags else "docs"
    verb = "list" if route.name.startswith("list_") else route.name
    return f"{tag}_{verb}".replace(" ", "_")


def finish(schema: Node) -> None:
    """Complete what the framework has made of the routes."""
    components = schema["components"]
    components["headers"] = HEADERS
    components["examples"] = {
        kind.name: {"summary": kind.title, "value": examples.of_problem(kind, "/v1/notifications")}
        for kind in KINDS
    }
    components["responses"] = {"MethodNotAllowed": _method_not_allowed()}
    for operation in _operations(schema):
        _put_into_words(operation.node)
        _describe_path(operation.node)
        _add_answers_of_all(operation)
        for status, answer in operation.node["responses"].items():
            _complete_answer(operation, status, answer)
        _add_body_examples(operation.node)


def problem_answer(description: str) -> Node:
    """An answer that is a problem."""
    reference = _REFERENCE.format(section="schemas", name="ProblemDetails")
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": reference}}}}


def _operations(schema: Node) -> Iterator[_Operation]:
    for path, operations in schema["paths"].items():
        for node in operations.values():
            yield _Operation(path, node)


def _put_into_words(node: Node) -> None:
    """The first line of what a route says of itself is its summary; all of it stays the description."""
    summary = node["description"].partition("\n\n")[0].replace("\n", " ")
    node["summary"] = re.split(r"[.:] ", summary)[0].rstrip(".")


def _describe_path(node: Node) -> None:
    for parameter in node.get("parameters", []):
        if parameter["in"] != "path":
            continue
        parameter["example"] = examples.PATHS[parameter["name"]]
        if parameter["name"].endswith("_id"):
            parameter["schema"] = {"type": "string", "format": "uuid"}


def _add_answers_of_all(operation: _Operation) -> None:
    answers = operation.node["responses"]
    answers["500"] = problem_answer("Internal Server Error")
    if not operation.is_open:
        answers["421"] = problem_answer("Misdirected Request")


def _complete_answer(operation: _Operation, status: str, answer: Node) -> None:
    headers = answer.setdefault("headers", {})
    for name, component in operation.headers(status).items():
        headers[name] = {"$ref": _REFERENCE.format(section="headers", name=component)}
    for media_type, media in answer.get("content", {}).items():
        if media_type == MEDIA_TYPE:
            media["examples"] = {
                kind.name: {"$ref": _REFERENCE.format(section="examples", name=kind.name)}
                for kind in KINDS
                if kind.status == int(status) and operation.may_answer(kind)
            }
            continue
        model = str(media.get("schema", {}).get("$ref", "")).rpartition("/")[2]
        example = examples.ANSWERS_OF.get(
            (operation.node["operationId"], status), examples.ANSWERS.get(model)
        )
        if example is not None:
            media["example"] = example


def _add_body_examples(node: Node) -> None:
    for media in node.get("requestBody", {}).get("content", {}).values():
        model = str(media["schema"].get("$ref", "")).rpartition("/")[2]
        given = examples.BODIES.get(model, {})
        if given:
            media["examples"] = {name: {"value": value} for name, value in given.items()}


def _method_not_allowed() -> Node:
    answer = problem_answer("Any path, asked by a method that it does not take.")
    answer["headers"] = {
        name: {"$ref": _REFERENCE.format(section="headers", name=name)} for name in ("X-Request-ID", "Allow")
    }
    reference = _REFERENCE.format(section="examples", name=problems.METHOD_NOT_ALLOWED.name)
    answer["content"][MEDIA_TYPE]["examples"] = {problems.METHOD_NOT_ALLOWED.name: {"$ref": reference}}
    return answer
