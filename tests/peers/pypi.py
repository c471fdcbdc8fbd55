"""Peers from PyPI, apart from our own packages: fetched once, on demand, into the cache that `npm` uses."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.peers.cache import peers_folder

_SECONDS = 100


def pypi_package(*specs: str) -> Path:
    """A folder for PYTHONPATH with these packages (`name==exact-version`). Skips if they cannot be had."""
    cache = peers_folder()
    folder = cache / re.sub(r"[^A-Za-z0-9.=+-]", "_", "+".join(specs))
    if not folder.exists():
        made = Path(mkdtemp(dir=cache))
        try:
            _install(made, specs)
            # Renamed when complete: nobody sees half of it.
            made.rename(folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return folder


def _install(folder: Path, specs: tuple[str, ...]) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        done = subprocess.run(
            [*pip, "--target", str(folder), *specs],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"pip install did not end within {_SECONDS} s")
    if done.returncode:
        pytest.skip(f"pip install failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
