"""How every process logs."""

from enum import StrEnum

from pydantic import Field

from tidings.settings.base import Settings


class LogFormat(StrEnum):
    """`console` for people, `json` for collectors, `auto`: console on a terminal, JSON elsewhere."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class LogSettings(Settings):
    """How every process logs."""

    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    log_format: LogFormat = LogFormat.AUTO
