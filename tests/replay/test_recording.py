"""The recorder, on a real server: what it keeps replays, and tells nothing of the machine."""

import os
import socket
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.replay.record import keep, record
from tests.replay.recorded import read
from tests.replay.replaying import replay
from tests.replay.scenarios import SCENARIOS


@pytest.mark.parametrize("name", ["sent_at_once", "outage_in_persist"])
async def test_a_recorded_history_replays_and_is_scrubbed(
    name: str, temporal_client: Client, tmp_path: Path
) -> None:
    path = await record(SCENARIOS[name], temporal_client, tmp_path)
    await replay(name, read(path))
    text = path.read_text()
    assert f"{os.getpid()}@{socket.gethostname()}" not in text
    assert str(Path.cwd()) not in text
    assert '"stackTrace"' not in text


async def test_recording_twice_gives_the_same_ids(temporal_client: Client, tmp_path: Path) -> None:
    first, second = [
        read(await record(SCENARIOS["sent_at_once"], temporal_client, tmp_path / folder))
        for folder in ("first", "second")
    ]
    assert first.workflow_id == second.workflow_id


def test_histories_of_a_released_version_are_kept_beside_the_new_ones(tmp_path: Path) -> None:
    replaced, new = SCENARIOS["sent_at_once"], SCENARIOS["retried_then_sent"]
    (tmp_path / "sent_at_once.json").write_text("old")
    keep(tmp_path, [replaced, new], "before-pause-first")
    (tmp_path / "sent_at_once.json").write_text("new")
    assert [path.name for path in (tmp_path / "before-pause-first").iterdir()] == ["sent_at_once.json"]
    assert (tmp_path / "before-pause-first" / "sent_at_once.json").read_text() == "old"
    with pytest.raises(FileExistsError):
        keep(tmp_path, [replaced], "before-pause-first")
