"""The data folder: its lock, its secrets, its state file."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tidings.errors import SetupError
from tidings.local.data_folder import DataFolder

HOLD = """
import sys
from pathlib import Path
from tidings.local.data_folder import DataFolder
with DataFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "deep" / "data")


def test_one_process_at_a_time_and_a_killed_one_lets_go(folder: DataFolder) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, folder.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SetupError) as refusal, folder.locked():
            pass
        assert str(refusal.value) == (
            f"tidings up is running on {folder.path} already (process {holder.pid}): "
            "stop it, or choose another folder by --data."
        )
        holder.kill()
        holder.wait()
    with folder.locked():
        assert folder.logs.is_dir()


def test_others_may_pass_through_but_not_look(folder: DataFolder) -> None:
    with folder.locked():
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o711
        assert stat.S_IMODE(folder.logs.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(SetupError, match=r"cannot be used for data: .*--data"),
        DataFolder(tmp_path / "file" / "data").locked(),
    ):
        pass


def test_secrets_and_state_are_private(folder: DataFolder) -> None:
    with folder.locked():
        assert folder.secret("api_key") is None
        folder.keep_secret("api_key", "first")
        folder.keep_secret("api_key", "second")
        folder.write_state({"ready": True})
        assert folder.secret("api_key") == "second"
        assert json.loads(folder.state_file.read_text()) == {"ready": True}
        for path in (folder.path / "api_key", folder.state_file):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert folder.clear_state()
        assert not folder.clear_state()
        assert sorted(os.listdir(folder.path)) == ["api_key", "logs", "up.lock"]
