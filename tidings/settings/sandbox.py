"""The sandbox process."""

from pydantic import Field

from tidings.settings.base import Settings


class SandboxSettings(Settings):
    """The sandbox process."""

    sandbox_host: str = "127.0.0.1"
    sandbox_port: int = Field(default=8025, ge=1, le=65535)
    sandbox_smtp_port: int = Field(default=1025, ge=1, le=65535)
    sandbox_keep: int = Field(default=1_000, ge=1, le=100_000)
    """How many messages the inbox keeps; the oldest go first."""
    sandbox_slow_seconds: float = Field(default=5, ge=0)
    """How long recipients that begin with `slow` take to answer."""
