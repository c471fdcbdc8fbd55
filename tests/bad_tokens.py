"""Tokens that must be refused, each with words of the reason: most are good but for one thing."""

import time
from collections.abc import Callable

from api.token_verifier import LEEWAY, LONGEST
from tests.tokens import AUDIENCE, ELLIPTIC_ID, KEY_ID, by_hand, claims, encoded, public_pem, token


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


HEADER = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}


def spoilt(good: str) -> str:
    """The same with another signature."""
    head, _, signature = good.rpartition(".")
    return f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def with_other_claims(good: str) -> str:
    """A signature taken over to other claims."""
    header, _, signature = good.split(".")
    return f"{header}.{encoded(claims(tenant='rival'))}.{signature}"


# Made when asked for: their times are told from then.
BAD: dict[str, Callable[[], tuple[str, str]]] = {
    # How it is signed.
    "alg none": lambda: (by_hand({"alg": "none"}, claims()), "alg is not allowed"),
    "alg none, with a kid and a signature": lambda: (
        by_hand({"alg": "none", "kid": KEY_ID}, claims(), signature=b"x" * 256),
        "alg is not allowed",
    ),
    "alg None, in capitals": lambda: (
        by_hand({"alg": "NONE", "kid": KEY_ID}, claims()),
        "alg is not allowed",
    ),
    "HS256 with the public key as secret": lambda: (
        by_hand({"alg": "HS256", "kid": KEY_ID}, claims(), secret=public_pem(KEY_ID)),
        "alg is not allowed",
    ),
    "HS256 with an empty secret": lambda: (
        by_hand({"alg": "HS256", "kid": KEY_ID}, claims(), secret=b"\0"),
        "alg is not allowed",
    ),
    "RS512, which is not in the settings": lambda: (token(algorithm="RS512"), "alg is not allowed"),
    "RS256 in small letters": lambda: (by_hand(HEADER | {"alg": "rs256"}, claims()), "alg is not allowed"),
    "alg is a list": lambda: (by_hand(HEADER | {"alg": ["RS256"]}, claims()), "alg is not allowed"),
    "no alg": lambda: (by_hand({"typ": "JWT", "kid": KEY_ID}, claims()), "alg is not allowed"),
    "ES256 with the id of an RSA key": lambda: (token(ELLIPTIC_ID, header={"kid": KEY_ID}), "kid is unknown"),
    "RS256 with the id of an elliptic key": lambda: (
        token(KEY_ID, header={"kid": ELLIPTIC_ID}),
        "kid is unknown",
    ),
    "a kid that is not in the set": lambda: (token("rsa-2"), "kid is unknown"),
    "a kid that names a file": lambda: (token(header={"kid": "/dev/null"}), "kid is unknown"),
    "a kid that is a number": lambda: (by_hand(HEADER | {"kid": 7}, claims()), "not well formed"),
    "signed with another key under a known kid": lambda: (
        token("rsa-2", header={"kid": KEY_ID}),
        "signature is not good",
    ),
    "signed with a key of its own in the header": lambda: (
        token("rsa-2", header={"kid": KEY_ID, "jwk": {"kty": "RSA"}, "jku": "http://127.0.0.1:1/"}),
        "signature is not good",
    ),
    "a signature with one character changed": lambda: (spoilt(token()), "signature is not good"),
    "a signature of other claims": lambda: (with_other_claims(token()), "signature is not good"),
    "no signature": lambda: (token().rpartition(".")[0] + ".", "signature is not good"),
    "a header that must be understood": lambda: (
        token(header={"crit": ["exp"], "exp": 1}),
        "not well formed",
    ),
    "claims that are not encoded": lambda: (token(header={"b64": False, "crit": ["b64"]}), "not well formed"),
    # Whether it is a token at all.
    "nonsense": lambda: ("nonsense", "not well formed"),
    "two parts": lambda: ("a.b", "not well formed"),
    "four parts": lambda: (token() + ".x", "not well formed"),
    "a header that is no JSON": lambda: (f"{encoded(b'{')}.{encoded(claims())}.AAAA", "not well formed"),
    "a header that is a list": lambda: (f"{encoded([])}.{encoded(claims())}.AAAA", "not well formed"),
    "a header nested without end": lambda: (f"{encoded(b'[' * 5_000)}.e30.AAAA", "not well formed"),
    "an encrypted token": lambda: ("eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d", "not well formed"),
    "an oversized token": lambda: (token(note="x" * LONGEST), "too large"),
    # Its times.
    "expired": lambda: (token(exp=now() - LEEWAY - 5), "has expired"),
    "not yet valid": lambda: (token(nbf=now() + LEEWAY + 60), "not valid yet"),
    "issued in the future": lambda: (token(iat=now() + LEEWAY + 60), "not valid yet"),
    "exp is text": lambda: (token(exp="tomorrow"), "not well formed"),
    "exp is endless": lambda: (token(exp=float("inf")), "not well formed"),
    "exp is no number": lambda: (token(exp=float("nan")), "not well formed"),
    "exp is a list": lambda: (token(exp=[now() + 600]), "not well formed"),
    "no exp": lambda: (token(exp=None), "lacks the claim exp"),
    # For whom it is.
    "no iss": lambda: (token(iss=None), "lacks the claim iss"),
    "another iss": lambda: (token(iss="https://login.example.com"), "iss is not the issuer"),
    "no aud": lambda: (token(aud=None), "lacks the claim aud"),
    "another aud": lambda: (token(aud="https://billing.example.com"), "aud does not name"),
    "aud in a longer text": lambda: (token(aud=f"{AUDIENCE}/v1"), "aud does not name"),
    "aud is an object": lambda: (token(aud={AUDIENCE: True}), "aud does not name"),
    "no tenant": lambda: (token(tenant=None), "lacks the claim tenant"),
    "an empty tenant": lambda: (token(tenant=""), "tenant must be"),
    "tenant is a list": lambda: (token(tenant=["acme"]), "tenant must be"),
    "a tenant with a space": lambda: (token(tenant="acme rival"), "tenant must be"),
    "a tenant with a line end": lambda: (token(tenant="acme\n"), "tenant must be"),
    "a tenant that is too long": lambda: (token(tenant="a" * 65), "tenant must be"),
    "sub is a number": lambda: (token(sub=7), "sub is no text"),
    "sub is too long": lambda: (token(sub="x" * 256), "sub may have"),
    "sub is no text that could be written": lambda: (token(sub="\ud800"), "sub may have"),
    "jti with a NUL": lambda: (token(jti="a\0"), "jti must have"),
    "jti is a number": lambda: (token(jti=7), "jti is no text"),
    "jti is empty": lambda: (token(jti=""), "jti must have"),
    # What it is for.
    "no scope": lambda: (token(scope=None), "lacks the claim scope"),
    "an empty scope": lambda: (token(scope=""), "scope must be"),
    "a scope that is unknown": lambda: (token(scope="send delete-everything"), "scope must be"),
    "a scope in capitals": lambda: (token(scope="ADMIN"), "scope must be"),
    "scope is a list": lambda: (token(scope=["send"]), "scope must be"),
    "scopes with commas": lambda: (token(scope="send,read"), "scope must be"),
    "another mode": lambda: (token(mode="production"), "mode must be"),
    "mode is a list": lambda: (token(mode=["live"]), "mode must be"),
}
