"""Prometheus' own tool reads what is in deploy/prometheus, and finds each alert firing when it should."""

import pytest

from tests.peers.prometheus import promtool


@pytest.mark.parametrize(
    "command",
    [("check", "config", "prometheus.yml"), ("check", "rules", "alerts.yml"), ("test", "rules", "tests.yml")],
    ids=["config", "rules", "tests"],
)
async def test_promtool_is_content(command: tuple[str, ...]) -> None:
    assert "SUCCESS" in await promtool(*command)
