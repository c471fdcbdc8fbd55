"""Turns a fresh child process into the program it is to be; run by path, standard library only.

    python -I -S launch.py PARENT DEATH_SIGNAL USER CAPABILITY PROGRAM [ARGUMENT...]

PARENT is the pid of the starter: on Linux the kernel sends DEATH_SIGNAL the moment it dies, so that even
after `kill -9` nothing is left behind. USER is `uid:gid` to become, or `-`. CAPABILITY is the number of the
one Linux capability to keep over that change, or `-`. The process keeps its pid; it exits with status 126
if a step fails.

A program of its own, rather than a function between fork and exec: the starter has threads by then.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
LINUX_CAPABILITY_VERSION_3 = 0x20080522

CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_SETPCAP = 8

FAILED = 126


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def _call(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def become(libc: ctypes.CDLL, user: str, capability: int | None) -> None:
    """Give up root for `uid:gid`, keeping one capability also over the coming exec (capabilities(7))."""
    uid, gid = (int(part) for part in user.split(":"))
    if capability is not None:
        # Without it access(2) ignores capabilities for everyone but root, and Postgres asks access(2).
        _call(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if capability is not None:
        header = _Header(LINUX_CAPABILITY_VERSION_3, 0)
        bit = 1 << capability
        _call(
            libc.capset(ctypes.byref(header), ctypes.byref((_Sets * 2)(_Sets(bit, bit, bit), _Sets(0, 0, 0))))
        )
        _call(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0))


def die_with(libc: ctypes.CDLL, parent: int, death_signal: int) -> None:
    """Let the kernel end this process when its parent dies. After every change of user, which undoes it."""
    _call(libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0))
    if os.getppid() != parent:
        raise ProcessLookupError(f"the starter, process {parent}, is gone")


def main(arguments: list[str]) -> int:
    """Take the steps and become the program; returns only if one fails."""
    parent, death_signal, user, capability, *program = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if user != "-":
            become(libc, user, None if capability == "-" else int(capability))
        if sys.platform == "linux":
            die_with(libc, int(parent), int(death_signal))
        os.execv(program[0], program)  # noqa: S606 -- no shell is wanted
    except OSError as error:
        sys.stderr.write(f"{program[0]} cannot be started: {error}\n")
    return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
