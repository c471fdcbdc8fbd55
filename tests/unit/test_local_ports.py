"""Which ports are refused, and how it is said."""

import socket
import threading
from dataclasses import replace

import pytest

from tests.support import free_port
from tidings.errors import SetupError
from tidings.local.ports import Ports, check_ports


def free_ports() -> Ports:
    return Ports(*(free_port() for _ in range(6)))


def listener(host: str, port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen()
    return sock


def test_free_ports_pass() -> None:
    check_ports(free_ports(), "127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_named_with_its_purpose_and_option(host: str) -> None:
    ports = free_ports()
    with listener(host, ports.smtp), pytest.raises(SetupError) as refusal:
        check_ports(ports, "127.0.0.1")
    assert str(refusal.value) == (
        f"Port {ports.smtp} for the sandbox's SMTP server is taken: choose another by --smtp-port "
        "(or TIDINGS_UP_SMTP_PORT)."
    )


def test_a_port_given_twice_is_refused() -> None:
    ports = free_ports()
    with pytest.raises(SetupError, match=r"is given both for the API and for Temporal: .*--temporal-port"):
        check_ports(replace(ports, temporal=ports.api), "127.0.0.1")


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(SetupError, match=r"for the API cannot be used"):
        check_ports(free_ports(), "192.0.2.1")


def test_with_patience_a_port_may_still_become_free() -> None:
    ports = free_ports()
    sock = listener("127.0.0.1", ports.ui)
    closing = threading.Timer(0.2, sock.close)
    closing.start()
    check_ports(ports, "127.0.0.1", patience=30)
    closing.join()
