"""Settings: environment variables `TIDINGS_…` and `.env`, checked once at the start of a process.

The Temporal connection is not here: it comes from the same profile as the `temporal` CLI's
(`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, …), see `tidings.temporal.client`.
"""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    PostgresDsn,
    RedisDsn,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tidings.domain.rate_limit import RateLimit
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.route import Route
from tidings.domain.sms_segments import MOST_SEGMENTS
from tidings.domain.vocabulary import Channel
from tidings.domain.webhook_endpoint import MasterKeys
from tidings.errors import SetupError
from tidings.provider_catalogue import catalogue

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


def _split(value: Any) -> Any:
    """A list given as text, separated by commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


_OFF = "off"


def _switched(value: Any) -> Any:
    """`off` for None, which an empty variable would not do: it means the default."""
    return None if value == _OFF else value


_Limit = Annotated[RateLimit | None, NoDecode, BeforeValidator(_switched)]


class LogFormat(StrEnum):
    """`console` for people, `json` for collectors, `auto`: console on a terminal, JSON elsewhere."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class LogSettings(Settings):
    """How every process logs."""

    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    log_format: LogFormat = LogFormat.AUTO


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
    redis_url: RedisDsn | None = None
    """Where requests are counted for all processes together; without it each counts its own."""
    cors_origins: Annotated[list[_Origin], NoDecode] = []
    """Web pages that may call the API from a browser: `https://console.example.com`, separated by commas; `*`
    is any. None may unless it is named."""
    trusted_hosts: Annotated[list[_Host], NoDecode] = []
    """Names this API is called by (`notify.example.com`, `*.example.com`), separated by commas; loopback is
    always one. Any other Host is answered 421. Empty: every Host is taken."""
    hsts_seconds: int = Field(default=0, ge=0)
    """How long browsers are to insist on HTTPS, where there is nothing else; 0: nothing is said of it."""

    @field_validator("cors_origins", "trusted_hosts", mode="before")
    @classmethod
    def _split_lists(cls, value: Any) -> Any:
        return _split(value)


_ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_LEAST_SECRET_BYTES = 32
"""HS256 needs a key as long as its hash (RFC 7518, section 3.2)."""


class TokenSettings(Settings):
    """Which JSON Web Tokens (RFC 7519) the API takes; none without a key set or a secret."""

    jwt_jwks: str | None = None
    """The issuer's JSON Web Key Set (RFC 7517): the path of a file or an https URL."""
    jwt_issuer: str | None = None
    """What the claim `iss` must be, to the letter."""
    jwt_audience: str | None = None
    """What the claim `aud` must be or hold."""
    jwt_algorithms: Annotated[tuple[str, ...], NoDecode] = ("RS256", "ES256")
    """Signatures that are taken, separated by commas."""
    jwt_secret: SecretStr | None = None
    """For HS256, and then for nothing else: whoever checks tokens by it can make some."""

    @field_validator("jwt_algorithms", mode="before")
    @classmethod
    def _split_algorithms(cls, value: Any) -> Any:
        return _split(value)

    @field_validator("jwt_jwks")
    @classmethod
    def _is_safe_source(cls, value: str | None) -> str | None:
        if value is not None and "://" in value:
            url = urlsplit(value)
            loopback = url.scheme == "http" and url.hostname in ("127.0.0.1", "::1", "localhost")
            if not url.hostname or not (url.scheme == "https" or loopback):
                raise ValueError("a URL must be https: whoever can change the answer can sign tokens")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.enabled:
            return self
        if not self.jwt_issuer or not self.jwt_audience:
            raise ValueError("tokens need TIDINGS_JWT_ISSUER and TIDINGS_JWT_AUDIENCE")
        allowed: tuple[str, ...] = _ASYMMETRIC
        if self.jwt_secret is not None:
            if self.jwt_jwks is not None:
                raise ValueError("set either TIDINGS_JWT_JWKS or TIDINGS_JWT_SECRET, not both")
            if len(self.jwt_secret.get_secret_value().encode()) < _LEAST_SECRET_BYTES:
                raise ValueError(f"TIDINGS_JWT_SECRET must have at least {_LEAST_SECRET_BYTES} bytes")
            allowed = ("HS256",)
        given = self.algorithms
        if not given or not set(given) <= set(allowed):
            raise ValueError(f"TIDINGS_JWT_ALGORITHMS may here be only {', '.join(allowed)}")
        return self

    @property
    def enabled(self) -> bool:
        """Whether any token is taken."""
        return self.jwt_jwks is not None or self.jwt_secret is not None

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Signatures that are taken; with a secret, HS256 alone."""
        if self.jwt_secret is not None and "jwt_algorithms" not in self.model_fields_set:
            return ("HS256",)
        return self.jwt_algorithms


class SmtpTls(StrEnum):
    """`none`; `starttls` (required, RFC 3207); `implicit` (RFC 8314); `auto`: STARTTLS if offered."""

    NONE = "none"
    AUTO = "auto"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


class ProviderSettings(Settings):
    """The providers' addresses and credentials. Times in seconds."""

    provider_connect_timeout: float = Field(default=10, gt=0)
    """How long a provider may take until a message can be handed over: connection, TLS, log-in, envelope."""
    provider_response_timeout: float = Field(default=15, gt=0)
    """How long a provider may take to answer a message that has gone out."""
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/?#\s]+/?$")
    """Where providers reach this API, without a path: `https://notify.example.com`. Without it none is asked
    for receipts, and callbacks are checked against the URL that they came by."""
    smtp_host: str = ""
    smtp_port: int = Field(default=25, ge=1, le=65535)
    smtp_tls: SmtpTls = SmtpTls.AUTO
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_from: str = "Tidings <notifications@tidings.invalid>"
    smtp_verify_certificates: bool = True
    smtp_connections: int = Field(default=20, ge=1, le=1_000)
    """How many connections one process has at once; a mail that finds none free in time is tried again."""
    smtp_connection_mails: int = Field(default=100, ge=1)
    """How many mails a connection carries before it is replaced."""
    smtp_connection_idle: float = Field(default=30, ge=0)
    """How long a connection is kept for the next mail; servers hang up after some time themselves."""
    webhook_secret: SecretStr | None = None
    """`whsec_` and 24 to 64 bytes in base64 (Standard Webhooks 1.0); several, by spaces, to rotate."""
    webhook_allowed_networks: Annotated[list[IPv4Network | IPv6Network], NoDecode] = []
    """Networks that are not public but may be called all the same, as CIDR, separated by commas."""
    sandbox_url: str = "http://127.0.0.1:8025"
    """Where notifications of test keys go."""
    sandbox_smtp_port: int = Field(default=1025, ge=1, le=65535)
    """The port of the sandbox's SMTP server, on the host of `sandbox_url`."""
    sandbox_secret: SecretStr | None = None
    """What the sandbox signs its callbacks with. Without it they are refused."""
    sandbox_callback_url: str | None = Field(default=None, pattern=r"^https?://[^/?#\s]+/?$")
    """Where the sandbox reaches this API, if not at `public_url`."""
    sandbox_stands_in: bool = False
    """Whether the sandbox takes live notifications for providers that are not set up: on a developer's
    machine. In production a notification would be lost there, and be called sent."""

    @field_validator("webhook_allowed_networks", mode="before")
    @classmethod
    def _split_networks(cls, value: Any) -> Any:
        return _split(value)


class WebhookKeySettings(Settings):
    """What the secrets of webhook endpoints are derived from; the API and the workers need the same."""

    webhook_signing_key: SecretStr | None = None
    """At least 32 random bytes in base64; several, by spaces, to change it: the first is for new secrets."""

    def master_keys(self) -> MasterKeys | None:
        """The keys, if there are any. Raises SetupError."""
        key = self.webhook_signing_key
        return None if key is None else MasterKeys(key.get_secret_value())


class DeliverySettings(Settings):
    """How the worker delivers. Times in seconds."""

    retry_email: RetrySchedule = RetrySchedule()
    retry_sms: RetrySchedule = RetrySchedule(attempts=6, first=2, factor=4, cap=3_600)
    retry_push: RetrySchedule = RetrySchedule(attempts=6, first=2, factor=4, cap=3_600)
    retry_webhook: RetrySchedule = RetrySchedule()
    retry_chat: RetrySchedule = RetrySchedule(attempts=6, first=2, factor=4, cap=3_600)
    route_email: Route | None = None
    """Providers in order, as JSON: `["smtp", "sendgrid"]`, or shared, `[{"smtp": 1, "sendgrid": 3}]`."""
    route_sms: Route | None = None
    route_push: Route | None = None
    route_webhook: Route | None = None
    route_chat: Route | None = None
    tenant_routes: dict[str, dict[Channel, Route]] = {}
    """Routes of single tenants, as JSON: `{"acme": {"email": ["sendgrid"]}}`."""
    failover_at_once: Annotated[frozenset[Channel], NoDecode] = frozenset({Channel.SMS})
    """Channels on which the next provider takes over a passing failure at once, separated by commas; on the
    others it does after the schedule's delay."""
    skip_after: int = Field(default=5, ge=0)
    """After how many failures in a row a provider is skipped; 0: never."""
    skip_seconds: float = Field(default=30, gt=0, le=86_400)
    """How long the first time. Each time that it is still failing then it is twice as long, up to 600."""
    retry_window: float = Field(default=7 * 86_400, ge=0, le=31 * 86_400)
    attempt_timeout: float = Field(default=30, gt=0, le=600)

    @field_validator("failover_at_once", mode="before")
    @classmethod
    def _split_channels(cls, value: Any) -> Any:
        return _split(value)

    @model_validator(mode="after")
    def _routes_name_known_providers(self) -> Self:
        given = {channel: self._own_route(channel) for channel in Channel}
        routes = [("", channel, route) for channel, route in given.items() if route is not None]
        for tenant, by_channel in self.tenant_routes.items():
            routes += [(f" of {tenant}", channel, route) for channel, route in by_channel.items()]
        for whose, channel, route in routes:
            for name in route.names:
                fault = catalogue().unknown(name, channel)
                if fault is not None:
                    raise ValueError(f"the {channel} route{whose} names {name!r}; {fault}")
        return self

    def route(self, channel: Channel, tenant: str) -> Route:
        """The tenant's route, the channel's, or the channel's first provider."""
        own = self.tenant_routes.get(tenant, {}).get(channel) or self._own_route(channel)
        return own or Route([catalogue().names(channel)[0]])

    def fails_over_at_once(self, channel: Channel) -> bool:
        """Whether the next provider takes over a passing failure at once."""
        return channel in self.failover_at_once

    def _own_route(self, channel: Channel) -> Route | None:
        routes = {
            Channel.EMAIL: self.route_email,
            Channel.SMS: self.route_sms,
            Channel.PUSH: self.route_push,
            Channel.WEBHOOK: self.route_webhook,
            Channel.CHAT: self.route_chat,
        }
        return routes[channel]

    def retry_schedule(self, channel: Channel) -> RetrySchedule:
        """The schedule of a channel's automatic attempts."""
        schedules = {
            Channel.EMAIL: self.retry_email,
            Channel.SMS: self.retry_sms,
            Channel.PUSH: self.retry_push,
            Channel.WEBHOOK: self.retry_webhook,
            Channel.CHAT: self.retry_chat,
        }
        return schedules[channel]


_Rate = Annotated[float | None, Field(gt=0, allow_inf_nan=False)]


class WorkerSettings(Settings):
    """The worker process. Times in seconds, rates in sends per second."""

    worker_sends_per_channel: int = Field(default=100, ge=1, le=10_000)
    """How many sends of one channel may run at once in one process."""
    worker_attachment_bytes: int = Field(default=100_000_000, ge=1)
    """How many bytes of attachments one process holds at once; a mail that finds no room waits its turn."""
    rate_email: _Rate = None
    """How many sends of the channel begin per second over all workers together; None: as many as can."""
    rate_sms: _Rate = None
    rate_push: _Rate = None
    rate_webhook: _Rate = None
    rate_chat: _Rate = None
    worker_workflow_tasks: int = Field(default=100, ge=2, le=10_000)
    worker_shutdown_timeout: float = Field(default=20, ge=0)
    """How long running sends may go on after SIGTERM."""
    worker_metrics_host: str = "127.0.0.1"
    worker_metrics_port: int | None = Field(default=None, ge=1, le=65535)
    """Where the worker serves `GET /metrics`; None: nowhere."""

    def rate(self, channel: Channel) -> float | None:
        """The channel's limit."""
        rates = {
            Channel.EMAIL: self.rate_email,
            Channel.SMS: self.rate_sms,
            Channel.PUSH: self.rate_push,
            Channel.WEBHOOK: self.rate_webhook,
            Channel.CHAT: self.rate_chat,
        }
        return rates[channel]


class SandboxSettings(Settings):
    """The sandbox process."""

    sandbox_host: str = "127.0.0.1"
    sandbox_port: int = Field(default=8025, ge=1, le=65535)
    sandbox_smtp_port: int = Field(default=1025, ge=1, le=65535)
    sandbox_keep: int = Field(default=1_000, ge=1, le=100_000)
    """How many messages the inbox keeps; the oldest go first."""
    sandbox_slow_seconds: float = Field(default=5, ge=0)
    """How long recipients that begin with `slow` take to answer."""


class ClientSettings(Settings):
    """Where the command line finds the API."""

    url: str = "http://127.0.0.1:8000"
    api_key: SecretStr | None = None
