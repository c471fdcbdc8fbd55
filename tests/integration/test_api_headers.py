"""What every answer bears, whom the API answers, and which web pages it is open to."""

from collections.abc import AsyncIterator
from uuid import uuid4

import aiohttp
import pytest

from api.cross_origin import EXPOSED
from tests.integration.api import EMAIL, Api, make_key, running_api
from tidings.errors import SetupError
from tidings.local.temporal_server import TemporalServer
from tidings.settings import ApiSettings

CONSOLE = "https://console.example.com"
BEFORE_A_POST = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
}


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    """As it comes: no setting of this page's is set."""
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as running:
        yield running


@pytest.fixture
async def guarded(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    """With named hosts and origins, behind HTTPS."""
    key, _ = await make_key(database_url)
    settings = ApiSettings.load(
        cors_origins=f"{CONSOLE}, http://localhost:3000",
        trusted_hosts="notify.example.com, *.internal.example.com",
        hsts_seconds=31_536_000,
    )
    given = settings.model_dump(include={"cors_origins", "trusted_hosts", "hsts_seconds"})
    async with running_api(database_url, temporal_server.address, key=key, **given) as running:
        yield running


ANSWERS = [
    ("GET", "/v1/notifications", 200),
    ("POST", "/v1/notifications", 201),
    ("POST", "/v1/notifications/", 201),
    ("GET", "/v1/notifications/4b402ba4-ef91-4c35-8976-13d27a2f396a", 404),
    ("DELETE", "/v1/notifications", 405),
    ("OPTIONS", "/v1/notifications", 405),
    ("GET", "/v1/notifications?page=0", 422),
    ("GET", "/v1/notifications?cursor=x", 400),
    ("GET", "/health/live", 200),
    ("GET", "/metrics", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/docs", 200),
    ("GET", "/docs/static/swagger-ui.css", 200),
    ("GET", "/docs/static/nothing.js", 404),
    ("GET", "/", 404),
    ("POST", "/v1/callbacks/nobody", 404),
]


async def test_every_answer_bears_the_same_headers(api: Api) -> None:
    for method, path, status in ANSWERS:
        answer = await api.call(method, path, json=EMAIL if method == "POST" else None)
        given = answer.headers
        assert answer.status == status, (method, path, answer.text)
        assert given["X-Content-Type-Options"] == "nosniff", path
        assert given["Referrer-Policy"] == "no-referrer", path
        assert given["X-Request-ID"], path
        assert "frame-ancestors 'none'" in given["Content-Security-Policy"], path
        is_docs_file = path.startswith("/docs/static/") and status == 200
        assert given["Cache-Control"] == ("public, max-age=3600" if is_docs_file else "no-store"), path
        assert not {"Server", "X-Powered-By", "Strict-Transport-Security"} & set(given), path
        assert not [name for name in given if name.startswith("Access-Control")], path
        if status >= 400:
            assert given["Content-Type"] == "application/problem+json", path


async def test_the_docs_page_runs_only_its_own_scripts(api: Api) -> None:
    policy = (await api.get("/docs", key=None)).headers["Content-Security-Policy"]
    (scripts,) = [part.strip() for part in policy.split(";") if "script-src" in part]
    assert scripts.startswith("script-src 'self' 'sha256-")
    assert "unsafe-inline" not in scripts
    assert "unsafe-eval" not in scripts


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/notifications", 200),
        ("/v1/notifications/", 200),
        ("/v1/notifications/4b402ba4-ef91-4c35-8976-13d27a2f396a", 404),
        ("/health/ready", 200),
        ("/metrics", 200),
        ("/docs", 200),
        ("/docs/static/swagger-ui.css", 200),
        ("/nowhere", 404),
    ],
)
async def test_head_is_get_without_the_body(api: Api, path: str, status: int) -> None:
    got = await api.get(path)
    head = await api.call("HEAD", path)
    assert (head.status, got.status) == (status, status)
    assert head.text == ""
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    if path != "/metrics":  # which counts its own answers
        assert head.headers["Content-Length"] == got.headers["Content-Length"]


async def test_head_is_not_for_paths_that_only_do_things(api: Api) -> None:
    answer = await api.call("HEAD", f"/v1/notifications/{uuid4()}/cancel")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


HOSTS = [
    ("notify.example.com", 200),
    ("NOTIFY.example.com:8443", 200),
    ("notify.example.com.", 200),
    ("eu.internal.example.com", 200),
    ("127.0.0.1:9000", 200),
    ("localhost", 200),
    ("[::1]:8000", 200),
    ("evil.example", 421),
    ("notify.example.com.evil.example", 421),
    ("xinternal.example.com", 421),
    ("internal.example.com", 421),
    ("127.0.0.1.evil.example", 421),
    ("10.0.0.7", 421),
    ("notify.example.com@evil.example", 421),
    ("", 421),
]


@pytest.mark.parametrize(("host", "status"), HOSTS)
async def test_only_named_hosts_are_answered(guarded: Api, host: str, status: int) -> None:
    answer = await guarded.get("/v1/notifications", headers={"Host": host})
    assert answer.status == status, answer.text
    if status == 421:
        assert answer.kind == "misdirected-request"
        assert "TIDINGS_TRUSTED_HOSTS" in answer.json["detail"]


async def test_a_foreign_host_stores_nothing(guarded: Api) -> None:
    refused = await guarded.post("/v1/notifications", json=EMAIL, headers={"Host": "evil.example"})
    assert refused.status == 421
    assert (await guarded.get("/v1/notifications")).json["total"] == 0


async def test_probes_come_by_any_host(guarded: Api) -> None:
    for path in ("/health/live", "/health/ready", "/metrics"):
        assert (await guarded.get(path, key=None, headers={"Host": "10.0.0.7:8000"})).status == 200


async def test_without_named_hosts_any_will_do(api: Api) -> None:
    for host in ("evil.example", "10.0.0.7", ""):
        assert (await api.get("/v1/notifications", headers={"Host": host})).status == 200


async def test_browsers_are_told_to_insist_on_https(guarded: Api) -> None:
    for path in ("/v1/notifications", "/nowhere", "/docs"):
        answer = await guarded.get(path)
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("origin", [CONSOLE, "http://localhost:3000"])
async def test_a_named_origin_may_call(guarded: Api, origin: str) -> None:
    preflight = await guarded.call(
        "OPTIONS", "/v1/notifications", key=None, headers={"Origin": origin, **BEFORE_A_POST}
    )
    said = preflight.headers
    assert (preflight.status, said["Access-Control-Allow-Origin"]) == (204, origin)
    assert "POST" in said["Access-Control-Allow-Methods"]
    allowed = said["Access-Control-Allow-Headers"].lower().replace(" ", "").split(",")
    assert {"authorization", "content-type", "idempotency-key", "x-request-id"} <= set(allowed)
    assert said["Access-Control-Max-Age"] == "600"
    for method, path, status in (
        ("POST", "/v1/notifications", 201),
        ("GET", "/v1/notifications?page=0", 422),
        ("GET", "/nowhere", 404),
        ("HEAD", "/v1/notifications", 200),
    ):
        answer = await guarded.call(
            method, path, json=EMAIL if method == "POST" else None, headers={"Origin": origin}
        )
        assert answer.status == status
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert answer.headers["Access-Control-Expose-Headers"] == EXPOSED
        assert answer.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "http://console.example.com",
        "https://console.example.com:444",
        "https://console.example.com.evil.example",
        "HTTPS://CONSOLE.EXAMPLE.COM",
    ],
)
async def test_no_other_origin_may(guarded: Api, origin: str) -> None:
    preflight = await guarded.call(
        "OPTIONS", "/v1/notifications", key=None, headers={"Origin": origin, **BEFORE_A_POST}
    )
    assert (preflight.status, preflight.kind) == (405, "method-not-allowed")
    answer = await guarded.get("/v1/notifications", headers={"Origin": origin})
    # The server does not stand in the way of what is no page; the browser keeps the answer from a page.
    assert answer.status == 200
    for each in (preflight, answer):
        assert not [name for name in each.headers if name.startswith("Access-Control")]
        assert each.headers["Vary"] == "Origin"


async def test_any_origin_may_where_the_operator_says_so(
    database_url: str, temporal_server: TemporalServer
) -> None:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key, cors_origins=["*"]) as api:
        answer = await api.get("/v1/notifications", headers={"Origin": "https://anybody.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("cors_origins", "https://console.example.com/"),
        ("cors_origins", "console.example.com"),
        ("cors_origins", "null"),
        ("cors_origins", "https://*.example.com"),
        ("trusted_hosts", "https://notify.example.com"),
        ("trusted_hosts", "*"),
        ("trusted_hosts", "two words"),
        ("hsts_seconds", -1),
    ],
)
def test_settings_that_would_never_match_are_refused(setting: str, value: object) -> None:
    with pytest.raises(SetupError, match=f"TIDINGS_{setting.upper()}"):
        ApiSettings.load(**{setting: value})


async def test_a_second_host_header_is_refused(guarded: Api) -> None:
    timeout = aiohttp.ClientTimeout(total=10)
    headers = [("Host", "notify.example.com"), ("Host", "evil.example")]
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(guarded.url + "/v1/notifications", headers=headers) as answer,
    ):
        assert answer.status == 421
