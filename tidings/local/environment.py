"""The environment of our own processes in a local system: what the user set, and where everything is."""

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from tidings.local.codec_keys import LocalCodec
from tidings.local.data_folder import DataFolder
from tidings.local.ports import Ports
from tidings.local.temporal_server import NAMESPACE
from tidings.settings import CodecServerSettings, ProviderSettings, WebhookKeySettings

_WEBHOOK_SECRET_FILE = "webhook_secret"  # noqa: S105 -- a file's name
_SANDBOX_SECRET_FILE = "sandbox_secret"  # noqa: S105 -- a file's name
_SIGNING_KEY_FILE = "webhook_signing_key"
_CODEC_TOKEN_FILE = "codec_token"  # noqa: S105 -- a file's name
_LOOPBACK = "127.0.0.0/8,::1/128"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of a local system are reached, database and key apart."""

    api: str
    temporal: str
    ui: str
    sandbox: str

    @property
    def codec(self) -> str:
        """Where the Web UI has payloads opened."""
        return f"{self.api}/v1/codec"

    @classmethod
    def of(cls, ports: Ports, api_host: str) -> "Addresses":
        """The addresses that follow from the ports; an API on all interfaces is called by loopback."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(api_host, api_host)
        if ":" in host:
            host = f"[{host}]"
        return cls(
            api=f"http://{host}:{ports.api}",
            temporal=f"127.0.0.1:{ports.temporal}",
            ui=f"http://127.0.0.1:{ports.ui}",
            sandbox=f"http://127.0.0.1:{ports.sandbox}",
        )


def program_environment(
    folder: DataFolder, ports: Ports, addresses: Addresses, providers: ProviderSettings, codec: LocalCodec
) -> Mapping[str, str]:
    """What the API, the worker and the sandbox are given, apart from the database's address.

    The user's own settings reach them too, by the environment or `.env`; where they set up a provider,
    or name a webhook secret or allowed networks, those stand.
    """
    chosen = providers.model_fields_set
    given = {
        **_without_temporal_profile(),
        "TEMPORAL_ADDRESS": addresses.temporal,
        "TEMPORAL_NAMESPACE": NAMESPACE,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "TIDINGS_API_PORT": str(ports.api),
        "TIDINGS_SANDBOX_HOST": "127.0.0.1",
        "TIDINGS_SANDBOX_PORT": str(ports.sandbox),
        "TIDINGS_SANDBOX_SMTP_PORT": str(ports.smtp),
        "TIDINGS_SANDBOX_URL": addresses.sandbox,
        "TIDINGS_TEMPORAL_UI_URL": addresses.ui,
        **codec.environment(),
    }
    if "sandbox_stands_in" not in chosen:
        given["TIDINGS_SANDBOX_STANDS_IN"] = "true"
    if "sandbox_secret" not in chosen:
        given["TIDINGS_SANDBOX_SECRET"] = _kept_key(folder, _SANDBOX_SECRET_FILE)
    if "sandbox_callback_url" not in chosen and "public_url" not in chosen:
        given["TIDINGS_SANDBOX_CALLBACK_URL"] = addresses.api
    if "webhook_secret" not in chosen:
        given["TIDINGS_WEBHOOK_SECRET"] = _kept_key(folder, _WEBHOOK_SECRET_FILE)
    if "webhook_signing_key" not in WebhookKeySettings.load().model_fields_set:
        given["TIDINGS_WEBHOOK_SIGNING_KEY"] = _kept_key(folder, _SIGNING_KEY_FILE)
    if "webhook_allowed_networks" not in chosen:
        given["TIDINGS_WEBHOOK_ALLOWED_NETWORKS"] = _LOOPBACK
    return given


def codec_token(folder: DataFolder) -> str:
    """What payloads are read with: the user's own, else one that is made once. Raises SetupError."""
    chosen = CodecServerSettings.load().codec_token
    if chosen is not None:
        return chosen.get_secret_value()
    kept = folder.secret(_CODEC_TOKEN_FILE)
    if kept is None:
        kept = secrets.token_hex(32)
        folder.keep_secret(_CODEC_TOKEN_FILE, kept)
    return kept


def _without_temporal_profile() -> dict[str, str]:
    """The user's connection to another Temporal, TLS and key included, is not for the local one."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}


def _kept_key(folder: DataFolder, file: str) -> str:
    kept = folder.secret(file)
    if kept is None:
        # 32 bytes in Standard Webhooks' form; it takes 24 to 64.
        kept = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        folder.keep_secret(file, kept)
    return kept
