"""Ends processes that a killed run left behind, told by a mark in their command line or title."""

import hashlib
import os
import signal
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_POLL_SECONDS = 0.05
_STEPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


@dataclass(frozen=True, slots=True)
class Mark:
    """What tells our processes: how the program's name begins, and a word in the command line."""

    program: str
    word: str

    def is_on(self, name: str, command_line: str) -> bool:
        """Whether a process of that name and command line is ours."""
        return name.lower().startswith(self.program) and self.word in command_line


def word_for(folder: Path) -> str:
    """A word that tells the processes of one data folder from those of all others."""
    return f"tidings-{hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]}"


def end_leftovers(marks: Collection[Mark], steps: Iterable[tuple[signal.Signals, float]] = _STEPS) -> int:
    """End all processes that carry one of the marks, gently first; how many there were.

    `steps` are the signals, each with how many seconds to wait for its effect. A process that cannot be seen
    or signalled is left alone.
    """
    found = leftovers(marks)
    remaining = found
    for number, limit in steps:
        for process in remaining:
            with suppress(psutil.Error):
                process.send_signal(number)
        # Not psutil's own wait: it would reap a child of ours that somebody else is waiting for.
        deadline = time.monotonic() + limit
        while remaining and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            remaining = [process for process in remaining if _lives(process)]
    return len(found)


def leftovers(marks: Collection[Mark]) -> list[psutil.Process]:
    """The living processes, other than this one, that carry one of the marks."""
    found = []
    for process in psutil.process_iter(["name", "cmdline", "status"]):
        name, command_line = process.info["name"] or "", " ".join(process.info["cmdline"] or ())
        living = process.info["status"] != psutil.STATUS_ZOMBIE and process.pid != os.getpid()
        if living and any(mark.is_on(name, command_line) for mark in marks):
            found.append(process)
    return found


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
