"""An operator's terminal: commands as they are typed, what they print, and when."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

WIDTH = 150
_CHUNK = 4_096


class Terminal:
    """Runs `tidings` in a folder, and writes down all of it."""

    def __init__(self, folder: Path) -> None:
        ours = ("TIDINGS_", "TEMPORAL_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        root = str(Path(__file__).parents[2])
        self._folder = folder
        self.environment = {**inherited, "PYTHONPATH": root, "COLUMNS": str(WIDTH)}
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        """Something that happens beside the terminal."""
        self.lines += [f"[{datetime.now(UTC):%H:%M:%S}] {text}", ""]

    def show(self, command: str, text: str) -> None:
        """What another terminal has shown; the text has its time."""
        self.lines += [f"$ {command}", *_tidied(text), ""]

    async def run(self, *arguments: str, answer: tuple[str, str] | None = None) -> str:
        """One command, to its end; what it printed. `answer`: to a question, and what is typed then."""
        typed = " ".join(f"'{word}'" if " " in word else word for word in ("tidings", *arguments))
        self.lines.append(f"[{datetime.now(UTC):%H:%M:%S}] $ {typed}")
        # Who is asked has to sit at a terminal; what is printed is kept as lines, without a progress bar.
        outside, inside = os.openpty()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tidings", *arguments),
                stdin=inside,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self._folder,
                env=self.environment,
            )
            assert process.stdout is not None
            printed = ""
            while chunk := await process.stdout.read(_CHUNK):
                printed += chunk.decode()
                if answer is not None and printed.endswith(answer[0]):
                    os.write(outside, f"{answer[1]}\n".encode())
                    printed += f"{answer[1]}\n"
                    answer = None
            status = await process.wait()
        finally:
            os.close(inside)
            os.close(outside)
        self.lines += _tidied(printed)
        if status:
            self.lines.append(f"(exit status {status})")
        self.lines.append("")
        return printed


def _tidied(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]
