"""Who may read sealed payloads: by the codec server's own token, or by the cookie it is exchanged for.

A browser that shows the Temporal Web UI can send no token of ours, so it signs in once and sends a cookie.
The cookie holds no secret but a signature under a key that is derived from the token: every process knows
it, and another token ends all of them.
"""

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address, ip_network

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from api import problems
from api.problems import Problem
from tidings.domain.api_key import claims_to_be_key

LIFETIME = 12 * 3_600
"""Seconds for which a cookie counts: a working day."""
GUESSES = 20
"""Wrong tokens that an address may present in a minute."""
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tidings codec"'}

_LONGEST_COOKIE = 200

log = structlog.get_logger("api.codec")


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that has signed in."""

    id: str
    """Tells it from others in the log; no secret."""
    ends_at: int
    """Unix time."""

    @property
    def end(self) -> datetime:
        """When it ends."""
        return datetime.fromtimestamp(self.ends_at, UTC)


class CodecAccess:
    """Checks tokens and cookies. Guesses are counted in each process by itself."""

    def __init__(self, token: str, clock: Callable[[], float] = time.time) -> None:
        """`clock`: Unix time."""
        self._token = token.encode()
        self._key = hmac.digest(self._token, b"tidings codec session 1", "sha256")
        self._clock = clock
        self._guesses = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._limit = RateLimitItemPerMinute(GUESSES, namespace="tidings-codec")

    async def check(self, token: str, address: str) -> bool:
        """Whether it is the token. Raises Problem (429) if that address has guessed too often."""
        if claims_to_be_key(token):
            return False  # no guess, but a mistake
        owner = _network(address)
        if not await self._guesses.test(self._limit, owner):
            raise Problem(
                problems.TOO_MANY_REQUESTS,
                f"Your address has sent {GUESSES} wrong codec tokens: try again in a minute.",
                headers={"Retry-After": "60"},
                limit="codec",
            )
        if hmac.compare_digest(token.encode(), self._token):
            return True
        await self._guesses.hit(self._limit, owner)
        log.warning("codec_token_refused", address=address)
        return False

    def sign_in(self) -> tuple[Session, str]:
        """A new session, and the cookie's value."""
        session = Session(secrets.token_hex(8), int(self._clock()) + LIFETIME)
        return session, f"1.{session.ends_at}.{session.id}.{self._signature(session)}"

    def session(self, cookie: str) -> Session | None:
        """The session of a cookie's value; None if it is forged, mangled or over."""
        parts = cookie.split(".")
        if len(cookie) > _LONGEST_COOKIE or len(parts) != 4 or not cookie.isascii():
            return None
        version, end, id, signature = parts
        if version != "1" or not end.isdecimal():
            return None
        session = Session(id, int(end))
        good = hmac.compare_digest(signature.encode(), self._signature(session).encode())
        # No session of ours ends later than one that begins now.
        return session if good and 0 < session.ends_at - self._clock() <= LIFETIME else None

    def _signature(self, session: Session) -> str:
        return hmac.digest(self._key, f"1.{session.ends_at}.{session.id}".encode(), "sha256").hex()


def _network(address: str) -> str:
    """Who guesses: with IPv6 anybody has 2^64 addresses."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((known, 64), strict=False)) if isinstance(known, IPv6Address) else address
