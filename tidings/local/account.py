"""Which user Postgres runs as: it refuses to be root, and that user may not reach folders such as /root."""

import os
import pwd
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tidings.errors import SetupError
from tidings.local.launch import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SETPCAP

_NAMES = ("postgres", "nobody")
_EXECUTE, _READ = 1, 4
_TO_CHANGE_USER = (0, 6, 7)
"""CAP_CHOWN, CAP_SETGID, CAP_SETUID (linux/capability.h)."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user to become, and the Linux capability it needs to reach its files, if it needs one."""

    uid: int
    gid: int
    capability: int | None = None


def account_for(owned: Path, program: Path) -> Account | None:
    """The account to run `program` with the data folder `owned`; None: the present user.

    As root: the folder's owner, or else `postgres`, or else `nobody`; with the capability to look into
    folders that are closed to others only if the way to the program or the data leads through one.
    Raises SetupError if that user cannot be made to reach them.
    """
    if os.geteuid() != 0:
        return None
    if sys.platform == "linux" and not all(held(number) for number in _TO_CHANGE_USER):
        raise SetupError(
            "Postgres cannot run as root, and this root may not change to another user "
            "(CAP_CHOWN, CAP_SETGID, CAP_SETUID): run as an ordinary user."
        )
    account = _owner(owned) or _service_account()
    needed = _capability_needed(account, owned, program)
    if needed is None:
        return account
    kept = next((number for number in needed if held(number) and held(CAP_SETPCAP)), None)
    if kept is None:
        raise SetupError(
            f"Postgres cannot run as root, and user {account.uid} cannot reach {program} or {owned.parent}: "
            "run as an ordinary user, or put both below folders that everybody may enter (--data)."
        )
    return Account(account.uid, account.gid, kept)


def _owner(folder: Path) -> Account | None:
    if not folder.exists():
        return None
    found = folder.stat()
    return Account(found.st_uid, found.st_gid) if found.st_uid != 0 else None


def _service_account() -> Account:
    for name in _NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise SetupError("Postgres cannot run as root and there is no user `nobody`: run as an ordinary user.")


def _capability_needed(account: Account, owned: Path, program: Path) -> Iterable[int] | None:
    """Capabilities any one of which would do, the weaker first; None if none is needed."""
    if not _may(account, program, _EXECUTE):
        return (CAP_DAC_OVERRIDE,)
    if _may(account, program, _READ) and _enters(account, program) and _enters(account, owned):
        return None
    return (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE)


def _enters(account: Account, path: Path) -> bool:
    return all(_may(account, folder, _EXECUTE) for folder in path.resolve().parents if folder.exists())


def _may(account: Account, path: Path, bit: int) -> bool:
    found = path.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & bit << 6)
    if found.st_gid == account.gid:
        return bool(found.st_mode & bit << 3)
    return bool(found.st_mode & bit)


def held(capability: int) -> bool:
    """Whether this process has the capability to give (proc(5)); never outside Linux."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return False
    found = re.search(r"^CapPrm:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(found and int(found[1], 16) >> capability & 1)
