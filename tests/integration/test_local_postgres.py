"""The embedded Postgres: its data folder, crashes, users, and what it says when it cannot run."""

import asyncio
import os
import signal
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.support import eventually, free_port
from tidings.errors import SetupError
from tidings.local import launch
from tidings.local.account import Account
from tidings.local.part import spawn
from tidings.local.postgres import PostgresServer

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

START_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from tidings.local.postgres import PostgresServer

async def run():
    server = PostgresServer(Path(sys.argv[1]), int(sys.argv[2]))
    await server.start()
    print(server.pid, flush=True)
    await server.exited()

asyncio.run(run())
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PostgresServer]:
    server = PostgresServer(tmp_path / "data", free_port())
    yield server
    await server.stop(hurry=True)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


async def write_mark(server: PostgresServer) -> None:
    connection = await asyncpg.connect(server.database_url())
    await connection.execute("CREATE TABLE mark AS SELECT 42 AS value")
    await connection.close()


async def read_mark(server: PostgresServer) -> int:
    connection = await asyncpg.connect(server.database_url())
    value: int = await connection.fetchval("SELECT value FROM mark")
    await connection.close()
    return value


def running(pid: int | None) -> psutil.Process:
    assert pid is not None
    return psutil.Process(pid)


async def crash(server: PostgresServer) -> None:
    running(server.pid).kill()
    await server.exited()


async def start_elsewhere(server: PostgresServer) -> asyncio.subprocess.Process:
    """Another process that starts this server, says its pid, and waits for its end."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", START_AND_WAIT, str(server.data_dir), str(server.port)),
        stdout=asyncio.subprocess.PIPE,
    )


def capabilities(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("CapPrm")).split()[1], 16)


async def test_first_start_makes_a_private_durable_utf8_database(server: PostgresServer) -> None:
    await server.start()

    connection = await asyncpg.connect(server.database_url())
    shown = {name: await connection.fetchval(f"SHOW {name}") for name in ("fsync", "server_encoding")}
    await connection.close()
    assert shown == {"fsync": "on", "server_encoding": "UTF8"}
    listening = {c.laddr.ip for c in running(server.pid).net_connections() if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    password = server.data_dir / "tidings.password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
    assert running(server.pid).uids().effective != 0


async def test_nobody_gets_in_without_the_password(server: PostgresServer) -> None:
    await server.start()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(
            user="tidings", password="guess", host="127.0.0.1", port=server.port, database="tidings"
        )


async def test_data_survives_stop_and_kill(server: PostgresServer) -> None:
    await server.start()
    await write_mark(server)
    await server.stop()
    assert server.pid is None
    await server.start()
    assert await read_mark(server) == 42
    await crash(server)
    await server.start()
    assert await read_mark(server) == 42


async def test_a_killed_starter_takes_its_server_along_and_the_next_goes_on(
    server: PostgresServer,
) -> None:
    starter = await start_elsewhere(server)
    assert starter.stdout is not None
    pid = int(await starter.stdout.readline())
    starter.kill()
    await starter.wait()

    await server.start()

    assert server.pid != pid
    await eventually(lambda: not psutil.pid_exists(pid))


async def test_a_living_server_of_our_folder_is_ended_first(server: PostgresServer) -> None:
    await server.start()
    await write_mark(server)
    successor = PostgresServer(server.data_dir, free_port())
    await successor.start()
    try:
        assert await asyncio.wait_for(server.exited(), 10) == 0
        assert await read_mark(successor) == 42
    finally:
        await successor.stop(hurry=True)


async def test_a_lock_file_whose_pid_was_reused_does_not_stop_the_start(
    server: PostgresServer, tmp_path: Path
) -> None:
    await server.start()
    lock = server.data_dir / "postmaster.pid"
    left = lock.read_text().splitlines(keepends=True)
    await server.stop()
    # Of the same user, or Postgres would see by itself that it is no server.
    other = await spawn(
        ["/bin/sleep", "600"], log_file=tmp_path / "other.log", environment={}, account=server.account()
    )
    try:
        await eventually(lambda: psutil.Process(other.pid).name() == "sleep")
        lock.write_text("".join([f"{other.pid}\n", *left[1:]]))
        await server.start()
        assert other.returncode is None
    finally:
        other.kill()
        await other.wait()


async def test_an_init_killed_in_the_middle_is_made_anew(server: PostgresServer) -> None:
    begun = server.data_dir.with_name("data.new") / "data" / "PG_VERSION"
    starter = await start_elsewhere(server)
    await eventually(begun.exists, interval=0.005)
    starter.kill()
    await starter.wait()
    assert not server.data_dir.exists()

    await server.start()

    assert (server.data_dir / "PG_VERSION").exists()
    assert not begun.exists()


async def test_a_folder_of_another_major_is_left_alone(server: PostgresServer) -> None:
    await server.start()
    await server.stop()
    (server.data_dir / "PG_VERSION").write_text("12\n")
    with pytest.raises(SetupError, match="was made by PostgreSQL 12, and PostgreSQL 18") as refusal:
        await server.start()
    assert "\n" not in str(refusal.value)


async def test_a_folder_of_something_else_is_left_alone(server: PostgresServer) -> None:
    server.data_dir.mkdir()
    (server.data_dir / "thesis.txt").write_text("years of work")
    with pytest.raises(SetupError, match="neither empty nor a Postgres data folder"):
        await server.start()
    assert (server.data_dir / "thesis.txt").exists()


async def test_a_taken_port_is_told_from_the_log(server: PostgresServer, tmp_path: Path) -> None:
    await server.start()
    second = PostgresServer(tmp_path / "second", server.port)
    with pytest.raises(SetupError) as refusal:
        await second.start()
    assert str(server.port) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert second.pid is None


@as_root
async def test_below_a_folder_closed_to_others_one_capability_is_kept(
    server: PostgresServer, tmp_path: Path
) -> None:
    os.chmod(tmp_path, 0o700)
    await server.start()
    process = running(server.pid)
    assert process.uids().effective != 0
    assert capabilities(process) == 1 << launch.CAP_DAC_READ_SEARCH


@as_root
async def test_below_open_folders_no_capability_is_kept(open_folder: Path) -> None:
    server = PostgresServer(open_folder / "data", free_port())
    account = None
    try:
        await server.start()
        account = server.account()
        # Only where the tests' own environment lies open is nothing needed to reach the programs.
        if account is not None and account.capability is None:
            assert capabilities(running(server.pid)) == 0
        else:
            pytest.skip("the installation itself lies below a closed folder")
    finally:
        await server.stop(hurry=True)


@as_root
async def test_runs_as_an_ordinary_user(open_folder: Path) -> None:
    mine = open_folder / "mine"
    mine.mkdir()
    os.chown(mine, 65534, 65534)
    port = free_port()
    # The capability lets the user reach this interpreter, wherever it lies; it is no root for all that.
    starter = await spawn(
        [sys.executable, "-c", START_AND_WAIT, str(mine / "data"), str(port)],
        log_file=open_folder / "starter.log",
        environment=os.environ,
        account=Account(65534, 65534, launch.CAP_DAC_READ_SEARCH),
        death_signal=signal.SIGKILL,
    )
    try:
        pid = int(await eventually((open_folder / "starter.log").read_text))
        assert psutil.Process(pid).uids().effective == 65534
        assert (mine / "data").stat().st_uid == 65534
    finally:
        starter.kill()
        await starter.wait()
    await eventually(lambda: not psutil.pid_exists(pid))
