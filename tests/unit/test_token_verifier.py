"""Which tokens are taken and which are not, by keys that are known: no server, no database."""

import json
from typing import Any

import pytest

pytest.importorskip("jwt", reason="needs PyJWT: the extra 'jwt' is not installed")
pytest.importorskip("cryptography", reason="needs cryptography: the extra 'jwt' is not installed")

from api.token_keys import KeySet, SharedSecret
from api.token_verifier import BadToken, TokenVerifier
from tests.bad_tokens import BAD, now
from tests.tokens import (
    AUDIENCE,
    ELLIPTIC_ID,
    KEY_ID,
    SECRET,
    by_hand,
    claims,
    encoded,
    key_set,
    private_jwk,
    token,
    token_settings,
)
from tidings.domain.vocabulary import KeyMode, Scope


@pytest.fixture
async def verifier(tmp_path: Any) -> TokenVerifier:
    file = tmp_path / "jwks.json"
    file.write_text(key_set(KEY_ID, ELLIPTIC_ID))
    keys = KeySet(str(file))
    await keys.refresh()
    return TokenVerifier(token_settings(jwt_jwks=str(file)), keys)


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_token_is_refused_and_the_reason_repeats_nothing_of_it(
    verifier: TokenVerifier, case: str
) -> None:
    bad, reason = BAD[case]()
    with pytest.raises(BadToken, match=reason) as caught:
        await verifier.verify(bad)
    assert not any(part in str(caught.value) for part in bad.split(".") if len(part) > 3)
    assert "rival" not in str(caught.value)


@pytest.mark.parametrize("key_id", [KEY_ID, ELLIPTIC_ID])
async def test_a_good_token_says_who_calls(verifier: TokenVerifier, key_id: str) -> None:
    verified = await verifier.verify(token(key_id, jti="one", tenant="acme-2.eu", scope="read admin"))
    caller = verified.caller
    assert (caller.id, caller.tenant, caller.mode) == ("token-acme-2.eu/orders", "acme-2.eu", KeyMode.LIVE)
    assert caller.scopes == {Scope.READ, Scope.ADMIN}
    assert verified.token_id == "one"


async def test_the_same_subject_of_two_tenants_is_two_callers(verifier: TokenVerifier) -> None:
    ids = {(await verifier.verify(token(tenant=tenant))).caller.id for tenant in ("acme", "other")}
    assert len(ids) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": -1},
        {"nbf": 10, "iat": 10},
        {"aud": ["https://billing.example.com", AUDIENCE]},
        {"jti": None, "sub": None, "iat": None},
        {"unknown": {"claims": "are passed over"}},
    ],
)
async def test_what_is_still_good(verifier: TokenVerifier, changes: dict[str, Any]) -> None:
    # Numbers are seconds from now.
    given: dict[str, Any] = {
        name: now() + value if isinstance(value, int) else value for name, value in changes.items()
    }
    assert (await verifier.verify(token(**given))).caller.tenant == "acme"


async def test_a_token_of_mode_test_is_a_test_caller(verifier: TokenVerifier) -> None:
    assert (await verifier.verify(token(mode="test"))).caller.mode is KeyMode.TEST


async def test_without_a_kid_the_only_fitting_key_is_taken(verifier: TokenVerifier, tmp_path: Any) -> None:
    assert (await verifier.verify(token(header={"kid": None}))).caller.tenant == "acme"
    file = tmp_path / "several.json"
    file.write_text(key_set(KEY_ID, "rsa-2"))
    several = TokenVerifier(token_settings(jwt_jwks=str(file)), KeySet(str(file)))
    with pytest.raises(BadToken, match="no kid"):
        await several.verify(token(header={"kid": None}))


@pytest.mark.parametrize(
    "published",
    [
        {"kty": "oct", "kid": KEY_ID, "k": encoded(SECRET.encode())},
        json.loads(key_set("rsa-weak"))["keys"][0] | {"kid": KEY_ID},
        json.loads(key_set(KEY_ID))["keys"][0] | {"use": "enc"},
        private_jwk(KEY_ID),
        json.loads(key_set(KEY_ID))["keys"][0] | {"alg": "RS512"},
        {"kty": "RSA", "kid": KEY_ID},
        "nonsense",
    ],
)
async def test_keys_that_prove_nothing_are_passed_over(tmp_path: Any, published: Any) -> None:
    good = json.loads(key_set(ELLIPTIC_ID))["keys"]
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [published, *good]}))
    verifier = TokenVerifier(token_settings(jwt_jwks=str(file)), KeySet(str(file)))
    with pytest.raises(BadToken, match="kid is unknown"):
        await verifier.verify(token())
    assert (await verifier.verify(token(ELLIPTIC_ID))).caller.tenant == "acme"


async def test_with_a_secret_hs256_is_taken_and_nothing_else() -> None:
    verifier = TokenVerifier(token_settings(jwt_secret=SECRET), SharedSecret(SECRET))
    signed = by_hand({"alg": "HS256"}, claims(), secret=SECRET.encode())
    assert (await verifier.verify(signed)).caller.tenant == "acme"
    with pytest.raises(BadToken, match="signature is not good"):
        await verifier.verify(by_hand({"alg": "HS256"}, claims(), secret=b"another" * 8))
    for bad in (token(), token(ELLIPTIC_ID), by_hand({"alg": "none"}, claims())):
        with pytest.raises(BadToken, match="alg is not allowed: it must be HS256"):
            await verifier.verify(bad)
