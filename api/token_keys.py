"""What tokens are checked with: the issuer's key set, kept through its outages, or a shared secret."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import structlog

from api import problems
from api.problems import Problem

REFRESH_SECONDS = 300.0
"""Between two looks at the key set."""
_FAILED_SECONDS = 15.0
"""The same while it cannot be had."""
UNKNOWN_SECONDS = 30.0
"""A key that is not in the set has it read again, but not more often than this."""
_TIMEOUT = aiohttp.ClientTimeout(total=5)
_LARGEST = 256 * 1024
_LEAST_RSA_BITS = 2048
"""RFC 7518, section 3.3."""
_FITS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", None),
}
"""The type of key that an algorithm needs, and the curve where it fixes that (RFC 7518, section 3.1)."""

log = structlog.get_logger("api.tokens")


class TokenKeys(Protocol):
    """Where the key comes from that a token says it is signed with."""

    async def find(self, key_id: str | None, algorithm: str) -> Any | None:
        """The key, as PyJWT takes it; None if none fits the algorithm. Raises Problem (503)."""
        ...


class SharedSecret:
    """One secret for all tokens."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    async def find(self, key_id: str | None, algorithm: str) -> Any | None:
        """The secret, for HMAC alone."""
        return self._secret if algorithm.startswith("HS") else None


@dataclass(frozen=True, slots=True)
class _Key:
    id: str | None
    kind: str
    curve: str | None
    algorithm: str | None
    key: Any

    def fits(self, algorithm: str) -> bool:
        kind, curve = _FITS[algorithm]
        return self.algorithm in (None, algorithm) and self.kind == kind and curve in (None, self.curve)


class KeySet:
    """A JSON Web Key Set (RFC 7517), from a file or an https URL; what was read last stands in an outage."""

    def __init__(self, location: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._location = location
        self._clock = clock
        self._keys: list[_Key] | None = None
        self._reads = 0
        self._asked_at = float("-inf")
        self._reading = asyncio.Lock()

    @property
    def is_remote(self) -> bool:
        """Whether it comes over the network."""
        return "://" in self._location

    async def find(self, key_id: str | None, algorithm: str) -> Any | None:
        """The public key; without an id, the only one that fits."""
        found = self._look(key_id, algorithm)
        if found is None:
            await self._ask(self._reads)
            found = self._look(key_id, algorithm)
        if self._keys is None:
            raise Problem(
                problems.TOKEN_KEYS_UNAVAILABLE,
                "The key set that tokens are checked with cannot be had: try again later.",
                headers=problems.RETRY_AFTER,
            )
        return found

    async def refresh(self) -> None:
        """Read the set. Raises OSError, ValueError or aiohttp.ClientError; what is known then stays."""
        async with self._reading:
            await self._read()

    async def keep_fresh(self) -> None:
        """Refresh again and again. Nothing that goes wrong here may end it."""
        while True:
            read = await self._tried(self.refresh)
            await asyncio.sleep(REFRESH_SECONDS if read else _FAILED_SECONDS)

    def _look(self, key_id: str | None, algorithm: str) -> Any | None:
        fitting = [key for key in self._keys or () if key.fits(algorithm)]
        if key_id is not None:
            fitting = [key for key in fitting if key.id == key_id]
        elif len(fitting) > 1:
            return None
        return fitting[0].key if fitting else None

    async def _ask(self, reads: int) -> None:
        """Read the set for a key that the `reads`th reading did not find, unless that was done lately."""
        async with self._reading:
            if self._reads > reads or self._clock() - self._asked_at < UNKNOWN_SECONDS:
                return
            self._asked_at = self._clock()
            await self._tried(self._read)

    async def _tried(self, read: Callable[[], Any]) -> bool:
        try:
            await read()
        except Exception as error:  # whatever it is, the keys that are known still serve
            expected = isinstance(error, (OSError, ValueError, aiohttp.ClientError))
            log.warning("token_keys_not_read", reason=_reason(error), exc_info=not expected)
            return False
        return True

    async def _read(self) -> None:
        document = await (self._fetched() if self.is_remote else asyncio.to_thread(self._from_file))
        self._keys = keys_of(document)
        self._reads += 1

    def _from_file(self) -> bytes:
        return Path(self._location).expanduser().read_bytes()

    async def _fetched(self) -> bytes:
        body = bytearray()
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            # A redirect would take the choice of who is trusted out of the operator's hands.
            session.get(self._location, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ValueError(f"it was answered with status {answer.status}")
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > _LARGEST:
                    raise ValueError(f"it is larger than {_LARGEST} bytes")
        return bytes(body)


def keys_of(document: bytes) -> list[_Key]:
    """The keys in a set that signatures can be checked with; others are passed over.

    Raises ValueError if there is none.
    """
    try:
        entries = json.loads(document)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("it is no JSON Web Key Set") from None
    keys = [_key_from(entry) for entry in entries] if isinstance(entries, list) else []
    usable = [key for key in keys if key is not None]
    if not usable:
        raise ValueError("it has no public key that a signature could be checked with")
    return usable


def _key_from(entry: Any) -> _Key | None:
    import jwt

    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    # A secret, or a private key, that is published proves nothing.
    if entry.get("kty") not in ("RSA", "EC", "OKP") or "d" in entry:
        return None
    try:
        key = jwt.PyJWK(entry).key
    except Exception as error:  # some vendor's extension, or rubbish: the other keys still serve
        log.warning("token_key_passed_over", reason=type(error).__name__)
        return None
    if entry["kty"] == "RSA" and key.key_size < _LEAST_RSA_BITS:
        log.warning("token_key_passed_over", reason=f"an RSA key of {key.key_size} bits")
        return None
    return _Key(entry.get("kid"), entry["kty"], entry.get("crv"), entry.get("alg"), key)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) if isinstance(error, ValueError) else type(error).__name__
