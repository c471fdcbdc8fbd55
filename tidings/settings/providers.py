"""The providers: addresses, credentials and what is signed by us."""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from tidings.domain.webhook_endpoint import MasterKeys
from tidings.settings.base import Settings, split


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
    webhook_traceparent: bool = True
    """Whether a webhook's target is told, while this worker traces, which trace the call belongs to."""
    webhook_allowed_networks: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(
        default_factory=list
    )
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
        return split(value)


class WebhookKeySettings(Settings):
    """What the secrets of webhook endpoints are derived from; the API and the workers need the same."""

    webhook_signing_key: SecretStr | None = None
    """At least 32 random bytes in base64; several, by spaces, to change it: the first is for new secrets."""

    def master_keys(self) -> MasterKeys | None:
        """The keys, if there are any. Raises SetupError."""
        key = self.webhook_signing_key
        return None if key is None else MasterKeys(key.get_secret_value())
