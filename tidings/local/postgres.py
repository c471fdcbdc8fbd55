"""An embedded PostgreSQL server: makes its data folder, starts, recovers, stops. Data survives any crash."""

import asyncio
import os
import secrets
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil

from tidings.errors import SetupError
from tidings.local.account import Account, account_for
from tidings.local.leftovers import Mark, word_for
from tidings.local.part import Part, last_words, spawn
from tidings.local.postgres_programs import PostgresPrograms, major_of, programs_for

USER = "tidings"
_PASSWORD_FILE = "tidings.password"  # noqa: S105 -- a file's name
_INIT_LIMIT = 120.0


class PostgresServer(Part):
    """PostgreSQL on 127.0.0.1, password by SCRAM, no socket file, fsync on; superuser and database `tidings`.

    The data folder is made at the first start. What an interrupted one or a killed server left behind is
    cleared up at the next.
    """

    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
    hurry_signal = signal.SIGQUIT  # "immediate": recovers at the next start
    death_signal = signal.SIGINT
    start_limit = 60.0
    stop_limit = 30.0

    def __init__(self, data_dir: Path, port: int, log_file: Path | None = None) -> None:
        self.data_dir = data_dir.resolve()
        self.port = port
        self._password = ""
        self._account: Account | None = None
        log_file = log_file or self.data_dir.with_name(f"{data_dir.name}.log")
        # As the cluster's name it stands in the title of each of the server's processes.
        self._cluster_name = word_for(self.data_dir)
        super().__init__("postgres", log_file, Mark("postgres", self._cluster_name))

    @property
    def dsn(self) -> str:
        """The maintenance database's address, password included. Known once the server has started."""
        return self.database_url("postgres")

    def database_url(self, database: str = USER) -> str:
        """A database's address, password included. Known once the server has started."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    async def command(self) -> list[str]:
        """Make the data folder if it is missing, and give the server's command."""
        programs = await asyncio.to_thread(programs_for, self.data_dir)
        if not os.access(self.data_dir.parent, os.W_OK):
            raise SetupError(f"{self.data_dir.parent} cannot be written to: choose another folder (--data).")
        self._account = account_for(self.data_dir, programs.postgres)
        self._forget_reused_pid()
        if major_of(self.data_dir) is None:
            await self._initialise(programs)
        try:
            self._password = (self.data_dir / _PASSWORD_FILE).read_text()
        except OSError as error:
            raise SetupError(
                f"{self.data_dir} is not ours to use: {error.strerror} ({_PASSWORD_FILE})."
            ) from None
        return [
            *(str(programs.postgres), "-D", str(self.data_dir)),
            *("-h", "127.0.0.1", "-p", str(self.port), "-k", ""),
            *("-c", f"cluster_name={self._cluster_name}", "-c", "max_connections=200"),
            # The details of a refusal are the row: whom it goes to and what it says.
            *("-c", "log_error_verbosity=terse"),
        ]

    def environment(self) -> Mapping[str, str]:
        """Ours without libpq's variables, which could turn the server or initdb elsewhere."""
        ours = {
            name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))
        }
        return {**ours, "LC_ALL": "C", "TZ": "UTC"}

    def account(self) -> Account | None:
        """The user the server runs as; None: the present one."""
        return self._account

    async def is_ready(self) -> bool:
        """Whether the server lets us in; makes the database `tidings` then, if it is missing."""
        try:
            connection = await asyncpg.connect(self.dsn, timeout=5, ssl=False)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        except asyncpg.PostgresError as error:
            raise SetupError(f"Port {self.port} is served by another Postgres than ours: {error}.") from error
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", USER):
                await connection.execute(f'CREATE DATABASE "{USER}"')
        finally:
            await connection.close()
        return True

    def _forget_reused_pid(self) -> None:
        """Remove the lock file of a dead server if its pid now belongs to something else.

        Postgres would take that for a living server and refuse to start; pids repeat in restarted containers.
        """
        lock = self.data_dir / "postmaster.pid"
        with suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
            if psutil.Process(int(lock.read_text().partition("\n")[0])).name() != "postgres":
                lock.unlink()

    async def _initialise(self, programs: PostgresPrograms) -> None:
        """Make the data folder beside its place and move it there whole: an interrupted run leaves none."""
        if self.data_dir.exists() and any(self.data_dir.iterdir()):
            raise SetupError(f"{self.data_dir} is neither empty nor a Postgres data folder: move it away.")
        work = self.data_dir.with_name(f"{self.data_dir.name}.new")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        password_file = work / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_urlsafe(32))
        if self._account is not None:
            for path in (work, password_file):
                os.chown(path, self._account.uid, self._account.gid)
        await self._run_initdb(programs, work / "data", password_file)
        password_file.rename(work / "data" / _PASSWORD_FILE)
        with suppress(FileNotFoundError):
            self.data_dir.rmdir()
        (work / "data").rename(self.data_dir)
        work.rmdir()
        _sync_folder(self.data_dir.parent)

    async def _run_initdb(self, programs: PostgresPrograms, folder: Path, password_file: Path) -> None:
        command = [
            *(str(programs.initdb), "-D", str(folder), "--username", USER, "--pwfile", str(password_file)),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"),
            # Sorting and case mapping that depend on no locale of the machine; known since version 17.
            *(
                ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
                if programs.major >= 17
                else ("--no-locale",)
            ),
        ]
        process = await spawn(
            command, log_file=self.log_file, environment=self.environment(), account=self._account
        )
        try:
            status = await asyncio.wait_for(process.wait(), _INIT_LIMIT)
        except BaseException:
            process.kill()
            await process.wait()
            raise
        if status != 0:
            raise SetupError(
                f"initdb ended with status {status}.{last_words(self.log_file)} Log: {self.log_file}"
            )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
