"""The HTTP front."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, RedisDsn, field_validator
from pydantic_settings import NoDecode

from tidings.domain.rate_limit import RateLimit
from tidings.domain.sms_segments import MOST_SEGMENTS
from tidings.settings.base import Settings, split

_OFF = "off"


def _switched(value: Any) -> Any:
    """`off` for None, which an empty variable would not do: it means the default."""
    return None if value == _OFF else value


_Limit = Annotated[RateLimit | None, NoDecode, BeforeValidator(_switched)]

_Origin = Annotated[str, Field(pattern=r"^(\*|https?://(\[[0-9a-f:]+\]|[a-z0-9._-]+)(:\d{1,5})?)$")]
"""As browsers write it: lower case, without a path."""
_Host = Annotated[str, Field(pattern=r"^(\*\.)?[A-Za-z0-9_-][A-Za-z0-9._:-]*$")]
"""A name or an address, without a port."""


class ApiSettings(Settings):
    """The HTTP front. Times in seconds, sizes in bytes."""

    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8000, ge=1, le=65535)
    temporal_ui_url: str = "http://127.0.0.1:8233"
    """Where people open the Temporal Web UI: the base of each notification's workflow link."""
    max_body_bytes: int = Field(default=1_000_000, ge=1_000)
    max_submission_bytes: int = Field(default=14_500_000, ge=1_000)
    """The same for submissions of notifications, which may carry 10 MB of attachments in base64."""
    max_bulk_bytes: int = Field(default=10_000_000, ge=1_000)
    """The same for submissions of many notifications at once."""
    bulk_in_flight: int = Field(default=50, ge=1, le=1_000)
    """How many notifications of bulk submissions one process submits at the same time."""
    sms_max_segments: int = Field(default=MOST_SEGMENTS, ge=1, le=255)
    """How many segments a text message may have; a submission with more is refused."""
    key_cache_seconds: float = Field(default=5, ge=0)
    """How long a known API key is trusted before Postgres is asked again."""
    key_outage_seconds: float = Field(default=86_400, ge=0)
    """How long a known API key is still trusted while Postgres cannot be asked."""
    start_timeout: float = Field(default=5, gt=0)
    """How long a submission waits for Temporal before it answers 503."""
    cancel_wait: float = Field(default=5, ge=0)
    """How long a cancel waits for the attempt under way before it answers 202."""
    rate_limit_key: _Limit = RateLimit(amount=1_000, seconds=1)
    """How many requests an API key may make, as `100/second` or `3000/10 seconds`; `off`: any number."""
    rate_limit_tenant: _Limit = RateLimit(amount=2_000, seconds=1)
    """The same for all keys of a tenant together. `tidings tenants set` changes either for one tenant."""
    max_concurrent_requests: int = Field(default=1_000, ge=1)
    """How many requests one process works on at once; more get a 503. Health and metrics are exempt."""
    max_body_bytes_at_once: int = Field(default=100_000_000, ge=1_000_000)
    """How large the bodies of all requests under way may be together; a single one may always come."""
    max_header_bytes: int = Field(default=32_768, ge=1_024)
    """How large all header fields of a request may be together; there may be 100 of them."""
    header_timeout: float = Field(default=10, gt=0)
    """How long the head of a request may take to arrive, from the connection's or its own first byte on."""
    body_timeout: float = Field(default=20, gt=0)
    """The same for the body, and a second more for each 10,000 bytes of it that have come."""
    keep_alive: int = Field(default=75, ge=1)
    """How long a connection without a request is kept, in seconds: longer than a proxy before the API keeps
    it, which else meets now and then one that was closed just as it sent a request."""
    redis_url: RedisDsn | None = None
    """Where requests are counted for all processes together; without it each counts its own."""
    cors_origins: Annotated[list[_Origin], NoDecode] = Field(default_factory=list)
    """Web pages that may call the API from a browser: `https://console.example.com`, separated by commas; `*`
    is any. None may unless it is named."""
    trusted_hosts: Annotated[list[_Host], NoDecode] = Field(default_factory=list)
    """Names this API is called by (`notify.example.com`, `*.example.com`), separated by commas; loopback is
    always one. Any other Host is answered 421. Empty: every Host is taken."""
    hsts_seconds: int = Field(default=0, ge=0)
    """How long browsers are to insist on HTTPS, where there is nothing else; 0: nothing is said of it."""

    @field_validator("cors_origins", "trusted_hosts", mode="before")
    @classmethod
    def _split_lists(cls, value: Any) -> Any:
        return split(value)
