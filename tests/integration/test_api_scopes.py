"""What a key may be used for: every route of the description, with a key of each single scope."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from api.app import routed
from tests.integration.api import EMAIL, Api, make_key, running_api
from tidings.domain.vocabulary import Scope
from tidings.local.temporal_server import TemporalServer

OPEN = {
    ("post", "/v1/callbacks/{provider}"),
    ("get", "/health/live"),
    ("get", "/health/ready"),
    ("get", "/metrics"),
}
"""Routes for everybody. Providers sign their callbacks; for the others see docs/operations.md."""
UNDESCRIBED = {
    # What they do without the codec token: test_codec_server.py, test_codec_page.py.
    *("/codec", "/codec/sign-out", "/v1/codec/decode", "/v1/codec/encode"),
    *("/docs", "/openapi.json"),
}
"""Beside the paths with a slash at their end, which are tried with those without."""
EXPECTED = {
    ("post", "/v1/notifications"): Scope.SEND,
    ("post", "/v1/notifications/bulk"): Scope.SEND,
    ("get", "/v1/notifications"): Scope.READ,
    ("get", "/v1/notifications/{notification_id}"): Scope.READ,
    ("post", "/v1/notifications/{notification_id}/cancel"): Scope.SEND,
    ("post", "/v1/notifications/{notification_id}/retry"): Scope.SEND,
    ("delete", "/v1/schedules/{schedule_id}"): Scope.SEND,
    ("get", "/v1/suppressions"): Scope.READ,
    ("delete", "/v1/suppressions/{suppression_id}"): Scope.ADMIN,
    ("post", "/v1/webhook-endpoints"): Scope.ADMIN,
    ("get", "/v1/webhook-endpoints/{endpoint_id}"): Scope.ADMIN,
}
"""Some of the routes, so that a scope that slips into another is noticed."""


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key, cancel_wait=0.2) as api:
        yield api


@pytest.fixture
async def keys(database_url: str) -> dict[Scope, str]:
    """A key for each scope, with that scope alone."""
    return {scope: (await make_key(database_url, scopes=[scope]))[0] for scope in Scope}


async def operations(api: Api) -> dict[tuple[str, str], Any]:
    """What the API says it can do, by method and path."""
    paths = (await api.get("/openapi.json", key=None)).json["paths"]
    return {
        (method, path): operation for path, methods in paths.items() for method, operation in methods.items()
    }


def scope_of(operation: Any) -> Scope:
    """The one scope that the description names."""
    ((scope,),) = (alternative["api_key"] for alternative in operation["security"])
    return Scope(scope)


async def test_every_route_names_one_scope_or_is_meant_to_be_open(api: Api) -> None:
    described = await operations(api)
    unguarded = {route for route, operation in described.items() if "security" not in operation}
    assert unguarded == OPEN, "a new route takes Tenant, Caller or Administrator (api/dependencies.py)"
    for route, operation in described.items():
        if route not in OPEN:
            assert scope_of(operation) is EXPECTED.get(route, scope_of(operation)), route
            assert {"401", "403"} <= set(operation["responses"]), route
    assert set(described) >= set(EXPECTED)


def test_no_route_hides_from_these_tests() -> None:
    routes = routed().state.routes
    hidden = {route.path for route in routes if not getattr(route, "include_in_schema", True)}
    assert {path for path in hidden if not path.endswith("/")} == UNDESCRIBED


async def test_a_key_with_only_the_other_scopes_is_refused_by_every_route(
    api: Api, database_url: str
) -> None:
    others = {
        needed: (await make_key(database_url, scopes=[scope for scope in Scope if scope is not needed]))[0]
        for needed in Scope
    }
    tried = 0
    for (method, path), operation in (await operations(api)).items():
        if (method, path) in OPEN:
            continue
        needed = scope_of(operation)
        there = "/".join(str(uuid4()) if part.startswith("{") else part for part in path.split("/"))
        for spelling in (there, f"{there}/"):
            answer = await api.call(method.upper(), spelling, key=others[needed], json=EMAIL)
            if spelling != there and answer.status == 404 and answer.kind == "not-found":
                continue  # not every path is there with a slash at its end
            assert (answer.status, answer.kind) == (403, "insufficient-scope"), (method, spelling)
            assert answer.json["scope"] == needed
            assert needed in answer.json["detail"]
            challenge = f'Bearer realm="tidings", error="insufficient_scope", scope="{needed}"'
            assert answer.headers["WWW-Authenticate"] == challenge
            tried += 1
    assert tried > len(EXPECTED)
    assert (await api.get("/v1/notifications")).json["total"] == 0, "nothing is stored"


async def test_a_key_with_the_scope_alone_is_enough(api: Api, keys: dict[Scope, str]) -> None:
    submitted = await api.post("/v1/notifications", json=EMAIL, key=keys[Scope.SEND])
    assert submitted.status == 201
    path = f"/v1/notifications/{submitted.json['id']}"
    assert (await api.get(path, key=keys[Scope.READ])).status == 200
    assert (await api.post(f"{path}/cancel", key=keys[Scope.SEND])).status in (200, 202)
    missing = await api.call("DELETE", f"/v1/suppressions/{uuid4()}", key=keys[Scope.ADMIN])
    assert (missing.status, missing.kind) == (404, "not-found")


async def test_the_scope_is_checked_before_the_body_is_looked_at(api: Api, keys: dict[Scope, str]) -> None:
    answer = await api.post("/v1/notifications", data=b"{", key=keys[Scope.READ])
    assert (answer.status, answer.kind) == (403, "insufficient-scope")
