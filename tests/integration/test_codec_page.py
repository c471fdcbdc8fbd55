"""`/codec`: signing a browser in and out."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from api.codec_access import LIFETIME
from tests.integration.api import Answer, Api
from tests.integration.codec import (
    CANARY,
    TOKEN,
    UI,
    codec_api,
    decode,
    plain,
    sealed,
)
from tidings.domain.api_key import new_secret
from tidings.local.temporal_server import TemporalServer


@pytest.fixture(scope="module")
async def api(shared_temporal_server: TemporalServer) -> AsyncIterator[Api]:
    async with codec_api(shared_temporal_server, temporal_ui_url=UI) as running:
        yield running


async def sign_in(api: Api, token: str = TOKEN, **headers: str) -> Answer:
    own = {"Origin": api.url} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.post("/codec", key=None, data={"token": token}, headers=own)


def cookie_of(answer: Answer) -> tuple[str, set[str]]:
    """What the browser sends from now on, and the cookie's attributes."""
    value, *attributes = answer.headers["Set-Cookie"].split("; ")
    return value, {attribute.partition("=")[0] for attribute in attributes}


async def test_the_page_runs_no_script_and_tells_what_to_do(api: Api) -> None:
    answer = await api.get("/codec", key=None)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "<script" not in answer.text
    assert f"{api.url}/v1/codec" in answer.text
    assert UI in answer.text
    assert TOKEN not in answer.text


async def test_the_token_becomes_a_cookie_that_reads_for_the_web_ui(api: Api) -> None:
    with capture_logs() as lines:
        answer = await sign_in(api)
    assert (answer.status, answer.headers["Location"]) == (303, "/codec")
    value, attributes = cookie_of(answer)
    assert attributes == {"HttpOnly", "SameSite", "Path", "Max-Age", "expires"} - (
        {"expires"} if "expires" not in attributes else set()
    )
    assert "SameSite=strict" in answer.headers["Set-Cookie"]
    assert f"Max-Age={LIFETIME}" in answer.headers["Set-Cookie"]
    assert TOKEN not in value
    assert TOKEN not in str(lines)
    assert [line["event"] for line in lines if line["event"].startswith("codec_")] == ["codec_signed_in"]

    read = await decode(api, await sealed(), headers={"Cookie": value, "Origin": UI})
    assert read.status == 200
    assert CANARY not in (await decode(api, await sealed(), headers={"Cookie": value})).text
    page = await api.get("/codec", key=None, headers={"Cookie": value})
    assert "signed in until" in page.text


async def test_over_https_the_cookie_is_bound_to_the_host(api: Api) -> None:
    answer = await sign_in(api, Origin="https://notify.example.com", Host="notify.example.com")
    value, attributes = cookie_of(answer)
    assert value.startswith("__Host-tidings-codec=")
    assert {"Secure", "HttpOnly"} <= attributes
    assert "Path=/" in answer.headers["Set-Cookie"]
    assert "Domain" not in attributes
    read = await decode(api, plain(), headers={"Cookie": value, "Origin": UI})
    assert read.status == 200


@pytest.mark.parametrize(
    "token", [TOKEN[:-1], "", "x" * 1_500, new_secret()], ids=["cut", "none", "long", "key"]
)
async def test_a_wrong_token_gives_no_cookie(api: Api, token: str) -> None:
    answer = await sign_in(api, token)
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers
    assert "not the codec token" in answer.text
    assert not token or token not in answer.text


FOREIGN: dict[str, dict[str, Any]] = {
    "another page": {"headers": {"Origin": "https://evil.example"}},
    "the Web UI": {"headers": {"Origin": UI}},
    "a sandboxed page": {"headers": {"Origin": "null"}},
    "nobody": {"headers": {}},
    "another site of the same name": {"headers": {"Sec-Fetch-Site": "same-site", "Origin": "SELF"}},
    "a page of another site": {"headers": {"Sec-Fetch-Site": "cross-site", "Origin": "SELF"}},
    "a link": {"headers": {"Sec-Fetch-Site": "none"}},
}


@pytest.mark.parametrize("path", ["/codec", "/codec/sign-out"])
@pytest.mark.parametrize("headers", [case["headers"] for case in FOREIGN.values()], ids=FOREIGN)
async def test_only_the_page_itself_signs_in_and_out(api: Api, path: str, headers: dict[str, str]) -> None:
    given = {name: api.url if value == "SELF" else value for name, value in headers.items()}
    answer = await api.post(path, key=None, data={"token": TOKEN}, headers=given)
    assert (answer.status, answer.kind) == (400, "bad-request")
    assert "Set-Cookie" not in answer.headers


BODIES: dict[str, tuple[int, dict[str, Any]]] = {
    "JSON": (400, {"json": {"token": TOKEN}}),
    "text": (400, {"data": f"token={TOKEN}", "headers": {"Content-Type": "text/plain"}}),
    "too large": (413, {"data": {"token": "x" * 10_000}}),
    "bytes": (
        403,
        {"data": b"\xff%%token", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    ),
}


@pytest.mark.parametrize(("status", "request_"), BODIES.values(), ids=BODIES)
async def test_what_is_no_form_signs_nobody_in(api: Api, status: int, request_: dict[str, Any]) -> None:
    headers = {"Origin": api.url} | request_.get("headers", {})
    answer = await api.post("/codec", key=None, **{**request_, "headers": headers})
    assert answer.status == status
    assert "Set-Cookie" not in answer.headers


async def test_signing_out_takes_the_cookie_back(api: Api) -> None:
    value, _ = cookie_of(await sign_in(api))
    answer = await api.post("/codec/sign-out", key=None, headers={"Origin": api.url, "Cookie": value})
    assert (answer.status, answer.headers["Location"]) == (303, "/codec")
    assert re.match(r'tidings-codec=("")?; .*Max-Age=0', answer.headers["Set-Cookie"])


async def test_nothing_of_the_request_is_run_on_the_page(api: Api) -> None:
    answer = await api.get("/codec", key=None, headers={"Host": "x<b>y", "Cookie": "tidings-codec=<b>"})
    assert "<b>y" not in answer.text
    assert "=<b>" not in answer.text
