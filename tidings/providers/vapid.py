"""Who we are, to a push service: VAPID (RFC 8292), one signed token for each service."""

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import urlsplit

from pydantic import SecretStr

from tidings.domain.web_push import decoded, encoded
from tidings.errors import SetupError
from tidings.providers.jwt_signer import JwtSigner, key_text

GOOD_SECONDS = 12 * 3600
"""How long a token says that it is good; services refuse more than 24 hours."""

_RENEWED_SECONDS = 6 * 3600
_KEPT = 1000
"""Endpoints are callers' input: no more services than this are remembered."""
_RAW_KEY = re.compile(r"[A-Za-z0-9_-]{43}=?")


class Vapid:
    """Signs for one key pair. Raises SetupError, naming `setting`, on a key that cannot sign.

    `clock` gives seconds since the epoch.
    """

    def __init__(
        self, secret: SecretStr, subject: str, setting: str, clock: Callable[[], float] = time.time
    ) -> None:
        pem, self.public_key = _key_pair(secret, setting)
        self._signer = JwtSigner(pem, "ES256", None, setting)
        self._subject = subject
        self._clock = clock
        self._tokens: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def authorization(self, endpoint: str) -> str:
        """The `Authorization` header for the service of that endpoint."""
        parts = urlsplit(endpoint)
        origin = f"{parts.scheme.lower()}://{parts.netloc.lower()}"
        now = self._clock()
        token, issued_at = self._tokens.get(origin, ("", 0.0))
        if not token or not 0 <= now - issued_at < _RENEWED_SECONDS:
            claims = {"aud": origin, "exp": int(now) + GOOD_SECONDS, "sub": self._subject}
            token = self._signer.sign(claims)
            self._tokens[origin] = (token, now)
            if len(self._tokens) > _KEPT:
                self._tokens.popitem(last=False)
        return f"vapid t={token}, k={self.public_key}"


def _key_pair(secret: SecretStr, setting: str) -> tuple[str, str]:
    """The private key as PEM, and the public one as browsers are given it: the point, in base64url."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ModuleNotFoundError as error:
        raise SetupError(f"{setting}: needs {error.name}: pip install 'tidings[webpush]'.") from error
    given = secret.get_secret_value().strip()
    fault = SetupError(f"{setting}: not a private key of the curve P-256.")
    try:
        if _RAW_KEY.fullmatch(given):
            key = ec.derive_private_key(int.from_bytes(decoded(given), "big"), ec.SECP256R1())
        else:
            text = key_text(secret, "-----BEGIN", setting).replace("\\n", "\n")
            found = serialization.load_pem_private_key(text.encode(), password=None)
            if not isinstance(found, ec.EllipticCurvePrivateKey) or not isinstance(found.curve, ec.SECP256R1):
                raise fault
            key = found
    except (ValueError, TypeError):
        raise fault from None
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    point = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return pem.decode(), encoded(point)
