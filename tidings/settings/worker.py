"""The worker process."""

from typing import Annotated

from pydantic import Field

from tidings.domain.vocabulary import Channel
from tidings.settings.base import Settings

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
