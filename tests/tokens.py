"""JSON Web Tokens for the tests: an issuer with keys of its own, good claims, and tokens made by hand."""

import base64
import functools
import json
import time
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tidings.settings import TokenSettings

ISSUER, AUDIENCE = "https://login.example.com/", "https://notify.example.com"
SECRET = "a-secret-of-at-least-thirty-two-bytes"
KEY_ID, ELLIPTIC_ID = "rsa-1", "ec-1"


@functools.cache
def private_key(key_id: str) -> Any:
    """The issuer's key of that id, made anew in each run: RSA, or P-256 if the id begins with `ec`."""
    if key_id.startswith("ec"):
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=1024 if "weak" in key_id else 2048)


def public_pem(key_id: str) -> bytes:
    """Its public half as PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem: bytes = private_key(key_id).public_key().public_bytes(serialization.Encoding.PEM, form)
    return pem


def public_jwk(key_id: str, **members: Any) -> dict[str, Any]:
    """Its public half as a JSON Web Key."""
    key = private_key(key_id).public_key()
    algorithm = jwt.algorithms.ECAlgorithm if key_id.startswith("ec") else jwt.algorithms.RSAAlgorithm
    return {**json.loads(algorithm.to_jwk(key)), "kid": key_id, "use": "sig"} | members


def private_jwk(key_id: str) -> dict[str, Any]:
    """The whole of it as a JSON Web Key, as nobody should publish it."""
    return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private_key(key_id))), "kid": key_id}


def key_set(*key_ids: str) -> str:
    """A key set with these keys."""
    return json.dumps({"keys": [public_jwk(key_id) for key_id in key_ids]})


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims, with these changed; None takes one away."""
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "orders",
        "tenant": "acme",
        "scope": "send read",
        "iat": now,
        "exp": now + 600,
        "jti": uuid4().hex,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(
    key_id: str = KEY_ID, algorithm: str | None = None, header: dict[str, Any] | None = None, **changes: Any
) -> str:
    """A token signed with the issuer's key, good but for the changes to its claims and its header."""
    algorithm = algorithm or ("ES256" if key_id.startswith("ec") else "RS256")
    headers = {"kid": key_id} | (header or {})
    given = {name: value for name, value in headers.items() if value is not None}
    return jwt.encode(claims(**changes), private_key(key_id), algorithm, headers=given)


def encoded(part: Any) -> str:
    """A part of a token: JSON, or bytes as they are, in base64url."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(header: Any, payload: Any, secret: bytes | None = None, signature: bytes = b"") -> str:
    """A token that no library would make; with a secret it is signed by HMAC-SHA-256."""
    signed = f"{encoded(header)}.{encoded(payload)}"
    if secret is not None:
        mac = hmac.HMAC(secret, hashes.SHA256())
        mac.update(signed.encode())
        signature = mac.finalize()
    return f"{signed}.{encoded(signature)}"


def token_settings(**given: Any) -> TokenSettings:
    """Settings that trust the issuer; without a key set named, they have none."""
    return TokenSettings(_env_file=None, **{"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE} | given)
