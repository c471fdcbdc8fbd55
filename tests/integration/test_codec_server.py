"""The codec server: who reads payloads and who does not, and what becomes of those that do not open."""

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from temporalio.api.common.v1 import Payload

from api.codec_access import GUESSES, LIFETIME
from api.codec_payloads import MAX_BODY_BYTES, MOST_PAYLOADS
from tests.integration.api import Api, running_api
from tests.integration.codec import (
    BEARER,
    CANARY,
    KEYS,
    NOWHERE,
    OTHER_KEYS,
    SECOND_UI,
    TOKEN,
    UI,
    WORKFLOW,
    as_json,
    codec_api,
    cookie,
    data_of,
    decode,
    plain,
    sealed,
)
from tidings.domain.api_key import new_secret
from tidings.local.temporal_server import TemporalServer

DECODE, ENCODE = "/v1/codec/decode", "/v1/codec/encode"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
async def api(shared_temporal_server: TemporalServer) -> AsyncIterator[Api]:
    """With a token, and open to every page where it is not about payloads."""
    async with codec_api(shared_temporal_server, temporal_ui_url=f"{UI}/", cors_origins=["*"]) as running:
        yield running


def with_cookie(value: str, origin: str | None = UI) -> dict[str, str]:
    return {"Cookie": value, **({"Origin": origin} if origin else {})}


GOOD = cookie()
VERSION, END, SESSION, SIGNATURE = GOOD.removeprefix("tidings-codec=").split(".")


def made_up(*parts: str) -> dict[str, str]:
    return with_cookie(f"tidings-codec={'.'.join(parts)}")


REFUSED = {
    "nothing": {},
    "wrong token": {"Authorization": f"Bearer {TOKEN[::-1]}"},
    "token cut short": {"Authorization": f"Bearer {TOKEN[:-1]}"},
    "token and more": {"Authorization": f"Bearer {TOKEN}0"},
    "token in capitals": {"Authorization": f"Bearer {TOKEN.upper()}"},
    "token without its scheme": {"Authorization": TOKEN},
    "token by another scheme": {"Authorization": f"Basic {TOKEN}"},
    "no token": {"Authorization": "Bearer "},
    "not ASCII": {"Authorization": "Bearer \u00e9" * 3},
    "API key": {"Authorization": f"Bearer {new_secret()}"},
    "JSON Web Token": {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    "wrong token and a good cookie": {**with_cookie(GOOD), "Authorization": "Bearer none"},
    "cookie without origin": with_cookie(GOOD, None),
    "foreign origin": with_cookie(GOOD, "https://evil.example"),
    "origin null": with_cookie(GOOD, "null"),
    "origin that begins like ours": with_cookie(GOOD, f"{UI}.evil.example"),
    "origin of another scheme": with_cookie(GOOD, UI.replace("http:", "https:")),
    "origin of another port": with_cookie(GOOD, "http://127.0.0.1:8234"),
    "origin by another name": with_cookie(GOOD, "http://localhost:8233"),
    "the API itself as origin": with_cookie(GOOD, "http://127.0.0.1:8000"),
    "cookie of yesterday": with_cookie(cookie(ago=LIFETIME + 1)),
    "cookie of tomorrow": with_cookie(cookie(ago=-86_400)),
    "cookie of another token": with_cookie(cookie(token=TOKEN[::-1])),
    "cookie with a later end": made_up(VERSION, str(int(END) + 1), SESSION, SIGNATURE),
    "cookie with another session": made_up(VERSION, END, SESSION[::-1], SIGNATURE),
    "cookie of another version": made_up("2", END, SESSION, SIGNATURE),
    "cookie without signature": made_up(VERSION, END, SESSION, ""),
    "cookie in three parts": made_up(VERSION, END, SESSION),
    "cookie whose end is no number": made_up(VERSION, "never", SESSION, SIGNATURE),
    "cookie whose end is too large": made_up(VERSION, "9" * 30, SESSION, SIGNATURE),
    "cookie that is too long": made_up(VERSION, END, SESSION, SIGNATURE * 40),
    "token as cookie": with_cookie(f"tidings-codec={TOKEN}"),
    "cookie of no value": with_cookie("tidings-codec="),
}


@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED)
async def test_who_is_not_allowed_reads_nothing(api: Api, headers: dict[str, str]) -> None:
    answer = await decode(api, await sealed(), headers=headers)
    assert (answer.status, answer.kind) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="tidings codec"'
    assert "data" not in answer.json
    assert TOKEN not in answer.text


@pytest.mark.parametrize("case", ["nothing", "API key", "foreign origin", "cookie of yesterday"])
async def test_who_may_not_read_does_not_seal_either(api: Api, case: str) -> None:
    answer = await api.post(ENCODE, key=None, json={}, headers=REFUSED[case])
    assert (answer.status, answer.kind) == (401, "unauthorized")


async def test_the_refusal_of_an_api_key_says_what_to_send(api: Api) -> None:
    answer = await decode(api, headers={"Authorization": f"Bearer {new_secret()}"})
    assert "API keys read no payloads" in answer.json["detail"]
    answer = await api.post(f"{DECODE}?token={TOKEN}", key=None, json={})
    assert (answer.status, "/codec" in answer.json["detail"]) == (401, True)


@pytest.mark.parametrize(
    "headers",
    [BEARER, with_cookie(GOOD), with_cookie(cookie(), SECOND_UI), {"Authorization": f"bearer  {TOKEN} "}],
    ids=["token", "cookie", "cookie of a named page", "scheme in small letters"],
)
async def test_who_is_allowed_reads_and_the_log_says_so(api: Api, headers: dict[str, str]) -> None:
    clear = plain("signal by hand")
    with capture_logs() as lines:
        answer = await decode(api, await sealed(), clear, headers=headers)
    assert answer.status == 200
    assert answer.json == {"payloads": [as_json(plain()), as_json(clear)]}
    (line,) = [line for line in lines if line["event"] == "payloads_read"]
    assert line["by"] == ("cookie" if "Cookie" in headers else "token")
    assert (line["opened"], line["unopened"], line["namespace"]) == (1, 0, "default")
    assert line["workflows"] == [WORKFLOW]
    assert CANARY not in str(lines)
    assert TOKEN not in str(lines)


def altered(payload: Payload, **metadata: bytes) -> Payload:
    changed = Payload()
    changed.CopyFrom(payload)
    changed.data = payload.data if metadata else payload.data[:-1] + bytes([payload.data[-1] ^ 1])
    for name, value in metadata.items():
        changed.metadata[name.replace("_", "-")] = value
    return changed


async def test_what_does_not_open_says_why_and_spoils_nothing_else(api: Api) -> None:
    good = await sealed()
    bare = Payload(metadata={"encoding": b"binary/encrypted"}, data=b"x")
    bad = {
        "TIDINGS_CODEC_KEYS": await sealed(keys=OTHER_KEYS),
        "another key under the same id": altered(good),
        "Not as it was sealed": altered(good, tidings_workflow=b"notification-another"),
        "which this process does not have": altered(good, encryption_key_id=b"\x7f" * 40),
        "older": altered(good, tidings_form=b"2"),
        "Not readable": bare,
        "": Payload(metadata=good.metadata, data=b""),
    }
    with capture_logs() as lines:
        answer = await decode(api, good, *bad.values(), good)
    assert answer.status == 200
    first, *notes, last = answer.json["payloads"]
    assert data_of(first) == data_of(last) == plain().data
    for word, note in zip(bad, notes, strict=True):
        assert word in data_of(note).decode()
        assert json.loads(data_of(note)).startswith("Not readable. ")
        assert CANARY.encode() not in data_of(note)
    (line,) = [line for line in lines if line["event"] == "payloads_read"]
    assert (line["opened"], line["unopened"], line["workflows"]) == (2, len(bad), [WORKFLOW])


@pytest.mark.parametrize("body", [{}, {"payloads": []}, {"payloads": None}], ids=["empty", "none", "null"])
@pytest.mark.parametrize("path", [DECODE, ENCODE])
async def test_nothing_to_do_is_no_error(api: Api, path: str, body: Any) -> None:
    """The `temporal` command asks so for each event without payloads, and for signals without input."""
    with capture_logs() as lines:
        answer = await api.post(path, key=None, json=body, headers=BEARER)
    assert (answer.status, answer.json) == (200, {"payloads": []})
    assert not [line for line in lines if line["event"].startswith("payloads_")]


async def test_what_a_person_typed_is_sealed(api: Api) -> None:
    typed = plain("wrong customer")
    typed.metadata["tidings-clear"] = b"1"
    typed.metadata["tidings-tenant"] = b"\xff"
    answer = await api.post(ENCODE, key=None, json={"payloads": [as_json(typed)]}, headers=BEARER)
    assert answer.status == 200
    (made,) = answer.json["payloads"]
    assert b"wrong customer" not in data_of(made)
    opened = await api.post(DECODE, key=None, json={"payloads": [made]}, headers=BEARER)
    assert opened.json == {"payloads": [as_json(plain("wrong customer"))]}


async def test_base64_comes_in_either_alphabet_with_and_without_padding(api: Api) -> None:
    payload = as_json(await sealed())
    spelled = payload["data"].rstrip("=").translate(str.maketrans("+/", "-_"))
    body = {"payloads": [{**payload, "data": spelled}]}
    answer = await api.post(DECODE, key=None, json=body, headers=BEARER)
    assert answer.json == {"payloads": [as_json(plain())]}


def one(**payload: Any) -> dict[str, Any]:
    return {"payloads": [payload]}


MALFORMED: dict[str, tuple[Any, str]] = {
    "array": ([], "/payloads"),
    "text": ("payloads", "/payloads"),
    "number": (7, "/payloads"),
    "payloads is text": ({"payloads": "x"}, "/payloads"),
    "payloads is an object": ({"payloads": {"metadata": {}}}, "/payloads"),
    "payload is a number": ({"payloads": [{}, 7]}, "/payloads/1"),
    "metadata is an array": (one(metadata=["x"], data=""), "/payloads/0/metadata"),
    "metadata is no base64": (one(metadata={"encoding": "%"}), "/payloads/0/metadata/encoding"),
    "metadata is a number": (one(metadata={"encoding": 7}), "/payloads/0/metadata/encoding"),
    "a name with a slash": (one(metadata={"a/b~": "%"}), "/payloads/0/metadata/a~1b~0"),
    "data is no base64": (one(metadata={}, data="§$%"), "/payloads/0/data"),
    "data is half a byte": (one(metadata={}, data="A"), "/payloads/0/data"),
    "data is a number": (one(metadata={}, data=7), "/payloads/0/data"),
    "too many": ({"payloads": [{}] * (MOST_PAYLOADS + 1)}, "/payloads"),
}


@pytest.mark.parametrize("path", [DECODE, ENCODE])
@pytest.mark.parametrize(("body", "pointer"), MALFORMED.values(), ids=MALFORMED)
async def test_a_body_that_is_not_in_form_is_told_where(api: Api, path: str, body: Any, pointer: str) -> None:
    answer = await api.post(path, key=None, json=body, headers=BEARER)
    assert (answer.status, answer.pointers) == (422, [pointer])


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100_000 + 1):
        yield b" " * 100_000


UNREADABLE: dict[str, tuple[int, dict[str, Any]]] = {
    "no JSON": (400, {"data": b'{"payloads":[', "headers": JSON}),
    "no UTF-8": (400, {"data": b'"\xff"', "headers": JSON}),
    "nothing": (400, {"data": b"", "headers": JSON}),
    "text": (415, {"data": b"{}", "headers": {"Content-Type": "text/plain"}}),
    "a form, as any page may send it": (415, {"data": {"payloads": "x"}}),
    "compressed": (415, {"data": gzip.compress(b"{}"), "headers": JSON | {"Content-Encoding": "gzip"}}),
    "too large": (413, {"data": io.BytesIO(b" " * (MAX_BODY_BYTES + 1)), "headers": JSON}),
    "too large, in pieces": (413, {"data": chunks(MAX_BODY_BYTES), "headers": JSON}),
}


@pytest.mark.parametrize(("status", "request_"), UNREADABLE.values(), ids=UNREADABLE)
async def test_a_body_that_cannot_be_read_is_refused(api: Api, status: int, request_: dict[str, Any]) -> None:
    headers = request_.get("headers", {}) | with_cookie(GOOD)
    answer = await api.post(DECODE, key=None, **{**request_, "headers": headers})
    assert answer.status == status
    assert answer.kind


@pytest.mark.parametrize("namespace", ["another", "", "Default", "default,another"])
async def test_another_namespace_is_refused(api: Api, namespace: str) -> None:
    answer = await decode(api, await sealed(), headers=BEARER | {"X-Namespace": namespace})
    assert (answer.status, answer.pointers) == (422, ["/X-Namespace"])


@pytest.mark.parametrize("path", [DECODE, ENCODE, "/codec/sign-out"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods_are_told_which_there_is(api: Api, method: str, path: str) -> None:
    answer = await api.call(method, path, key=None, headers=BEARER)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


BEFORE = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,authorization-extras,content-type,x-namespace",
}


@pytest.mark.parametrize("origin", [UI, SECOND_UI])
async def test_the_web_ui_may_ask_with_a_cookie(api: Api, origin: str) -> None:
    preflight = await api.call("OPTIONS", DECODE, key=None, headers=BEFORE | {"Origin": origin})
    assert preflight.status == 204
    given = preflight.headers
    allowed = {name.strip().lower() for name in given["Access-Control-Allow-Headers"].split(",")}
    assert set(BEFORE["Access-Control-Request-Headers"].split(",")) <= allowed
    assert given["Access-Control-Allow-Methods"] == "POST"
    read = await decode(api, headers=with_cookie(GOOD, origin))
    refused = await decode(api, headers={"Origin": origin})
    assert (read.status, refused.status) == (200, 401)
    for answer in (preflight, read, refused):
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:8233", "*"])
async def test_no_other_page_may_although_the_api_is_open_to_all(api: Api, origin: str) -> None:
    for path in (DECODE, ENCODE, "/codec", "/codec/sign-out"):
        preflight = await api.call("OPTIONS", path, key=None, headers=BEFORE | {"Origin": origin})
        asked = await api.post(path, key=None, json={}, headers=BEARER | {"Origin": origin})
        assert preflight.status == 405
        for answer in (preflight, asked):
            assert not [name for name in answer.headers if name.startswith("Access-Control")], path


async def test_what_opens_payloads_to_the_web_ui_opens_nothing_else(api: Api) -> None:
    for path in ("/v1/notifications", "/v1/codecs", "/docs"):
        answer = await api.get(path, key=None, headers={"Origin": UI})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert (await api.get("/v1/notifications", key=None, headers=with_cookie(GOOD))).status == 401
    assert (await api.get("/v1/notifications", key=TOKEN)).status == 401


async def test_without_a_token_nobody_reads(temporal_server: TemporalServer) -> None:
    keys = {"TIDINGS_CODEC_KEYS": KEYS}
    async with running_api(NOWHERE, temporal_server.address, key=new_secret(), environment=keys) as off:
        for method, path in [("POST", DECODE), ("POST", ENCODE), ("GET", "/codec"), ("POST", "/codec")]:
            answer = await off.call(method, path, json={}, headers=with_cookie(GOOD))
            assert (answer.status, answer.kind) == (404, "not-found")
            assert "TIDINGS_CODEC_TOKEN" in answer.json["detail"]
            preflight = await off.call("OPTIONS", path, key=None, headers=BEFORE | {"Origin": UI})
            assert preflight.status == 405
            assert "Access-Control-Allow-Origin" not in preflight.headers


async def test_guessing_is_ended_for_a_while_but_no_session(temporal_server: TemporalServer) -> None:
    async with codec_api(temporal_server) as api:
        mistakes = [
            decode(api, headers={"Authorization": f"Bearer {new_secret()}"}) for _ in range(2 * GUESSES)
        ]
        assert {answer.status for answer in await asyncio.gather(*mistakes)} == {401}, "keys are no guesses"
        guess = {"Authorization": "Bearer guess"}
        assert [(await decode(api, headers=guess)).status for _ in range(GUESSES)] == [401] * GUESSES
        for headers in (guess, BEARER):
            answer = await decode(api, headers=headers)
            assert (answer.status, answer.kind) == (429, "too-many-requests")
            assert answer.headers["Retry-After"] == "60"
        form = {"data": {"token": TOKEN}, "headers": {"Origin": api.url}}
        page = await api.post("/codec", key=None, **form)
        assert (page.status, "try again in a minute" in page.text) == (429, True)
        assert (await decode(api, await sealed(), headers=with_cookie(GOOD))).status == 200
