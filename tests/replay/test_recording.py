"""The recorder, on a real server: what it keeps replays, and tells nothing of the machine."""

import os
import socket
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from tests.replay.record import keep, record
from tests.replay.recorded import HISTORIES, read
from tests.replay.replaying import replay
from tests.replay.scenarios import SCENARIOS
from tidings.local.temporal_server import TemporalServer


@pytest.mark.parametrize("name", ["sent_at_once", "outage_in_persist"])
async def test_a_recorded_history_replays_is_scrubbed_and_has_the_id_it_always_has(
    name: str, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    client = await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)
    path = await record(SCENARIOS[name], client, tmp_path)
    await replay(name, read(path))
    assert read(path).workflow_id == read(HISTORIES / path.name).workflow_id
    text = path.read_text()
    assert f"{os.getpid()}@{socket.gethostname()}" not in text
    assert str(Path.cwd()) not in text
    assert '"stackTrace"' not in text


def test_histories_of_a_released_version_are_kept_beside_the_new_ones(tmp_path: Path) -> None:
    replaced, new = SCENARIOS["sent_at_once"], SCENARIOS["retried_then_sent"]
    (tmp_path / "sent_at_once.json").write_text("old")
    keep(tmp_path, [replaced, new], "before-pause-first")
    (tmp_path / "sent_at_once.json").write_text("new")
    assert [path.name for path in (tmp_path / "before-pause-first").iterdir()] == ["sent_at_once.json"]
    assert (tmp_path / "before-pause-first" / "sent_at_once.json").read_text() == "old"
    with pytest.raises(FileExistsError):
        keep(tmp_path, [replaced], "before-pause-first")
