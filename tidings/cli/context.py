"""Where a command finds the system: option, environment, `.env`, a running `tidings up`, default."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import PostgresDsn

from tidings.errors import SetupError
from tidings.settings import ClientSettings, CodecSettings, DatabaseSettings, ProviderSettings

STATE_FILE = "up.json"


@cache
def running_system() -> dict[str, Any]:
    """What `tidings up` in this folder says of itself; empty if none runs here."""
    folder = Path(os.environ.get("TIDINGS_UP_DATA", ".tidings"))
    try:
        state: dict[str, Any] = json.loads((folder / STATE_FILE).read_text())
    except (OSError, ValueError):
        return {}
    # A system that was killed leaves the file behind.
    return state if any(_lives(pid) for pid in state.get("pids", {}).values()) else {}


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def api_access(url: str | None, api_key: str | None) -> tuple[str, str]:
    """The API's address and the key for it. Raises SetupError if there is no key."""
    settings = ClientSettings.load()
    given = settings.model_fields_set
    system = running_system()
    if url is None:
        url = settings.url if "url" in given else system.get("api_url", settings.url)
    if api_key is None:
        configured = settings.api_key.get_secret_value() if settings.api_key else None
        api_key = configured or system.get("api_key")
    if not api_key:
        raise SetupError(
            "There is no API key: set TIDINGS_API_KEY or --api-key; `tidings keys create` makes one."
        )
    return str(url).rstrip("/"), api_key


def use_running_temporal() -> None:
    """Let the Temporal profile point to the running `tidings up`, unless the environment points elsewhere.

    Its keys come along, unless keys are set.
    """
    configured = ("TEMPORAL_ADDRESS", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE")
    address = running_system().get("temporal_address")
    if address and not any(name in os.environ for name in configured):
        os.environ["TEMPORAL_ADDRESS"] = address
        _use_running_codec()


def _use_running_codec() -> None:
    given = CodecSettings.load().model_fields_set
    if given & {"codec_keys", "codec_keys_file"}:
        return
    codec = {name: running_system().get(name) for name in {"codec", "codec_keys"} - given}
    os.environ.update({f"TIDINGS_{name.upper()}": value for name, value in codec.items() if value})


def database_settings() -> DatabaseSettings:
    """The database to work on. Raises SetupError."""
    settings = DatabaseSettings.load()
    dsn = running_system().get("postgres_dsn")
    if "database_url" in settings.model_fields_set or not dsn:
        return settings
    return DatabaseSettings.load(database_url=PostgresDsn(dsn))


def provider_settings() -> ProviderSettings:
    """Those of the environment; beside `tidings up`, its sandbox stands in as it does for its worker.

    Raises SetupError.
    """
    settings, system = ProviderSettings.load(), running_system()
    local = {"sandbox_url": system["sandbox_url"], "sandbox_stands_in": True} if system else {}
    given = settings.model_fields_set
    return settings.model_copy(update={name: value for name, value in local.items() if name not in given})
