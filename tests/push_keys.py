"""Keys for the push providers' tests, made anew in each run, and settings that hold them."""

import functools
import json
from typing import Any

import pytest

from tests.support import free_port
from tidings.providers.apns import ApnsSettings
from tidings.providers.fcm import FcmSettings

TEAM, KEY_ID, TOPIC, PROJECT = "TEAM123456", "KEY1234567", "com.example.app", "tidings-test"
EMAIL = "sender@tidings-test.iam.gserviceaccount.com"


@functools.cache
def elliptic_key() -> tuple[str, str]:
    """A P-256 key pair, as Apple gives them: private and public PEM."""
    pytest.importorskip("cryptography", reason="needs cryptography: the extra 'push' is not installed")
    from cryptography.hazmat.primitives.asymmetric import ec

    return _pems(ec.generate_private_key(ec.SECP256R1()))


@functools.cache
def rsa_key() -> tuple[str, str]:
    """A 2048 bit RSA key pair, as Google gives them: private and public PEM."""
    pytest.importorskip("cryptography", reason="needs cryptography: the extra 'push' is not installed")
    from cryptography.hazmat.primitives.asymmetric import rsa

    return _pems(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def service_account(token_url: str, **given: Any) -> str:
    """A service account's key file."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "abc123",
            "private_key": rsa_key()[0],
            "client_email": EMAIL,
            "client_id": "1",
            "token_uri": token_url,
        }
        | given
    )


def fcm_settings(url: str, **given: Any) -> FcmSettings:
    """Settings for an FCM at `url`, whose token endpoint is `/token` there."""
    defaults = {"fcm_url": url, "fcm_service_account": service_account(f"{url}/token")}
    return FcmSettings(_env_file=None, **{**defaults, **given})


def apns_settings(url: str | None = None, **given: Any) -> ApnsSettings:
    """Settings for an APNs at `url`."""
    pytest.importorskip("httpx2", reason="needs httpx2: the extra 'push' is not installed")
    pytest.importorskip("h2", reason="needs h2: the extra 'push' is not installed")
    defaults = {
        "apns_url": url or f"http://127.0.0.1:{free_port()}",
        "apns_key": elliptic_key()[0],
        "apns_key_id": KEY_ID,
        "apns_team_id": TEAM,
        "apns_topic": TOPIC,
    }
    return ApnsSettings(_env_file=None, **{**defaults, **given})


def _pems(key: Any) -> tuple[str, str]:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()
