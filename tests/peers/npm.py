"""Peers from the npm registry: fetched once, on demand, into a cache outside the repository."""

import asyncio
import fcntl
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_SECONDS = 100
_failed: dict[tuple[str, ...], str] = {}
"""What could not be had is not asked for again in this test run."""


async def npm_package(*specs: str) -> Path:
    """A folder with these packages (`name@exact-version`) in `node_modules`. Skips if they cannot be had."""
    folder = _cache() / _folder_name(*specs)
    with _locked(folder):
        if not (folder / "complete").exists():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "package.json").write_text("{}")
            await _npm(
                *("install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"),
                *("--prefix", str(folder), *specs),
            )
            (folder / "complete").touch()
    return folder


async def npm_file(spec: str, member: str) -> Path:
    """One file of a package too large to install. Skips if it cannot be had."""
    kept = _cache() / _folder_name(spec) / Path(member).name
    with _locked(kept.parent):
        if not kept.exists():
            with TemporaryDirectory() as scratch:
                await _npm("pack", "--ignore-scripts", spec, folder=Path(scratch))
                _extract(Path(scratch), member, kept)
    return kept


def _extract(scratch: Path, member: str, kept: Path) -> None:
    [archive] = scratch.glob("*.tgz")
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(".partial")
    with tarfile.open(archive) as opened:
        source = opened.extractfile(member)
        assert source is not None
        partial.write_bytes(source.read())
    partial.rename(kept)


def _cache() -> Path:
    given = os.environ.get("TIDINGS_PEERS")
    return Path(given) if given else Path.home() / ".cache" / "tidings-peers"


def _folder_name(*specs: str) -> str:
    return re.sub(r"[^A-Za-z0-9.@+-]", "_", "+".join(specs))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One test run at a time fills a folder of the cache."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


async def _npm(*arguments: str, folder: Path | None = None) -> None:
    if arguments in _failed:
        pytest.skip(_failed[arguments])
    reason = await _reason_to_skip(arguments, folder)
    if reason is not None:
        _failed[arguments] = reason
        pytest.skip(reason)


async def _reason_to_skip(arguments: tuple[str, ...], folder: Path | None) -> str | None:
    """Run npm; why it failed, or None if it did not."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "this peer needs node and npm"
    running = await asyncio.create_subprocess_exec(
        npm,
        *arguments,
        *("--fetch-retries=1", "--fetch-retry-mintimeout=1000"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            _, errors = await running.communicate()
    except TimeoutError:
        running.kill()
        await running.wait()
        return f"npm {arguments[0]} did not end within {_SECONDS} s"
    if running.returncode:
        lines = [line for line in errors.decode(errors="replace").splitlines() if "error" in line] or ["?"]
        return f"npm {arguments[0]} failed: {lines[0]}"
    return None
