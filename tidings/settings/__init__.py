"""Settings: environment variables `TIDINGS_…` and `.env`, checked once at the start of a process.

The Temporal connection is not here: it comes from the same profile as the `temporal` CLI's
(`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, …), see `tidings.temporal.client`.
"""

from tidings.settings.api import ApiSettings
from tidings.settings.base import Settings
from tidings.settings.client import ClientSettings
from tidings.settings.codec import CodecSettings
from tidings.settings.codec_server import CodecServerSettings
from tidings.settings.database import DatabaseSettings
from tidings.settings.delivery import DeliverySettings
from tidings.settings.logs import LogFormat, LogSettings
from tidings.settings.providers import ProviderSettings, SmtpTls, WebhookKeySettings
from tidings.settings.sandbox import SandboxSettings
from tidings.settings.temporal import TemporalSettings
from tidings.settings.tokens import TokenSettings
from tidings.settings.worker import WorkerSettings

__all__ = [
    "ApiSettings",
    "ClientSettings",
    "CodecServerSettings",
    "CodecSettings",
    "DatabaseSettings",
    "DeliverySettings",
    "LogFormat",
    "LogSettings",
    "ProviderSettings",
    "SandboxSettings",
    "Settings",
    "SmtpTls",
    "TemporalSettings",
    "TokenSettings",
    "WebhookKeySettings",
    "WorkerSettings",
]
