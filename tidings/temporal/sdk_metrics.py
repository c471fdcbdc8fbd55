"""What the Temporal SDK counts, beside our own metrics: `temporal_…`.

The SDK's core keeps them and serves them itself, on a port of loopback that is free. (Its other way, a buffer
of single updates, would have Python add up each of them, and loses those that come while it is full.) Times
are in seconds, and counters end in `_total`, as ours do.
"""

import socket
from collections.abc import Iterable
from typing import Self

import aiohttp
import structlog
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from tidings.errors import SetupError
from tidings.temporal.core_log import core_logging

_LOOPBACK = "127.0.0.1"
_TRIES = 10
_PATIENCE = aiohttp.ClientTimeout(total=2)

log = structlog.get_logger(__name__)


class SdkMetrics(Collector):
    """The metrics of one SDK runtime: a process has one of either."""

    def __init__(self, runtime: Runtime, port: int) -> None:
        self.runtime = runtime
        self._url = f"http://{_LOOPBACK}:{port}/metrics"
        self._families: list[Metric] = []

    @classmethod
    def start(cls) -> Self:
        """A runtime that counts. Raises SetupError if no port of loopback can be had for it."""
        reason = ""
        for _ in range(_TRIES):
            port = _free_port()
            metrics = PrometheusConfig(
                bind_address=f"{_LOOPBACK}:{port}",
                counters_total_suffix=True,
                unit_suffix=True,
                durations_as_seconds=True,
            )
            try:
                telemetry = TelemetryConfig(
                    metrics=metrics, attach_service_name=False, logging=core_logging()
                )
                return cls(Runtime(telemetry=telemetry), port)
            except ValueError as error:  # somebody has taken the port meanwhile
                reason = str(error)
        raise SetupError(f"The metrics of the Temporal SDK cannot be served on {_LOOPBACK}: {reason}.")

    async def refresh(self) -> None:
        """Ask the SDK. Raises nothing: without an answer there is nothing of it in the metrics."""
        try:
            async with aiohttp.ClientSession(timeout=_PATIENCE) as session, session.get(self._url) as answer:
                answer.raise_for_status()
                self._families = list(text_string_to_metric_families(await answer.text()))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            log.warning("sdk_metrics_not_read", reason=str(error) or type(error).__name__)
            self._families = []

    def collect(self) -> Iterable[Metric]:
        """What the last `refresh` has found."""
        return self._families

    def describe(self) -> Iterable[Metric]:
        """Nothing: which metrics there will be is not known yet."""
        return []


def _free_port() -> int:
    with socket.create_server((_LOOPBACK, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
