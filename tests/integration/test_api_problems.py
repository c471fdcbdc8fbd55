"""Every kind of problem, reached for real: RFC 9457 in form, and described where it came."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from temporalio.client import Client

from api import problems
from api.problems import KINDS, Kind
from tests import callbacks
from tests.integration.api import EMAIL, Answer, Api, make_key, running_api
from tests.integration.database import open_engine
from tests.support import eventually, free_port
from tests.tokens import token, token_settings
from tidings.database.tenants import TenantRepository
from tidings.domain.api_key import new_secret
from tidings.domain.vocabulary import KeyMode, Scope
from tidings.local.temporal_server import TemporalServer
from tidings.temporal import names

NOTIFICATIONS = "/v1/notifications"
BULK = f"{NOTIFICATIONS}/bulk"
DESCRIBED = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text(encoding="utf-8"))

REACHED_ELSEWHERE = {
    # Only what Amazon's own servers say, or do not, leads there.
    problems.CALLBACK_POSTPONED: ("test_callback_calls.py", "CallbackPostponed"),
}
"""By file, and a word that stands there."""


@dataclass(frozen=True)
class Case:
    """A request, and the problem it is answered with. `at`: which of the fixture's APIs is asked."""

    kind: Kind
    method: str
    path: str
    at: str = "whole"
    key: str | None = ""
    sends: dict[str, Any] = field(default_factory=dict)


class Stalling:
    """A body of which only the beginning comes."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()


JSON = {"Content-Type": "application/json"}
STALLED = {"data": Stalling(), "headers": JSON}
UNREADABLE = callbacks.twilio_json_callback(uuid4(), b"[]")
CALLBACK = UNREADABLE.url.removeprefix(callbacks.PUBLIC_URL)
SIGNED = {"data": UNREADABLE.body, "headers": UNREADABLE.headers}
CASES = [
    Case(problems.INVALID_JSON, "POST", NOTIFICATIONS, sends={"data": "{", "headers": JSON}),
    Case(problems.INVALID_JSON, "POST", "/v1/schedules", sends={"data": b"\xff", "headers": JSON}),
    Case(problems.INVALID_CURSOR, "GET", f"{NOTIFICATIONS}?cursor=x"),
    Case(problems.INVALID_CURSOR, "GET", "/v1/schedules?cursor=x"),
    Case(problems.INVALID_CURSOR, "GET", "/v1/suppressions?cursor=x"),
    Case(problems.BAD_REQUEST, "POST", "/v1/schedules", sends={"headers": {"Idempotency-Key": "k"}}),
    Case(problems.UNAUTHORIZED, "GET", NOTIFICATIONS, key=None),
    Case(problems.UNAUTHORIZED, "POST", NOTIFICATIONS, key=new_secret(), sends={"json": EMAIL}),
    Case(problems.FORGED_CALLBACK, "POST", "/v1/callbacks/twilio", key=None, sends={"data": "x"}),
    Case(problems.MALFORMED_CALLBACK, "POST", CALLBACK, key=None, sends=SIGNED),
    Case(problems.INSUFFICIENT_SCOPE, "POST", NOTIFICATIONS, key="reader", sends={"json": EMAIL}),
    Case(problems.INSUFFICIENT_SCOPE, "POST", BULK, key="reader", sends={"json": {}}),
    Case(problems.TENANT_DISABLED, "GET", NOTIFICATIONS, key="disabled"),
    Case(problems.TOO_MANY_REQUESTS, "GET", "/v1/schedules", key="greedy"),
    Case(problems.WRONG_MODE, "GET", "/v1/webhook-endpoints", key="test"),
    Case(problems.REQUEST_TIMEOUT, "POST", NOTIFICATIONS, at="impatient", sends=STALLED),
    Case(problems.REQUEST_TIMEOUT, "POST", BULK, at="impatient", sends=STALLED),
    Case(problems.REQUEST_TIMEOUT, "POST", "/v1/callbacks/twilio", at="impatient", key=None, sends=STALLED),
    Case(problems.TOO_BUSY, "GET", NOTIFICATIONS, at="busy"),
    Case(problems.TOO_BUSY, "POST", "/v1/callbacks/twilio", at="busy", key=None),
    Case(problems.URI_TOO_LONG, "GET", f"{NOTIFICATIONS}?tag={'x' * 8_192}"),
    Case(problems.URI_TOO_LONG, "GET", f"/health/live?{'x' * 8_192}", key=None),
    Case(problems.HEADERS_TOO_LARGE, "GET", NOTIFICATIONS, sends={"headers": {"X-Large": "x" * 4_096}}),
    Case(problems.NOT_FOUND, "GET", f"{NOTIFICATIONS}/{uuid4()}"),
    Case(problems.NOT_FOUND, "POST", f"{NOTIFICATIONS}/no-id/cancel"),
    Case(problems.NOT_FOUND, "POST", "/v1/callbacks/nobody", key=None),
    Case(problems.NOT_FOUND, "GET", "/"),
    Case(problems.NOT_FOUND, "GET", "/v1/../etc/passwd"),
    Case(problems.METHOD_NOT_ALLOWED, "PATCH", NOTIFICATIONS),
    Case(problems.METHOD_NOT_ALLOWED, "OPTIONS", "/health/live", key=None),
    Case(problems.METHOD_NOT_ALLOWED, "TRACE", NOTIFICATIONS),
    Case(problems.METHOD_NOT_ALLOWED, "POST", "/docs"),
    Case(problems.MISDIRECTED, "GET", NOTIFICATIONS, sends={"headers": {"Host": "evil.example"}}),
    Case(problems.WRONG_STATUS, "POST", f"{NOTIFICATIONS}/ENDED/cancel"),
    Case(problems.TOO_LARGE, "POST", "/v1/schedules", sends={"data": "1" * 2_000, "headers": JSON}),
    Case(problems.TOO_LARGE, "POST", BULK, sends={"data": "1" * 2_000, "headers": JSON}),
    Case(problems.TOO_LARGE, "POST", "/v1/callbacks/twilio", key=None, sends={"data": "1" * 2_000}),
    Case(problems.UNSUPPORTED_MEDIA_TYPE, "POST", NOTIFICATIONS, sends={"data": "a=b"}),
    Case(problems.VALIDATION, "POST", NOTIFICATIONS, sends={"json": {}}),
    Case(problems.VALIDATION, "POST", BULK, sends={"json": {"notifications": []}}),
    Case(problems.VALIDATION, "GET", f"{NOTIFICATIONS}?per_page=0"),
    Case(
        problems.VALIDATION,
        "POST",
        "/v1/webhook-endpoints/ID/rotate",
        sends={"data": "null", "headers": JSON},
    ),
    Case(
        problems.IDEMPOTENCY_KEY_REUSED,
        "POST",
        NOTIFICATIONS,
        sends={"json": EMAIL | {"body": "Another."}, "headers": {"Idempotency-Key": "used"}},
    ),
    Case(
        problems.WEBHOOK_KEY_MISSING,
        "POST",
        "/v1/webhook-endpoints",
        sends={"json": {"url": "https://a.example/"}},
    ),
    Case(problems.STORAGE_UNAVAILABLE, "GET", NOTIFICATIONS, at="without postgres"),
    Case(
        problems.ORCHESTRATOR_UNAVAILABLE, "POST", NOTIFICATIONS, at="without temporal", sends={"json": EMAIL}
    ),
    Case(problems.ORCHESTRATOR_UNAVAILABLE, "GET", "/v1/schedules", at="without temporal"),
    Case(problems.TOKEN_KEYS_UNAVAILABLE, "GET", NOTIFICATIONS, at="without temporal", key="token"),
    Case(problems.NOT_READY, "GET", "/health/ready", at="without temporal", key=None),
    Case(problems.NOT_READY, "GET", "/health/ready", at="without postgres", key=None),
    # Last, for it breaks the database.
    Case(problems.INTERNAL, "GET", NOTIFICATIONS, at="broken"),
]


@dataclass(frozen=True)
class Apis:
    """The same API in several states, and the ids its requests name."""

    at: dict[str, Api]
    keys: dict[str, str]
    """By the name that a case has for it."""
    ended: str

    async def ask(self, case: Case) -> Answer:
        """The answer to a case's request."""
        key = None if case.key is None else self.keys.get(case.key, case.key)
        path = case.path.replace("ENDED", self.ended).replace("/ID/", f"/{uuid4()}/")
        api = self.at["whole" if case.at == "broken" else case.at]
        return await api.call(case.method, path, key=key, **case.sends)


@pytest.fixture
async def apis(
    database_url: str, temporal_server: TemporalServer, temporal_client: Client
) -> AsyncIterator[Apis]:
    key, _ = await make_key(database_url)
    keys = await other_keys(database_url)
    settings: dict[str, Any] = {
        "trusted_hosts": ["notify.example.com"],
        "max_body_bytes": 1_000,
        "max_bulk_bytes": 1_000,
        "max_header_bytes": 4_096,
        "start_timeout": 2,
    }
    away = token_settings(jwt_jwks=f"http://127.0.0.1:{free_port()}/jwks")
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    async with (
        running_api(
            database_url,
            temporal_server.address,
            key=key,
            environment=callbacks.callback_settings(),
            **settings,
        ) as whole,
        running_api(database_url, "127.0.0.1:1", key=key, tokens=away, **settings) as without_temporal,
        running_api(nowhere, temporal_server.address, key=key, **settings) as without_postgres,
        running_api(
            database_url, temporal_server.address, key=key, body_timeout=0.2, **settings
        ) as impatient,
        running_api(
            database_url, temporal_server.address, key=key, max_concurrent_requests=1, **settings
        ) as busy,
        kept_busy(busy),
    ):
        ended = await whole.submitted()
        await temporal_client.get_workflow_handle(names.workflow_id(ended)).terminate()
        first = await whole.post(NOTIFICATIONS, json=EMAIL, headers={"Idempotency-Key": "used"})
        assert first.status == 201
        assert (await whole.get("/v1/schedules", key=keys["greedy"])).status == 200
        at = {
            "whole": whole,
            "without temporal": without_temporal,
            "without postgres": without_postgres,
            "impatient": impatient,
            "busy": busy,
        }
        yield Apis(at, keys, ended)


async def other_keys(database_url: str) -> dict[str, str]:
    """Keys for which there is a no where the others have a yes, and a token."""
    async with open_engine(database_url) as engine:
        tenants = TenantRepository(engine)
        await tenants.create("shut", {})
        await tenants.disable("shut", True)
        await tenants.create("greedy", {"rate_limit": "1/day"})
    made = {
        "test": make_key(database_url, secret=new_secret(KeyMode.TEST)),
        "reader": make_key(database_url, scopes=[Scope.READ]),
        "disabled": make_key(database_url, "shut"),
        "greedy": make_key(database_url, "greedy"),
    }
    return {name: (await making)[0] for name, making in made.items()} | {"token": token()}


@asynccontextmanager
async def kept_busy(api: Api) -> AsyncIterator[None]:
    """An API that works on as many requests as it may: on one."""
    stalled = asyncio.create_task(api.post(NOTIFICATIONS, **STALLED))

    async def refuses() -> bool:
        nonlocal stalled
        if stalled.done():  # another one was under way when it came
            stalled = asyncio.create_task(api.post(NOTIFICATIONS, **STALLED))
        return (await api.get(NOTIFICATIONS)).status == 503

    try:
        await eventually(refuses)
        yield
    finally:
        stalled.cancel()
        with suppress(asyncio.CancelledError):
            await stalled


async def test_every_problem_is_answered_in_form_and_as_described(apis: Apis, database_url: str) -> None:
    for case in CASES:
        if case.at == "broken":
            connection = await asyncpg.connect(database_url)
            await connection.execute("DROP TABLE delivery_attempts, notifications CASCADE")
            await connection.close()
        answer = await apis.ask(case)
        where = f"{case.kind.name}: {case.method} {case.path}: {answer.status} {answer.text}"
        assert answer.headers["Content-Type"] == "application/problem+json", where
        assert answer.headers["X-Content-Type-Options"] == "nosniff", where
        assert answer.headers["X-Request-ID"], where
        given = answer.json
        assert (given["type"], given["title"]) == (case.kind.type, case.kind.title), where
        assert (given["status"], answer.status) == (case.kind.status, case.kind.status), where
        assert given["detail"], where
        assert given["instance"].startswith("/"), where
        assert "Traceback" not in answer.text, where
        assert apis.at["whole"].key not in answer.text, where
        assert_described(case, answer)


def assert_described(case: Case, answer: Answer) -> None:
    """The operation, if the path is of one, documents this answer with this problem as an example."""
    path = re.sub(r"[?].*", "", case.path)
    for described, operations in DESCRIBED["paths"].items():
        if re.fullmatch(re.sub(r"\{.*?\}", "[^/]+", described), path) and case.method.lower() in operations:
            documented = operations[case.method.lower()]["responses"][str(answer.status)]
            assert case.kind.name in documented["content"]["application/problem+json"]["examples"], case
            headers = documented["headers"]
            assert {name for name in headers if is_required(headers[name])} <= set(answer.headers), case
            # Those of HTTP itself are not described.
            own = {"WWW-Authenticate", "Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-ID"}
            assert {name for name in own if name in answer.headers} <= set(headers), case


def is_required(header: dict[str, Any]) -> bool:
    component = header.get("$ref", "").rpartition("/")[2]
    return bool(DESCRIBED["components"]["headers"].get(component, header).get("required"))


def test_no_problem_is_left_out() -> None:
    assert {case.kind for case in CASES} | set(REACHED_ELSEWHERE) == set(KINDS)
    for file, word in REACHED_ELSEWHERE.values():
        assert word in (Path(__file__).parent / file).read_text(encoding="utf-8")
