"""The OpenAPI description: as committed, valid, and with an example for each call, answer and problem."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from api import examples
from api.problems import KINDS, MEDIA_TYPE
from api.schemas.bulk import documents_from, item_from
from api.schemas.schedule_submission import schedule_from
from api.schemas.submission import accepted_from
from api.schemas.webhook_endpoint import EndpointBody, RotateBody
from api.write_description import text
from tidings.domain.identifiers import new_id
from tidings.domain.vocabulary import Scope

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs" / "openapi.json"

DESCRIBED: dict[str, Any] = json.loads(text())
OPERATIONS: list[tuple[str, dict[str, Any]]] = [
    (f"{method.upper()} {path}", operation)
    for path, operations in DESCRIBED["paths"].items()
    for method, operation in operations.items()
]


def each_operation() -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "operation", [operation for _, operation in OPERATIONS], ids=[name for name, _ in OPERATIONS]
    )


def test_the_committed_description_is_the_one_that_is_served() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == text(), "docs/openapi.json is stale: run `make openapi`"


def test_it_is_valid_openapi_3_1() -> None:
    assert DESCRIBED["openapi"].startswith("3.1.")
    assert [str(error) for error in OpenAPIV31SpecValidator(DESCRIBED).iter_errors()] == []


def test_it_does_not_change_with_each_release() -> None:
    assert DESCRIBED["info"]["version"] == "1"


def test_operations_have_names_to_make_clients_from() -> None:
    ids = [operation["operationId"] for _, operation in OPERATIONS]
    assert len(set(ids)) == len(ids)
    assert {"notifications_submit", "notifications_get", "notifications_list", "schedules_create"} <= set(ids)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", id) for id in ids), ids


@each_operation()
def test_each_operation_is_put_into_words(operation: dict[str, Any]) -> None:
    assert 0 < len(operation["summary"]) <= 80
    assert not operation["summary"].endswith(".")
    assert operation["description"].strip()
    declared = {tag["name"] for tag in DESCRIBED["tags"]}
    assert len(operation["tags"]) == 1
    assert set(operation["tags"]) <= declared


@each_operation()
def test_each_call_has_examples(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            assert parameter["example"] == examples.PATHS[parameter["name"]]
    for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
        if media_type == "application/json":
            assert media["examples"]


@each_operation()
def test_each_answer_has_an_example_and_a_request_id(operation: dict[str, Any]) -> None:
    for status, answer in operation["responses"].items():
        assert answer["description"], status
        assert "X-Request-ID" in answer["headers"], status
        if status.startswith(("4", "5")):
            assert list(answer["content"]) == [MEDIA_TYPE], status
            assert answer["content"][MEDIA_TYPE]["examples"], f"{status}: no problem of this status is known"
        for media_type, media in answer.get("content", {}).items():
            assert "json" not in media_type or "example" in media or "examples" in media, status


@each_operation()
def test_each_operation_says_which_scope_it_needs_if_any(operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    if "401" in answers:
        assert operation["security"] in [[{"api_key": [scope.value]}] for scope in Scope]
        assert "WWW-Authenticate" in answers["401"]["headers"]
        assert "WWW-Authenticate" in answers["403"]["headers"]
        assert {"Retry-After", "RateLimit", "RateLimit-Policy"} <= set(answers["429"]["headers"])
    else:
        assert not operation.get("security")
        assert "429" not in answers


def stated() -> Iterator[tuple[str, Any, Any]]:
    """Each example with its schema."""
    for name, operation in OPERATIONS:
        bodies = [("the body", operation.get("requestBody", {}))]
        for part, node in [*bodies, *operation["responses"].items()]:
            for media in node.get("content", {}).values():
                if "example" in media:
                    yield f"{name} {part}", media["schema"], media["example"]
                for key, example in media.get("examples", {}).items():
                    yield f"{name} {part} {key}", media["schema"], resolved(example)["value"]


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    found: Any = DESCRIBED
    if "$ref" not in node:
        return node
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def test_examples_are_what_their_schemas_say() -> None:
    checked = 0
    for name, schema, example in stated():
        whole = {**schema, "components": DESCRIBED["components"]}
        faults = [error.message for error in Draft202012Validator(whole).iter_errors(example)]
        assert not faults, (name, faults)
        model = DESCRIBED["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
        if model.get("title") != "ProblemDetails":  # which may have members of their kind
            assert set(example) <= set(model["properties"]), name
        checked += 1
    assert checked > 100


def test_the_example_bodies_are_accepted() -> None:
    given: dict[str, Any] = {"id": new_id(), "tenant": "acme", "now": datetime.now(UTC)}
    for body in examples.BODIES["Submission"].values():
        accepted_from(body, **given)
    for body in examples.BODIES["BulkSubmission"].values():
        for document in documents_from(body):
            item = item_from(document)
            assert item.key
            accepted_from(item.document, **given)
    for body in examples.BODIES["ScheduleSubmission"].values():
        schedule_from(body, **given)
    for body in examples.BODIES["EndpointBody"].values():
        EndpointBody.model_validate(body)
    for body in examples.BODIES["RotateBody"].values():
        RotateBody.model_validate(body)


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_each_problem_is_shown_where_it_may_come_and_stands_in_the_docs(kind: Any) -> None:
    example = DESCRIBED["components"]["examples"][kind.name]["value"]
    assert (example["type"], example["status"]) == (kind.type, kind.status)
    assert example["detail"] != f"{kind.title}.", "say in api/examples.py what it looks like"
    described = json.dumps([DESCRIBED["paths"], DESCRIBED["components"]["responses"]])
    assert f"#/components/examples/{kind.name}" in described
    assert f"`{kind.type}` | {kind.status.value} |" in (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_nothing_is_described_that_nobody_refers_to() -> None:
    described = json.dumps(DESCRIBED)
    for section in ("schemas", "headers", "examples"):
        for name in DESCRIBED["components"][section]:
            assert f"#/components/{section}/{name}" in described, name
