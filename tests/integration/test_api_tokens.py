"""Tokens of an issuer over HTTP: whose they are, what is wrong with bad ones, and revocation."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("jwt", reason="needs PyJWT: the extra 'jwt' is not installed")

from api.composition import ApiConfiguration, compose
from tests.bad_tokens import BAD
from tests.integration.api import EMAIL, Api, make_key, running_api
from tests.integration.command_line import tidings
from tests.support import eventually, free_port
from tests.tokens import ELLIPTIC_ID, KEY_ID, key_set, token, token_settings
from tidings.errors import SetupError
from tidings.local.temporal_server import TemporalServer
from tidings.settings import ApiSettings, DatabaseSettings, ProviderSettings, TokenSettings

NOWHERE = "postgresql://tidings@127.0.0.1:1/tidings"


@pytest.fixture
def trusted(tmp_path: Path) -> TokenSettings:
    """Settings that trust the issuer, whose key set is in a file."""
    file = tmp_path / "jwks.json"
    file.write_text(key_set(KEY_ID, ELLIPTIC_ID))
    return token_settings(jwt_jwks=str(file))


@pytest.fixture
async def api(
    database_url: str, temporal_server: TemporalServer, trusted: TokenSettings
) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key, tokens=trusted) as api:
        yield api


@pytest.fixture
async def api_without_postgres(trusted: TokenSettings) -> AsyncIterator[Api]:
    async with running_api(NOWHERE, "127.0.0.1:1", key="none", tokens=trusted) as api:
        yield api


async def test_a_token_acts_for_its_tenant_beside_its_keys(api: Api) -> None:
    submitted = await api.post("/v1/notifications", json=EMAIL, key=token())
    assert submitted.status == 201
    path = f"/v1/notifications/{submitted.json['id']}"
    assert (await api.get(path)).status == 200, "the tenant's key sees it"
    assert (await api.get(path, key=token(ELLIPTIC_ID))).status == 200
    assert (await api.get(path, key=token(tenant="rival"))).status == 404


async def test_a_tokens_mode_and_scopes_hold(api: Api) -> None:
    test = await api.post("/v1/notifications", json=EMAIL, key=token(mode="test"))
    assert test.json["mode"] == "test"
    refused = await api.post("/v1/notifications", json=EMAIL, key=token(scope="read admin"))
    assert (refused.status, refused.kind, refused.json["scope"]) == (403, "insufficient-scope", "send")


async def test_bad_tokens_are_refused_with_the_reason_and_without_asking_postgres(
    api_without_postgres: Api,
) -> None:
    assert len(BAD) >= 25
    for case, make in BAD.items():
        bad, reason = make()
        answer = await api_without_postgres.get("/v1/notifications", key=bad)
        assert (answer.status, answer.kind) == (401, "unauthorized"), case
        assert reason in answer.json["detail"], case
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="tidings", error="invalid_token"'
        assert not any(part in answer.text for part in bad.split(".") if len(part) > 3), case


async def test_a_good_token_that_may_be_revoked_waits_for_the_list(api_without_postgres: Api) -> None:
    answer = await api_without_postgres.get("/v1/notifications", key=token())
    assert (answer.status, answer.kind) == (503, "storage-unavailable")
    nowhere = await api_without_postgres.post("/v1/notifications", json=EMAIL, key=token(jti=None))
    assert (nowhere.status, nowhere.kind) == (503, "orchestrator-unavailable"), "it has passed"


async def test_where_no_tokens_are_set_up_none_is_taken(
    database_url: str, temporal_server: TemporalServer
) -> None:
    async with running_api(database_url, temporal_server.address, key="none") as api:
        answer = await api.get("/v1/notifications", key=token())
    assert (answer.status, answer.kind) == (401, "unauthorized")
    assert "no API key" in answer.json["detail"]


async def test_a_token_that_is_revoked_is_refused_by_every_process(
    api: Api, database_url: str, temporal_server: TemporalServer, trusted: TokenSettings
) -> None:
    revoked, other = token(jti="stolen"), token(jti="mine")
    async with running_api(database_url, temporal_server.address, key="none", tokens=trusted) as second:
        for one in (api, second):
            assert (await one.get("/v1/notifications", key=revoked)).status == 200
        until = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
        ended = await tidings(
            "tokens", "revoke", "stolen", "--until", until, TIDINGS_DATABASE_URL=database_url
        )
        assert (ended.status, ended.err) == (0, "")
        for one in (api, second):

            async def refused(one: Api = one) -> bool:
                answer = await one.get("/v1/notifications", key=revoked)
                return answer.status == 401 and "revoked" in answer.json["detail"]

            await eventually(refused)
            assert (await one.get("/v1/notifications", key=other)).status == 200
    listed = await tidings("tokens", "list", "--json", TIDINGS_DATABASE_URL=database_url)
    assert [entry["jti"] for entry in json.loads(listed.out)] == ["stolen"]
    assert "stolen" in (await tidings("tokens", "list", TIDINGS_DATABASE_URL=database_url)).out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("one",), "--until"),
        (("one", "--until", "yesterday"), "yesterday"),
        (("one", "--until", "2026-01-01T00:00:00Z"), "not in the future"),
        (("one", "--until", "2099-01-01T00:00:00"), "offset"),
        (("one", "--until", "0d"), "0d"),
        (("", "--until", "1d"), "jti"),
        (("x" * 256, "--until", "1d"), "jti"),
    ],
)
async def test_a_revocation_that_makes_no_sense_is_wrong_usage(
    arguments: tuple[str, ...], named: str
) -> None:
    ended = await tidings("tokens", "revoke", *arguments, TIDINGS_DATABASE_URL=NOWHERE)
    assert ended.status == 2
    assert named in " ".join(ended.err.split())


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), ("{", "no JSON Web Key Set"), ('{"keys": []}', "no public key")],
)
async def test_a_key_set_file_that_cannot_be_used_stops_the_start(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    file = tmp_path / "jwks.json"
    if content is not None:
        file.write_text(content)
    configuration = ApiConfiguration(
        api=ApiSettings(),
        database=DatabaseSettings.load(database_url=NOWHERE),
        providers=ProviderSettings(),
        tokens=token_settings(jwt_jwks=str(file)),
    )
    async with AsyncExitStack() as stack:
        with pytest.raises(SetupError, match=f"TIDINGS_JWT_JWKS: .*{reason}") as caught:
            await stack.enter_async_context(compose(configuration))
    assert "\n" not in str(caught.value)


async def test_an_issuer_that_is_away_at_the_start_keeps_no_key_from_working(
    database_url: str, temporal_server: TemporalServer
) -> None:
    away = token_settings(jwt_jwks=f"http://127.0.0.1:{free_port()}/jwks")
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key, tokens=away) as api:
        assert (await api.get("/v1/notifications")).status == 200
        answer = await api.get("/v1/notifications", key=token())
    assert (answer.status, answer.kind) == (503, "token-keys-unavailable")
    assert answer.headers["Retry-After"] == "5"
