"""The folder that holds all that a local system keeps, and the lock that lets one system use it at a time."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tidings.errors import SetupError


class DataFolder:
    """Paths, secrets and the state file of one local system. What holds a secret has mode 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.logs = self.path / "logs"
        self.postgres = self.path / "postgres"
        self.temporal = self.path / "temporal" / "temporal.db"
        self.state_file = self.path / "up.json"

    def log(self, part: str) -> Path:
        """A part's log file."""
        return self.logs / f"{part}.log"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and hold it for this process; the kernel lets go of it however the process ends.

        Raises SetupError if another process holds it or it cannot be written.
        """
        try:
            # Others may pass through, as the user that Postgres runs as must, but not look around.
            self.path.mkdir(parents=True, exist_ok=True, mode=0o711)
            self.logs.mkdir(exist_ok=True, mode=0o700)
            descriptor = os.open(self.path / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise SetupError(
                f"{self.path} cannot be used for data: {error.strerror}. Choose another folder by --data."
            ) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(descriptor, 20).decode(errors="replace").strip()
                raise SetupError(
                    f"tidings up is running on {self.path} already (process {holder or 'unknown'}): "
                    "stop it, or choose another folder by --data."
                ) from None
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            yield
        finally:
            os.close(descriptor)

    def secret(self, name: str) -> str | None:
        """A secret that was kept; None if there is none."""
        try:
            return (self.path / name).read_text().strip() or None
        except FileNotFoundError:
            return None

    def keep_secret(self, name: str, value: str) -> None:
        """Keep a secret, all or nothing."""
        self._write(self.path / name, value + "\n")

    def write_state(self, state: dict[str, Any]) -> None:
        """Tell other processes about the running system, all or nothing."""
        self._write(self.state_file, json.dumps(state, indent=2) + "\n")

    def clear_state(self) -> bool:
        """Remove the state file; whether there was one."""
        try:
            self.state_file.unlink()
        except FileNotFoundError:
            return False
        return True

    def _write(self, path: Path, text: str) -> None:
        # mkstemp's files have mode 0600 from the start.
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=self.path)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
