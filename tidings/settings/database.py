"""Postgres and its connection pool."""

from pydantic import Field, PostgresDsn

from tidings.settings.base import Settings


class DatabaseSettings(Settings):
    """Postgres and its connection pool. Times in seconds."""

    database_url: PostgresDsn = PostgresDsn("postgresql://tidings@127.0.0.1:5432/tidings")
    database_pool_size: int = Field(default=10, ge=1, le=500)
    database_pool_overflow: int = Field(default=10, ge=0, le=500)
    database_pool_timeout: float = Field(default=5, gt=0)
    """How long a caller waits for a connection from a full pool."""
    database_pool_recycle: float = Field(default=1800, gt=0)
    """Connections older than this are replaced."""
    database_connect_timeout: float = Field(default=5, gt=0)
    database_command_timeout: float = Field(default=15, gt=0)
