"""The ports of a local system, checked before anything is started."""

import errno
import socket
import time
from dataclasses import dataclass, fields

from tidings.errors import SetupError

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Ports:
    """One TCP port a service."""

    api: int = 8000
    temporal: int = 7233
    ui: int = 8233
    postgres: int = 54320
    sandbox: int = 8025
    smtp: int = 1025


_PURPOSES = {
    "api": "the API",
    "temporal": "Temporal",
    "ui": "the Temporal Web UI",
    "postgres": "PostgreSQL",
    "sandbox": "the sandbox's inbox page",
    "smtp": "the sandbox's SMTP server",
}


def check_ports(ports: Ports, api_host: str, patience: float = 0) -> None:
    """Make sure that all ports differ and nobody listens on one; wait `patience` seconds for them to be free.

    Raises SetupError naming the first bad port, what it is for, and the option that changes it.
    """
    deadline = time.monotonic() + patience
    used: dict[int, str] = {}
    for field in fields(ports):
        name, port = field.name, getattr(ports, field.name)
        if port in used:
            raise SetupError(
                f"Port {port} is given both for {_PURPOSES[used[port]]} and for {_PURPOSES[name]}: "
                f"change one by --{used[port]}-port or --{name}-port."
            )
        used[port] = name
        fault = _fault(api_host if name == "api" else "127.0.0.1", port)
        while fault is not None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            fault = _fault(api_host if name == "api" else "127.0.0.1", port)
        if fault is not None:
            raise SetupError(
                f"Port {port} for {_PURPOSES[name]} {fault}: choose another by --{name}-port "
                f"(or TIDINGS_UP_{name.upper()}_PORT)."
            )


def free_port() -> int:
    """A port of 127.0.0.1 that is free at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _fault(host: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: a port whose last connections are only winding down is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
    return None
