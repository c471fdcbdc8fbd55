"""Message encryption for Web Push: RFC 8291, in one record of `aes128gcm` (RFC 8188)."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidings.domain.web_push import WebPushSubscription

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

LARGEST_CONTENT = 3993
"""Bytes that every push service takes: 4096 (RFC 8030, 7.2) less header, tag and the padding's end."""

_RECORD_SIZE = 4096
_LAST_RECORD = b"\x02"


@dataclass(frozen=True, slots=True)
class Randomness:
    """What makes each message its own: a salt of 16 bytes, and our key pair for this message alone."""

    salt: bytes
    key: "EllipticCurvePrivateKey"

    @classmethod
    def fresh(cls) -> "Randomness":
        """Never used before."""
        from cryptography.hazmat.primitives.asymmetric import ec

        return cls(os.urandom(16), ec.generate_private_key(ec.SECP256R1()))


def encrypted(content: bytes, to: WebPushSubscription, randomness: Randomness | None = None) -> bytes:
    """The request's body. Raises ValueError if the subscription's key is no point of the curve."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    made = randomness or Randomness.fresh()
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), to.p256dh)
    ours = made.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = made.key.exchange(ec.ECDH(), theirs)
    secret = _derived(shared, to.auth, b"WebPush: info\x00" + to.p256dh + ours, 32)
    key = _derived(secret, made.salt, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _derived(secret, made.salt, b"Content-Encoding: nonce\x00", 12)
    header = made.salt + _RECORD_SIZE.to_bytes(4, "big") + len(ours).to_bytes(1, "big") + ours
    return header + AESGCM(key).encrypt(nonce, content + _LAST_RECORD, None)


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length, salt, info).derive(secret)
