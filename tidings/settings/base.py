"""How settings are read: from `TIDINGS_…` and `.env`, checked once at the start of a process."""

from typing import Any, Self

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tidings.errors import SetupError

_CONFIG = SettingsConfigDict(
    env_prefix="TIDINGS_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
)


class Settings(BaseSettings):
    """Base of all settings: `TIDINGS_` and the field's name in capitals, from the environment or `.env`."""

    model_config = _CONFIG

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read the settings. Raises SetupError with one line that names each bad variable."""
        try:
            return cls(**given)
        except ValidationError as error:
            faults = "; ".join(f"{_variable(fault['loc'])}{fault['msg']}" for fault in error.errors())
            raise SetupError(f"Bad settings: {faults}. See .env.example.") from None


def _variable(location: tuple[int | str, ...]) -> str:
    """The variable at fault; nothing where the fault is in how several fit together."""
    return f"TIDINGS_{'_'.join(str(part) for part in location).upper()}: " if location else ""


def split(value: Any) -> Any:
    """A list given as text, separated by commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
