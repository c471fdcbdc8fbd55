"""Packages from the npm registry, installed on demand into a cache outside this repository."""

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.peers.cache import exclusively, peers_folder


async def npm_package(*specs: str) -> Path:
    """The `node_modules` folder with these packages in it, each `name@exact-version`; skips without them."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = peers_folder() / "npm" / re.sub(r"[^\w.@-]", "_", "+".join(sorted(specs)))
    done = folder / "installed"
    async with exclusively(folder):
        if not done.exists():
            command = ("npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund")
            installing = await asyncio.create_subprocess_exec(
                *command,
                *("--prefix", str(folder), *specs),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=os.environ | {"npm_config_update_notifier": "false"},
            )
            output, _ = await installing.communicate()
            if installing.returncode != 0:
                pytest.skip(f"npm cannot install {' '.join(specs)}: {output.decode()[-300:]}")
            done.touch()
    return folder / "node_modules"
