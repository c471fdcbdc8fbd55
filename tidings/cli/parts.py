"""One process of the system each, for containers."""

import os
import sys


def _become(module: str) -> None:
    """Turn this process into another part of Tidings: its pid is the part's own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module])  # noqa: S606 -- no shell is wanted


def api() -> None:
    """Run the HTTP API."""
    _become("api")


def worker() -> None:
    """Run a worker: it carries out workflows and sends."""
    _become("worker")


def sandbox() -> None:
    """Run the sandbox: a stand-in for every provider, with an inbox page."""
    _become("tidings.sandbox")
