"""One part of the local system: a process of its own that is started, waited for until ready, and stopped."""

import asyncio
import os
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from tidings.errors import SetupError
from tidings.local import launch
from tidings.local.account import Account
from tidings.local.leftovers import Mark, end_leftovers

_POLL_SECONDS = 0.05
_MAX_LOG_BYTES = 10_000_000
_SHOWN_LOG_LINES = 5


class Part(ABC):
    """A process in a session of its own, so that a terminal's Ctrl-C reaches only its starter.

    Its output goes to `log_file`. On Linux it does not outlive its starter. Times in seconds.
    """

    stop_signal = signal.SIGTERM
    hurry_signal = signal.SIGKILL
    death_signal = signal.SIGKILL
    """What the kernel sends it when its starter dies without stopping it."""
    start_limit = 30.0
    stop_limit = 10.0

    def __init__(self, name: str, log_file: Path, mark: Mark | None = None) -> None:
        """`mark` tells the processes of an earlier run, which are ended before a start."""
        self.name = name
        self.log_file = log_file
        self.mark = mark
        self._process: asyncio.subprocess.Process | None = None

    @abstractmethod
    async def command(self) -> list[str]:
        """Prepare what the process needs and give its program and arguments. Raises SetupError."""

    @abstractmethod
    async def is_ready(self) -> bool:
        """Whether the running process serves; asked again and again after the start."""

    def environment(self) -> Mapping[str, str]:
        """The environment of the process."""
        return os.environ

    def account(self) -> Account | None:
        """The user to run as, if not the present one."""
        return None

    @property
    def pid(self) -> int | None:
        """The process's id; None while it does not run."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """End what an earlier run left, start the process, and return once it is ready.

        Raises SetupError, with the last lines of the log, if it ends first or is not ready in time;
        it is stopped then. Also when cancelled.
        """
        if self.mark is not None:
            await asyncio.to_thread(end_leftovers, [self.mark])
        command = await self.command()
        self._process = await spawn(
            command,
            log_file=self.log_file,
            environment=self.environment(),
            account=self.account(),
            death_signal=self.death_signal,
        )
        try:
            await self._until_ready()
        except BaseException:
            await self.stop(hurry=True)
            raise

    async def exited(self) -> int:
        """Wait for the end of the process; its exit status, negative for a signal."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return await self._process.wait()

    async def stop(self, *, hurry: bool = False) -> None:
        """Stop the process: gracefully within `stop_limit`, or in a `hurry`; then by SIGKILL."""
        if self._process is None:
            return
        signals = [(self.hurry_signal, 5.0)] if hurry else [(self.stop_signal, self.stop_limit)]
        for number, limit in [*signals, (signal.SIGKILL, None)]:
            if self._process.returncode is not None:
                return
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), limit)

    def failure(self, what: str) -> SetupError:
        """An error of one line: what happened, the end of the log, and where the log is."""
        return SetupError(f"{self.name} {what}{last_words(self.log_file)} Log: {self.log_file}")

    async def _until_ready(self) -> None:
        assert self._process is not None  # noqa: S101 -- start() has just set it
        deadline = time.monotonic() + self.start_limit
        while True:
            if self._process.returncode is not None:
                raise self.failure(f"ended at its start with status {self._process.returncode}.")
            if await self.is_ready():
                return
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready after {self.start_limit:.0f} s.")
            await asyncio.sleep(_POLL_SECONDS)


async def spawn(
    command: list[str],
    *,
    log_file: Path,
    environment: Mapping[str, str],
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> asyncio.subprocess.Process:
    """Start a program by the launcher, its output appended to `log_file`."""
    truncate_if_large(log_file)
    user = f"{account.uid}:{account.gid}" if account else "-"
    capability = str(account.capability) if account and account.capability is not None else "-"
    launcher = [sys.executable, "-I", "-S", launch.__file__]
    with _opened(log_file) as log:
        return await asyncio.create_subprocess_exec(
            *launcher,
            *(str(os.getpid()), str(death_signal.value), user, capability),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(environment),
            # Another user may be shut out of the present folder.
            cwd="/" if account else None,
            start_new_session=True,
        )


def _opened(log_file: Path) -> IO[bytes]:
    return open(os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def truncate_if_large(log_file: Path) -> None:
    """Keep one older log beside the new one, so that logs stay bounded without a rotating writer."""
    with suppress(FileNotFoundError):
        if log_file.stat().st_size > _MAX_LOG_BYTES:
            log_file.replace(log_file.with_suffix(".old" + log_file.suffix))


def last_words(log_file: Path) -> str:
    """The log's last lines joined to one, each at most 300 characters, to be put into an error."""
    with suppress(OSError), log_file.open("rb") as log:
        log.seek(max(0, log_file.stat().st_size - 8192))
        lines = log.read().decode(errors="replace").splitlines()
        shown = [line.strip()[:300] for line in lines if line.strip()][-_SHOWN_LOG_LINES:]
        return f" It said: {' | '.join(shown)}." if shown else ""
    return ""
