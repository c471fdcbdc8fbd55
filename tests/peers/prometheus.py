"""Prometheus' own `promtool`, from Debian's package, unpacked into the folder of peers and not installed."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.peers.cache import exclusively, peers_folder

ROOT = Path(__file__).parents[2]


async def promtool(*arguments: str, stdin: str = "") -> str:
    """What it says. It must be content; the test is skipped where it cannot be had."""
    status, output = await _run(
        str(await _program()), *arguments, folder=ROOT / "deploy" / "prometheus", stdin=stdin
    )
    assert status == 0, output
    return output


async def _program() -> Path:
    installed = shutil.which("promtool")
    if installed is not None:
        return Path(installed)
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip("promtool is not installed, and this is no Debian to get it from")
    folder = peers_folder() / "prometheus"
    program = folder / "usr" / "bin" / "promtool"
    async with exclusively(folder):
        if not program.exists():
            await _fetched("apt-get", "-qq", "download", "prometheus", folder=folder)
            [package] = folder.glob("prometheus_*.deb")
            await _fetched("dpkg", "-x", str(package), str(folder), folder=folder)
    return program


async def _fetched(*command: str, folder: Path) -> None:
    status, output = await _run(*command, folder=folder)
    if status != 0:
        pytest.skip(f"{' '.join(command)}: {output[-300:]}")


async def _run(*command: str, folder: Path, stdin: str = "") -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return process.returncode, output.decode("utf-8", "replace")
