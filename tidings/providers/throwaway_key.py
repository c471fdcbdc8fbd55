"""Private keys that sign for the sandbox, which takes anybody's: made when first needed, kept nowhere."""

from functools import cache
from typing import TYPE_CHECKING

from tidings.errors import SetupError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


@cache
def rsa(setting: str) -> str:
    """A key for RS256, as PEM. Takes a good part of a second. Raises SetupError, naming `setting`."""
    try:
        from cryptography.hazmat.primitives.asymmetric import rsa as algorithm
    except ModuleNotFoundError as error:
        raise _missing(setting) from error
    return _pem(algorithm.generate_private_key(public_exponent=65537, key_size=2048))


@cache
def elliptic(setting: str) -> str:
    """A key for ES256, as PEM. Raises SetupError, naming `setting`."""
    try:
        from cryptography.hazmat.primitives.asymmetric import ec as algorithm
    except ModuleNotFoundError as error:
        raise _missing(setting) from error
    return _pem(algorithm.generate_private_key(algorithm.SECP256R1()))


def _missing(setting: str) -> SetupError:
    return SetupError(f"{setting}: needs cryptography: pip install 'tidings[push]'.")


def _pem(key: "RSAPrivateKey | EllipticCurvePrivateKey") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
