"""Commands that go on until they are told to end: on pipes, or on a terminal of a certain size."""

import asyncio
import fcntl
import os
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

_STEERING = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|.)")


class Running:
    """A command under way, and all that it has printed."""

    def __init__(self, process: asyncio.subprocess.Process, screen: asyncio.StreamReader | None) -> None:
        assert process.stderr is not None
        self.process = process
        self.out = bytearray()
        self.err = bytearray()
        stdout = screen or process.stdout
        assert stdout is not None
        self.reading = [
            asyncio.create_task(self._read(stdout, self.out)),
            asyncio.create_task(self._read(process.stderr, self.err)),
        ]

    @property
    def lines(self) -> list[str]:
        """What it printed on standard output."""
        return self.out.decode().splitlines()

    @property
    def text(self) -> str:
        """The same without what steers the terminal, since the screen was last cleared or drawn anew."""
        latest = self.out.decode(errors="replace").rpartition("\x1b[H")[2]
        return _STEERING.sub("", latest)

    async def ended(self) -> int:
        """Its exit status."""
        status = await self.process.wait()
        # A terminal that is closed at its other end is an error to whoever reads it.
        await asyncio.gather(*self.reading, return_exceptions=True)
        return status

    async def interrupted(self) -> int:
        """Its exit status after Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return await self.ended()

    @staticmethod
    async def _read(stream: asyncio.StreamReader, into: bytearray) -> None:
        while chunk := await stream.read(65_536):
            into += chunk


@asynccontextmanager
async def running(
    *arguments: str, environment: Mapping[str, str], size: tuple[int, int] | None = None
) -> AsyncIterator[Running]:
    """Run a command for the block. `size`: columns and lines of the terminal it writes to; None: a pipe."""
    ours = ("TIDINGS_", "TEMPORAL_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    inside = outside = None
    if size is not None:
        outside, inside = os.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidings", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE if inside is None else inside,
        stderr=asyncio.subprocess.PIPE,
        env={**inherited, "TERM": "xterm-256color", "TIDINGS_UP_DATA": os.devnull, **environment},
    )
    screen = None
    transport = None
    if inside is not None and outside is not None:
        os.close(inside)
        screen = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(screen), os.fdopen(outside, "rb", buffering=0)
        )
    command = Running(process, screen)
    try:
        yield command
    finally:
        if process.returncode is None:
            process.kill()
        await command.ended()
        if transport is not None:
            transport.close()
