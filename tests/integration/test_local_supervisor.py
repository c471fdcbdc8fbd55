"""Starting, restarting and stopping parts, shown with small real processes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from tests.support import eventually
from tidings.errors import SetupError
from tidings.local.leftovers import Mark, end_leftovers, leftovers
from tidings.local.part import Part
from tidings.local.supervisor import Supervisor

WELL_BEHAVED = """
import os, signal, sys
journal, name = sys.argv[1:]

def note(word):
    with open(journal, "a") as file:
        file.write(f"{name} {word}\\n")

def end(number, frame):
    note("ended")
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
# A shell that runs the tests in the background has it ignored, and so do their children.
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGINT, lambda *_: note("interrupted"))
note(f"serves {os.getpid()}")
while True:
    signal.pause()
"""
DEAF = WELL_BEHAVED.replace("sys.exit(0)", "pass")
BROKEN = "import sys; sys.exit('the fuel is out')"

STARTER = """
import asyncio, sys
from pathlib import Path
from tests.integration.test_local_supervisor import WELL_BEHAVED, Small

async def run():
    part = Small("small", Path(sys.argv[1]), WELL_BEHAVED)
    await part.start()
    print(part.pid, flush=True)
    await part.exited()

asyncio.run(run())
"""


class Small(Part):
    """A part that is ready when it has said so in the journal that all share."""

    def __init__(self, name: str, folder: Path, program: str) -> None:
        super().__init__(name, folder / f"{name}.log")
        self.journal = folder / "journal"
        self.program = program

    async def command(self) -> list[str]:
        return [sys.executable, "-c", self.program, str(self.journal), self.name]

    async def is_ready(self) -> bool:
        return self.journal.exists() and f"{self.name} serves {self.pid}\n" in self.journal.read_text()


MakePart = Callable[[str, str], Small]


@pytest.fixture
async def make_part(tmp_path: Path) -> AsyncIterator[MakePart]:
    made: list[Small] = []

    def make(name: str, program: str) -> Small:
        made.append(Small(name, tmp_path, program))
        return made[-1]

    yield make
    for part in made:
        await part.stop(hurry=True)


async def test_a_part_that_dies_is_started_again_and_it_is_said(make_part: MakePart) -> None:
    said: list[str] = []
    restarts: list[int | None] = []
    part = make_part("small", WELL_BEHAVED)
    supervisor = Supervisor(said.append, order=["small"], restarted=lambda: restarts.append(part.pid))
    await supervisor.start(part)
    first = part.pid
    assert first is not None

    os.kill(first, signal.SIGKILL)
    await eventually(lambda: restarts)

    assert part.pid not in (None, first)
    assert restarts == [part.pid]
    assert said == [
        f"small was killed by signal 9; starting it again in 0.5 s. Log: {part.log_file}",
        "small is ready again.",
    ]
    await supervisor.stop(asyncio.Event())
    assert part.pid is None


async def test_a_part_that_does_not_come_back_is_tried_with_growing_pauses(make_part: MakePart) -> None:
    said: list[str] = []
    part = make_part("small", WELL_BEHAVED)
    supervisor = Supervisor(said.append, order=["small"])
    await supervisor.start(part)
    part.program = BROKEN
    assert part.pid is not None
    os.kill(part.pid, signal.SIGTERM)

    await eventually(lambda: len(said) == 3)
    assert "ended with status 0; starting it again in 0.5 s" in said[0]
    assert "the fuel is out" in said[1]
    assert "in 1 s" in said[1]
    assert "in 2 s" in said[2]

    part.program = WELL_BEHAVED
    await eventually(lambda: "small is ready again." in said)
    await supervisor.stop(asyncio.Event())


async def test_parts_stop_in_reverse_order(make_part: MakePart) -> None:
    supervisor = Supervisor(lambda line: None, order=["base", "middle", "top"])
    middle, top, base = (make_part(name, WELL_BEHAVED) for name in ("middle", "top", "base"))
    for part in (middle, top, base):
        await supervisor.start(part)
    assert supervisor.parts == [base, middle, top]
    await supervisor.stop(asyncio.Event())
    assert base.journal.read_text().splitlines()[3:] == ["top ended", "middle ended", "base ended"]
    assert supervisor.parts == []


async def test_hurry_ends_a_part_that_does_not_listen(make_part: MakePart) -> None:
    part = make_part("deaf", DEAF)
    part.stop_limit = 3600
    supervisor = Supervisor(lambda line: None, order=["deaf"])
    await supervisor.start(part)
    hurry = asyncio.Event()
    stopping = asyncio.create_task(supervisor.stop(hurry))
    await eventually(lambda: "deaf ended" in part.journal.read_text())
    assert not stopping.done()
    hurry.set()
    await stopping
    assert await part.exited() == -signal.SIGKILL


async def test_a_part_that_does_not_listen_is_killed_after_its_limit(make_part: MakePart) -> None:
    part = make_part("deaf", DEAF)
    part.stop_limit = 0.1
    await part.start()
    await part.stop()
    assert await part.exited() == -signal.SIGKILL


async def test_a_start_that_fails_says_why_in_one_line(make_part: MakePart) -> None:
    part = make_part("small", BROKEN)
    with pytest.raises(SetupError) as failure:
        await part.start()
    assert str(failure.value) == (
        f"small ended at its start with status 1. It said: the fuel is out. Log: {part.log_file}"
    )


async def test_a_part_that_is_never_ready_is_stopped(make_part: MakePart) -> None:
    part = make_part("small", "import signal; signal.pause()")
    part.start_limit = 0.2
    with pytest.raises(SetupError, match=r"small was not ready after"):
        await part.start()
    assert part.pid is None


async def test_a_cancelled_start_leaves_nothing(make_part: MakePart) -> None:
    part = make_part("small", "import signal; signal.pause()")
    starting = asyncio.create_task(part.start())
    pid = await eventually(lambda: part.pid)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert pid is not None
    assert not psutil.pid_exists(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
async def test_parts_die_with_a_killed_starter(tmp_path: Path) -> None:
    starter = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTER, str(tmp_path)), stdout=asyncio.subprocess.PIPE
    )
    assert starter.stdout is not None
    pid = int(await starter.stdout.readline())
    assert psutil.pid_exists(pid)
    starter.kill()
    await starter.wait()
    await eventually(lambda: not psutil.pid_exists(pid))


async def test_leftovers_are_told_by_program_and_word(make_part: MakePart, tmp_path: Path) -> None:
    part = make_part("deaf", DEAF)
    await part.start()
    word = str(part.journal)
    assert leftovers([Mark("postgres", word), Mark("python", word + "x")]) == []
    assert [process.pid for process in leftovers([Mark("python", word)])] == [part.pid]
    # It takes SIGINT as a joke, so that SIGQUIT must end it.
    limits = ((signal.SIGINT, 0.2), (signal.SIGQUIT, 10.0))
    assert await asyncio.to_thread(end_leftovers, [Mark("python", word)], limits) == 1
    assert await part.exited() == -signal.SIGQUIT
    assert "deaf interrupted" in part.journal.read_text()
