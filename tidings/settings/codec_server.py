"""The codec server: how people read sealed payloads in the Temporal Web UI and by the `temporal` command."""

import re
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from tidings.settings.base import Settings, split

LEAST_CHARACTERS = 32
_TOKEN = re.compile(r"[!-~]{32,512}", re.ASCII)

_Origin = Annotated[str, Field(pattern=r"^https?://(\[[0-9a-f:]+\]|[a-z0-9._-]+)(:\d{1,5})?$")]
"""As browsers write it: lower case, without a path. There is no `*`: these pages come with credentials."""


class CodecServerSettings(Settings):
    """The codec server of the API (docs/codec-server.md). Without a token it is off."""

    codec_token: SecretStr | None = None
    """Whoever presents it reads payloads: 32 to 512 visible ASCII characters, from a generator of secrets."""
    codec_origins: Annotated[list[_Origin], NoDecode] = Field(default_factory=list)
    """Web UIs that may read payloads beside that of TIDINGS_TEMPORAL_UI_URL: `https://temporal.example.com`,
    separated by commas."""

    @field_validator("codec_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: Any) -> Any:
        return split(value)

    @field_validator("codec_token")
    @classmethod
    def _is_hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        token = value.get_secret_value()
        if token.startswith("td_"):
            raise ValueError("this is an API key, and API keys read no payloads: make a token of its own")
        if not _TOKEN.fullmatch(token):
            raise ValueError(
                f"a token has {LEAST_CHARACTERS} to 512 visible ASCII characters; "
                "`openssl rand -hex 32` makes one"
            )
        return value
