"""`fcm`, and the sandbox's FCM, against Google's own client library and its description of the API."""

import itertools
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.peers.programs import SCRIPTS, json_of
from tests.peers.pypi import pypi_package
from tests.provider_support import outgoing, running_sandbox
from tests.push_keys import EMAIL, PROJECT, rsa_key, service_account
from tidings.domain.vocabulary import Channel, Priority
from tidings.providers.fcm import FcmSettings, content
from tidings.providers.fcm_token import SCOPE

GOOGLE = ("google-api-python-client==2.202.0", "google-auth==2.62.2")

pytestmark = pytest.mark.peer(provider="fcm", peer=" ".join(GOOGLE))

_DESCRIPTION = "googleapiclient/discovery_cache/documents/fcm.v1.json"


@pytest.fixture(scope="module")
def google() -> Path:
    """Google's client library for Python."""
    return pypi_package(*GOOGLE)


@pytest.fixture(scope="module")
def description(google: Path) -> dict[str, Any]:
    """Google's description of FCM's API."""
    found: dict[str, Any] = json.loads((google / _DESCRIPTION).read_text())
    return found


def json_schema(description: dict[str, Any], name: str) -> dict[str, Any]:
    """One of its types as JSON Schema, in which what is not described is an error."""

    def converted(part: Any) -> Any:
        if isinstance(part, list):
            return [converted(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return {"$ref": f"#/$defs/{part['$ref']}"}
        if part.get("type") == "any":
            return {}
        kept = ("type", "properties", "items", "additionalProperties", "enum")
        found = {key: part[key] for key in kept if key in part}
        if "properties" in found:
            found["properties"] = {key: converted(value) for key, value in part["properties"].items()}
            found.setdefault("additionalProperties", False)
        for key in ("items", "additionalProperties"):
            if key in found:
                found[key] = converted(found[key])
        return found

    return {
        "$ref": f"#/$defs/{name}",
        "$defs": {key: converted(value) for key, value in description["schemas"].items()},
    }


MESSAGES = [
    outgoing(
        Channel.PUSH,
        "device-token",
        priority=priority,
        metadata=metadata,
        expires_at=expires_at,
        subject=subject,
    )
    for priority, metadata, expires_at, subject in itertools.product(
        Priority,
        [None, {"order": 7, "nested": {"a": [None]}}, {"collapse_key": "ключ"}],
        [None, datetime.now(UTC) + timedelta(hours=1)],
        [None, "Größe"],
    )
]


@pytest.mark.peer(exercises="every message is valid by Google's description of the API")
def test_every_message_is_one_by_google_s_description(description: dict[str, Any]) -> None:
    validator = Draft202012Validator(json_schema(description, "SendMessageRequest"))
    for message in MESSAGES:
        assert list(validator.iter_errors({"message": content(message)})) == []
    broken = content(MESSAGES[0]) | {"data": {"order": 7}}
    assert [error.json_path for error in validator.iter_errors({"message": broken})] == [
        "$.message.data.order"
    ]
    assert list(validator.iter_errors({"message": content(MESSAGES[0]) | {"colour": "red"}}))


@pytest.mark.peer(exercises="path, host and scope are Google's")
def test_path_and_scope_are_google_s(description: dict[str, Any]) -> None:
    method = description["resources"]["projects"]["resources"]["messages"]["methods"]["send"]
    assert (method["httpMethod"], method["path"]) == ("POST", "v1/{+parent}/messages:send")
    assert SCOPE in method["scopes"]
    assert FcmSettings(_env_file=None).fcm_url == description["rootUrl"].rstrip("/")


@pytest.mark.peer(exercises="the sandbox is an FCM to it, tokens and errors too")
async def test_the_sandbox_is_an_fcm_to_google_s_client(google: Path) -> None:
    rsa_key()
    async with running_sandbox() as running:
        results = await json_of(
            sys.executable,
            str(SCRIPTS / "fcm_client.py"),
            given={
                "url": f"{running.url}/fcm/",
                "account": json.loads(service_account(f"{running.url}/fcm/token", client_email=EMAIL)),
                "parent": f"projects/{PROJECT}",
                "messages": [
                    content(MESSAGES[-1]),
                    content(outgoing(Channel.PUSH, "permanent-failure")),
                    content(outgoing(Channel.PUSH, "temporary-failure")),
                    {"token": "device-token", "data": {"from": "me"}},
                ],
            },
            environment={"PYTHONPATH": str(google)},
        )
        [push] = running.sandbox.inbox
    accepted, gone, later, wrong = results
    assert accepted["name"].startswith(f"projects/{PROJECT}/messages/")
    assert (push.provider, push.subject, push.body) == ("fcm", "Größe", "It works.")
    assert (gone["status"], gone["details"][0]["errorCode"]) == (404, "UNREGISTERED")
    assert (later["status"], later["details"][0]["errorCode"]) == (503, "UNAVAILABLE")
    assert (wrong["status"], wrong["details"][0]["errorCode"]) == (400, "INVALID_ARGUMENT")
