"""Where the command line finds the API."""

from pydantic import SecretStr

from tidings.settings.base import Settings


class ClientSettings(Settings):
    """Where the command line finds the API."""

    url: str = "http://127.0.0.1:8000"
    api_key: SecretStr | None = None
