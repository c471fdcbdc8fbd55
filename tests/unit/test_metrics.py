"""Metrics keep their labels few, and their server says where it cannot listen."""

import socket

import pytest
from prometheus_client import CollectorRegistry

from tidings.domain.vocabulary import Channel, Outcome
from tidings.errors import SetupError
from tidings.metrics import MetricsPage, WorkerMetrics
from tidings.settings import WorkerSettings
from worker.metrics_server import serving


def test_words_from_outside_are_cut_off_at_a_hundred() -> None:
    metrics = WorkerMetrics(CollectorRegistry())
    for number in range(150):
        metrics.called(Channel.SMS, f"provider-{number}", Outcome.UNKNOWN, 0.1)
        metrics.misconfigured(Channel.SMS, "provider-0", f"code-{number}")

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"channel": "sms", **labels})

    assert value("tidings_attempts_total", provider="provider-99", outcome="unknown") == 1
    assert value("tidings_attempts_total", provider="provider-100", outcome="unknown") is None
    assert value("tidings_attempts_total", provider="other", outcome="unknown") == 50
    assert value("tidings_provider_misconfigured_total", provider="provider-0", code="other") == 50


async def test_a_taken_port_is_one_line_that_names_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = WorkerSettings(_env_file=None, worker_metrics_port=taken.getsockname()[1])
        with pytest.raises(SetupError, match="TIDINGS_WORKER_METRICS_PORT"):
            async with serving(MetricsPage(CollectorRegistry()), settings):
                pass
