"""What the tests of the codec server share: a key, what it has sealed, and requests as browsers send them."""

import base64
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.converter import WorkflowSerializationContext

from api.codec_access import CodecAccess
from tests.integration.api import Answer, Api, running_api
from tidings.domain.api_key import new_secret
from tidings.local.temporal_server import TemporalServer
from tidings.settings import CodecServerSettings
from tidings.temporal.encryption.codec import EncryptionCodec
from tidings.temporal.encryption.keys import Keyring

KEYS = f"k1:{base64.b64encode(bytes(range(32))).decode()}"
OTHER_KEYS = f"k2:{base64.b64encode(bytes(32)).decode()}"
TOKEN = "0123456789abcdef" * 4
UI = "http://127.0.0.1:8233"
"""The origin of TIDINGS_TEMPORAL_UI_URL as it comes."""
SECOND_UI = "https://temporal.example.com"
CANARY = "ada.lovelace@example.com"
WORKFLOW = "notification-0199aa00-0000-7000-8000-000000000001"

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
"""Payloads are read without Postgres."""
SETTINGS = CodecServerSettings(codec_token=SecretStr(TOKEN), codec_origins=[SECOND_UI])
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def codec_api(temporal_server: TemporalServer, **settings: Any) -> AbstractAsyncContextManager[Api]:
    """An API with a codec server, for a block."""
    return running_api(
        NOWHERE,
        temporal_server.address,
        key=new_secret(),
        environment={"TIDINGS_CODEC_KEYS": KEYS},
        codec_server=SETTINGS,
        **settings,
    )


def plain(text: str = CANARY) -> Payload:
    """A payload in clear."""
    return Payload(metadata={"encoding": b"json/plain"}, data=f'"{text}"'.encode())


async def sealed(payload: Payload | None = None, *, keys: str = KEYS, workflow: str = WORKFLOW) -> Payload:
    """The same as Temporal keeps it."""
    context = WorkflowSerializationContext(namespace="default", workflow_id=workflow)
    codec = EncryptionCodec(Keyring.parse(keys)).with_context(context)
    (made,) = await codec.encode([payload or plain()])
    return made


def as_json(payload: Payload) -> dict[str, Any]:
    """As the Web UI sends it."""
    return {
        "metadata": {name: base64.b64encode(value).decode() for name, value in payload.metadata.items()},
        "data": base64.b64encode(payload.data).decode(),
    }


def data_of(payload: dict[str, Any]) -> bytes:
    """The data of a payload that was given back."""
    return base64.b64decode(payload["data"])


def cookie(*, token: str = TOKEN, ago: float = 0) -> str:
    """A session's cookie as a browser sends it; `ago`: seconds since it was made."""
    access = CodecAccess(token, clock=lambda: time.time() - ago)
    return f"tidings-codec={access.sign_in()[1]}"


async def decode(api: Api, *payloads: Payload, headers: dict[str, str] | None = None) -> Answer:
    """Ask for payloads as the Web UI does."""
    return await api.post(
        "/v1/codec/decode?preserveStorageRefs=true",
        key=None,
        json={"payloads": [as_json(payload) for payload in payloads]},
        headers={"X-Namespace": "default", **(BEARER if headers is None else headers)},
    )
