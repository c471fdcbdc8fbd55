"""`tidings up` from the inside: what stops it from starting, and what it keeps and tells."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from pydantic import PostgresDsn

from tests.scraping import Scrape
from tests.support import eventually, free_port
from tidings.cli.up import up
from tidings.database.api_keys import ApiKeyRepository
from tidings.database.engine import create_engine
from tidings.database.migrations import upgrade
from tidings.errors import SetupError
from tidings.local.api_key import working_key
from tidings.local.data_folder import DataFolder
from tidings.local.leftovers import Mark, leftovers, word_for
from tidings.local.ports import Ports
from tidings.local.system import LocalSystem
from tidings.settings import DatabaseSettings


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `.env` and no settings but the test's; our packages are found from anywhere."""
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("TIDINGS_", "TEMPORAL_")):
            monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


@pytest.fixture
async def migrated_elsewhere(empty_database_url: str) -> str:
    """A migrated database other than `database_url`."""
    await upgrade(empty_database_url)
    return empty_database_url


def free_ports() -> Ports:
    return Ports(*(free_port() for _ in range(6)))


def run_up(folder: DataFolder, ports: Ports) -> None:
    up(folder.path, *asdict(ports).values())


def remaining(folder: DataFolder) -> list[list[str]]:
    """The command lines of what still runs of a system."""
    words = {"postgres": word_for(folder.postgres), "temporal": str(folder.temporal)}
    marks = [Mark(program, word) for program, word in words.items()]
    found = leftovers([*marks, Mark("python", word_for(folder.path))])
    return [process.cmdline() for process in found]


def test_a_taken_port_stops_it_before_anything_is_started(folder: DataFolder) -> None:
    ports = free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports.postgres))
        taken.listen()
        with pytest.raises(
            SetupError, match=rf"^Port {ports.postgres} for PostgreSQL is taken: .*--postgres"
        ):
            run_up(folder, ports)
    assert not folder.postgres.exists()


def test_the_command_says_so_in_one_line_and_exits_with_1(folder: DataFolder) -> None:
    with folder.locked():
        done = subprocess.run(
            [sys.executable, "-m", "tidings", "up", "--data", folder.path],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"running on {folder.path} already (process {os.getpid()})" in done.stderr


def test_two_on_one_folder_are_refused(folder: DataFolder) -> None:
    with folder.locked(), pytest.raises(SetupError, match=r"is running on .* already"):
        run_up(folder, free_ports())


def test_a_part_that_fails_stops_all_and_names_its_log(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_SANDBOX_KEEP", "none at all")
    with pytest.raises(SetupError) as failure:
        run_up(folder, free_ports())
    message = str(failure.value)
    assert message.startswith("sandbox ended at its start with status 1. It said: ")
    assert "TIDINGS_SANDBOX_KEEP" in message
    assert message.endswith(f"Log: {folder.log('sandbox')}")
    assert "\n" not in message
    assert not folder.state_file.exists()
    assert remaining(folder) == []


@contextlib.asynccontextmanager
async def running(
    folder: DataFolder, ports: Ports, say: Callable[[str], None] = lambda line: None
) -> AsyncIterator[LocalSystem]:
    with folder.locked():
        system = LocalSystem(folder, ports, say)
        try:
            await system.start()
            yield system
        finally:
            await system.stop(asyncio.Event())
    assert not folder.state_file.exists()
    assert remaining(folder) == []


def state_of(folder: DataFolder) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(folder.state_file.read_text())
    return state


async def works(state: dict[str, Any]) -> bool:
    url, headers = f"{state['api_url']}/v1/notifications", {"Authorization": f"Bearer {state['api_key']}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        # A 503 may come for a moment after Postgres was away; that its key is refused must not.
        assert response.status in (200, 503)
        return response.status == 200


async def reads_payloads(state: dict[str, Any], token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "X-Namespace": "default"}
    url = f"{state['api_url']}/v1/codec/decode"
    async with aiohttp.ClientSession() as session, session.post(url, json={}, headers=headers) as response:
        return response.status


async def test_it_tells_how_to_reach_it_and_what_was_restarted(folder: DataFolder) -> None:
    said: list[str] = []
    ports = free_ports()
    async with running(folder, ports, said.append) as system:
        before = state_of(folder)
        assert before == {
            "ready": True,
            "api_url": f"http://127.0.0.1:{ports.api}",
            "ui_url": f"http://127.0.0.1:{ports.ui}",
            "temporal_address": f"127.0.0.1:{ports.temporal}",
            "postgres_dsn": system.postgres.database_url(),
            "sandbox_url": f"http://127.0.0.1:{ports.sandbox}",
            "metrics_urls": before["metrics_urls"],
            "smtp_port": ports.smtp,
            "api_key": folder.secret("api_key"),
            "codec_token": folder.secret("codec_token"),
            "codec": "on",
            "codec_keys": folder.secret("codec_keys"),
            "pids": before["pids"],
        }
        assert list(before["pids"]) == ["api", "worker", "sandbox", "temporal", "postgres"]
        await eventually(lambda: works(before))
        assert await reads_payloads(before, before["codec_token"]) == 200
        assert await reads_payloads(before, before["api_key"]) == 401
        of_api, of_worker = [await Scrape.of(before["metrics_urls"][name]) for name in ("api", "worker")]
        assert of_api.value("tidings_dependency_up", dependency="temporal") == 1
        assert of_worker.value("tidings_database_pool_limit") == 20

        for name in ("api", "postgres"):
            os.kill(before["pids"][name], signal.SIGKILL)
        await eventually(lambda: {"api is ready again.", "postgres is ready again."} <= set(said))
        after = state_of(folder)
        changed = {name for name, pid in after["pids"].items() if pid != before["pids"][name]}
        assert changed == {"api", "postgres"}
        await eventually(lambda: works(after))


async def test_a_key_is_kept_until_the_database_refuses_it(
    folder: DataFolder, database_url: str, migrated_elsewhere: str
) -> None:
    with folder.locked():
        first = await working_key(folder, database_url)
        assert await working_key(folder, database_url) == first
        # The data of Postgres was thrown away, or another was restored.
        second = await working_key(folder, migrated_elsewhere)
        assert second != first
        engine = create_engine(DatabaseSettings.load(database_url=PostgresDsn(migrated_elsewhere)))
        keys = ApiKeyRepository(engine)
        (key,) = await keys.all("default")
        await keys.revoke(key.id)
        await engine.dispose()
        third = await working_key(folder, migrated_elsewhere)
        assert third != second
        assert folder.secret("api_key") == third


async def test_a_database_newer_than_the_code_is_left_alone(folder: DataFolder) -> None:
    ports = free_ports()
    with folder.locked():
        system = LocalSystem(folder, ports, lambda line: None)
        await system.postgres.start()
        connection = await asyncpg.connect(system.postgres.database_url())
        await connection.execute("CREATE TABLE alembic_version (version_num varchar(64) PRIMARY KEY)")
        await connection.execute("INSERT INTO alembic_version VALUES ('of_the_future')")
        await connection.close()
        await system.postgres.stop()
    with pytest.raises(SetupError, match="of_the_future, newer than this version") as refusal:
        async with running(folder, ports):
            pass
    assert "\n" not in str(refusal.value)
    assert remaining(folder) == []
