"""The form of a sealed payload: AES-256-GCM under a key of the workflow's own, and what is bound to it.

    metadata   encoding                 binary/encrypted
               tidings-form             1
               encryption-key-id        which master key
               tidings-tenant           whose it is; empty: not known where it was sealed
               tidings-workflow         the workflow's id; empty: of no workflow
    data       12 random bytes (the nonce), the sealed payload, 16 bytes (the tag)

All of the metadata is additional data of the seal (NIST SP 800-38D): none of it can be changed unnoticed. The
workflow's key is HKDF-SHA256 (RFC 5869) of the master key and the workflow's id, so that a random nonce never
has to serve for more than one workflow's payloads.
"""

import secrets
import struct
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from temporalio.api.common.v1 import Payload

from tidings.errors import AlteredPayload, UnknownSeal
from tidings.temporal.encryption.keys import KEY_BYTES, Key, Keyring

ENCODING = b"binary/encrypted"
FORM = b"1"

_NONCE_BYTES = 12
_FORM_FIELD = "tidings-form"
_KEY_FIELD = "encryption-key-id"
_TENANT_FIELD = "tidings-tenant"
_WORKFLOW_FIELD = "tidings-workflow"
_BOUND_FIELDS = (_KEY_FIELD, _TENANT_FIELD, _WORKFLOW_FIELD)


@dataclass(frozen=True, slots=True)
class Seal:
    """What is bound to a payload, and can be read of it without any key."""

    key_id: str
    tenant: str
    """Empty: not known where it was sealed."""
    workflow_id: str
    """Empty: of no workflow."""

    @classmethod
    def of(cls, payload: Payload) -> Self:
        """What a sealed payload says of itself. It is proven only once `opened` has returned.

        Raises UnknownSeal for a form of another release, AlteredPayload where something is missing.
        """
        form = payload.metadata.get(_FORM_FIELD, b"")
        if form != FORM:
            raise UnknownSeal(form[:16].decode("ascii", "replace"))
        # Asked for by name, a field that is not there would come into being.
        fields = {field: value for field, value in payload.metadata.items() if field in _BOUND_FIELDS}
        try:
            return cls(*(fields[field].decode() for field in _BOUND_FIELDS))
        except (KeyError, UnicodeDecodeError):
            raise AlteredPayload() from None

    def put_on(self, payload: Payload, key: Key) -> Payload:
        """The payload, sealed. `key` is the one that `key_id` names."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher(key).encrypt(nonce, payload.SerializeToString(), self._bound())
        return Payload(
            metadata={
                "encoding": ENCODING,
                _FORM_FIELD: FORM,
                _KEY_FIELD: self.key_id.encode(),
                _TENANT_FIELD: self.tenant.encode(),
                _WORKFLOW_FIELD: self.workflow_id.encode(),
            },
            data=nonce + sealed,
        )

    def opened(self, payload: Payload, keys: Keyring) -> Payload:
        """What was sealed. Raises UnknownCodecKey, or AlteredPayload if anything of it was changed."""
        cipher = self._cipher(keys.find(self.key_id))
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, sealed, self._bound()))
        except (InvalidTag, ValueError):  # a ValueError where it is too short to have a nonce
            raise AlteredPayload() from None

    def _cipher(self, key: Key) -> AESGCM:
        info = b"tidings payload " + FORM + b" " + self.workflow_id.encode()
        return AESGCM(HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(key.secret))

    def _bound(self) -> bytes:
        # Each with its length: no two different seals come to the same bytes.
        fields = (FORM, self.key_id.encode(), self.tenant.encode(), self.workflow_id.encode())
        return b"".join(struct.pack(">I", len(field)) + field for field in fields)


def is_sealed(payload: Payload) -> bool:
    """Whether a seal is on it, be it one that can be opened or not."""
    return payload.metadata.get("encoding") == ENCODING
