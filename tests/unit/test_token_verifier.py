"""Which tokens are taken and which are not, by keys that are known: no server, no database."""

import json
import time
from typing import Any

import pytest

pytest.importorskip("jwt", reason="needs PyJWT: the extra 'jwt' is not installed")
pytest.importorskip("cryptography", reason="needs cryptography: the extra 'jwt' is not installed")

from api.token_keys import KeySet, SharedSecret
from api.token_verifier import LEEWAY, LONGEST, BadToken, TokenVerifier
from tests.tokens import (
    AUDIENCE,
    ELLIPTIC_ID,
    KEY_ID,
    SECRET,
    by_hand,
    claims,
    encoded,
    key_set,
    public_pem,
    token,
    token_settings,
)
from tidings.domain.vocabulary import KeyMode, Scope

NOW = int(time.time())
HEADER = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}


def spoilt(good: str) -> str:
    """The same with another signature."""
    head, _, signature = good.rpartition(".")
    return f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def with_other_claims(good: str) -> str:
    """A signature taken over to other claims."""
    header, _, signature = good.split(".")
    return f"{header}.{encoded(claims(tenant='rival'))}.{signature}"


BAD: dict[str, tuple[str, str]] = {
    # How it is signed.
    "alg none": (by_hand({"alg": "none"}, claims()), "alg is not allowed"),
    "alg none, with a kid and a signature": (
        by_hand({"alg": "none", "kid": KEY_ID}, claims(), signature=b"x" * 256),
        "alg is not allowed",
    ),
    "alg None, in capitals": (by_hand({"alg": "NONE", "kid": KEY_ID}, claims()), "alg is not allowed"),
    "HS256 with the public key as secret": (
        by_hand({"alg": "HS256", "kid": KEY_ID}, claims(), secret=public_pem(KEY_ID)),
        "alg is not allowed",
    ),
    "HS256 with an empty secret": (
        by_hand({"alg": "HS256", "kid": KEY_ID}, claims(), secret=b"\0"),
        "alg is not allowed",
    ),
    "RS512, which is not in the settings": (token(algorithm="RS512"), "alg is not allowed"),
    "RS256 in small letters": (by_hand(HEADER | {"alg": "rs256"}, claims()), "alg is not allowed"),
    "alg is a list": (by_hand(HEADER | {"alg": ["RS256"]}, claims()), "alg is not allowed"),
    "no alg": (by_hand({"typ": "JWT", "kid": KEY_ID}, claims()), "alg is not allowed"),
    "ES256 with the id of an RSA key": (token(ELLIPTIC_ID, header={"kid": KEY_ID}), "kid is unknown"),
    "RS256 with the id of an elliptic key": (token(KEY_ID, header={"kid": ELLIPTIC_ID}), "kid is unknown"),
    "a kid that is not in the set": (token("rsa-2"), "kid is unknown"),
    "a kid that names a file": (token(header={"kid": "/dev/null"}), "kid is unknown"),
    "a kid that is a number": (by_hand(HEADER | {"kid": 7}, claims()), "not well formed"),
    "signed with another key under a known kid": (
        token("rsa-2", header={"kid": KEY_ID}),
        "signature is not good",
    ),
    "signed with a key of its own in the header": (
        token("rsa-2", header={"kid": KEY_ID, "jwk": {"kty": "RSA"}, "jku": "http://127.0.0.1:1/"}),
        "signature is not good",
    ),
    "a signature with one character changed": (spoilt(token()), "signature is not good"),
    "a signature of other claims": (with_other_claims(token()), "signature is not good"),
    "no signature": (token().rpartition(".")[0] + ".", "signature is not good"),
    "a header that must be understood": (token(header={"crit": ["exp"], "exp": 1}), "not well formed"),
    "claims that are not encoded": (token(header={"b64": False, "crit": ["b64"]}), "not well formed"),
    # Whether it is a token at all.
    "nonsense": ("nonsense", "not well formed"),
    "two parts": ("a.b", "not well formed"),
    "four parts": (token() + ".x", "not well formed"),
    "a header that is no JSON": (f"{encoded(b'{')}.{encoded(claims())}.AAAA", "not well formed"),
    "a header that is a list": (f"{encoded([])}.{encoded(claims())}.AAAA", "not well formed"),
    "a header nested without end": (f"{encoded(b'[' * 5_000)}.e30.AAAA", "not well formed"),
    "an encrypted token": ("eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d", "not well formed"),
    "an oversized token": (token(note="x" * LONGEST), "too large"),
    # Its times.
    "expired": (token(exp=NOW - LEEWAY - 5), "has expired"),
    "not yet valid": (token(nbf=NOW + LEEWAY + 60), "not valid yet"),
    "issued in the future": (token(iat=NOW + LEEWAY + 60), "not valid yet"),
    "exp is text": (token(exp="tomorrow"), "not well formed"),
    "exp is endless": (token(exp=float("inf")), "not well formed"),
    "exp is no number": (token(exp=float("nan")), "not well formed"),
    "exp is a list": (token(exp=[NOW + 600]), "not well formed"),
    "no exp": (token(exp=None), "lacks the claim exp"),
    # For whom it is.
    "no iss": (token(iss=None), "lacks the claim iss"),
    "another iss": (token(iss="https://login.example.com"), "iss is not the issuer"),
    "no aud": (token(aud=None), "lacks the claim aud"),
    "another aud": (token(aud="https://billing.example.com"), "aud does not name"),
    "aud in a longer text": (token(aud=f"{AUDIENCE}/v1"), "aud does not name"),
    "aud is an object": (token(aud={AUDIENCE: True}), "aud does not name"),
    "no tenant": (token(tenant=None), "lacks the claim tenant"),
    "an empty tenant": (token(tenant=""), "tenant must be"),
    "tenant is a list": (token(tenant=["acme"]), "tenant must be"),
    "a tenant with a space": (token(tenant="acme rival"), "tenant must be"),
    "a tenant with a line end": (token(tenant="acme\n"), "tenant must be"),
    "a tenant that is too long": (token(tenant="a" * 65), "tenant must be"),
    "sub is a number": (token(sub=7), "sub is no text"),
    "jti is a number": (token(jti=7), "jti is no text"),
    "jti is empty": (token(jti=""), "jti must have"),
    # What it is for.
    "no scope": (token(scope=None), "lacks the claim scope"),
    "an empty scope": (token(scope=""), "scope must be"),
    "a scope that is unknown": (token(scope="send delete-everything"), "scope must be"),
    "a scope in capitals": (token(scope="ADMIN"), "scope must be"),
    "scope is a list": (token(scope=["send"]), "scope must be"),
    "scopes with commas": (token(scope="send,read"), "scope must be"),
    "another mode": (token(mode="production"), "mode must be"),
    "mode is a list": (token(mode=["live"]), "mode must be"),
}


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
    bad, reason = BAD[case]
    with pytest.raises(BadToken, match=reason) as caught:
        await verifier.verify(bad)
    assert not any(part in str(caught.value) for part in bad.split(".") if len(part) > 3)
    assert "rival" not in str(caught.value)


@pytest.mark.parametrize("key_id", [KEY_ID, ELLIPTIC_ID])
async def test_a_good_token_says_who_calls(verifier: TokenVerifier, key_id: str) -> None:
    verified = await verifier.verify(token(key_id, jti="one", tenant="acme-2.eu", scope="read admin"))
    caller = verified.caller
    assert (caller.id, caller.tenant, caller.mode) == ("token-orders", "acme-2.eu", KeyMode.LIVE)
    assert caller.scopes == {Scope.READ, Scope.ADMIN}
    assert verified.token_id == "one"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - 1},
        {"nbf": NOW + 10, "iat": NOW + 10},
        {"aud": ["https://billing.example.com", AUDIENCE]},
        {"jti": None, "sub": None, "iat": None},
        {"unknown": {"claims": "are passed over"}},
    ],
)
async def test_what_is_still_good(verifier: TokenVerifier, changes: dict[str, Any]) -> None:
    assert (await verifier.verify(token(**changes))).caller.tenant == "acme"


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
        json.loads(key_set(KEY_ID))["keys"][0] | {"d": "AAAA"},
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
