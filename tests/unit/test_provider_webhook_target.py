"""Which addresses a webhook may reach. No test opens a connection: the socket's maker is replaced."""

import socket
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

import pytest

from tests.provider_support import outgoing, provider_settings
from tidings.domain.vocabulary import Channel
from tidings.errors import SendFailure, TransientFailure
from tidings.providers.webhook import WebhookProvider
from tidings.providers.webhook_target import CheckedSockets, TargetPolicy

REFUSED = [
    "0.0.0.0",
    "10.1.2.3",
    "100.100.100.200",
    "127.0.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "172.31.255.255",
    "192.0.2.1",
    "192.168.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff0e::1",
    "no address",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]


class Dial:
    """Stands where a socket would be made; remembers for which address."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    def __call__(self, address_info: Sequence[Any]) -> socket.socket:
        self.addresses.append(address_info[4][0])
        raise ConnectionRefusedError


async def attempt(url: str, answers: list[str], allowed: str = "") -> tuple[SendFailure, list[str]]:
    dial = Dial()

    async def lookup(_host: str, _family: int) -> list[str]:
        return answers

    settings = provider_settings(webhook_allowed_networks=allowed)
    checked = CheckedSockets(TargetPolicy(settings.webhook_allowed_networks))

    def sockets(address_info: Sequence[Any]) -> socket.socket:
        checked(address_info).close()
        return dial(address_info)

    provider = WebhookProvider(settings, lookup=lookup, sockets=sockets)
    try:
        with pytest.raises(SendFailure) as raised:
            await provider.send(outgoing(Channel.WEBHOOK, url))
    finally:
        await provider.aclose()
    return raised.value, dial.addresses


@pytest.mark.parametrize("address", REFUSED)
def test_addresses_off_the_public_internet_are_refused(address: str) -> None:
    assert not TargetPolicy().permits(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_permitted(address: str) -> None:
    assert TargetPolicy().permits(address)


def test_an_allowed_network_is_permitted_and_nothing_beside_it() -> None:
    policy = TargetPolicy([ip_network("10.1.0.0/16"), ip_network("::1/128")])
    assert policy.permits("10.1.2.3")
    assert policy.permits("::1")
    assert not policy.permits("10.2.0.1")
    assert not policy.permits("::ffff:10.1.2.3")


async def test_the_checked_address_is_the_one_that_is_dialled() -> None:
    failure, dialled = await attempt("http://hooks.example/x", ["93.184.215.14"])
    assert (type(failure), failure.code) == (TransientFailure, "connect_failed")
    assert dialled == ["93.184.215.14"]


async def test_an_allowed_network_is_dialled() -> None:
    failure, dialled = await attempt("http://hooks.internal/x", ["10.0.0.7"], allowed="10.0.0.0/8")
    assert type(failure) is TransientFailure
    assert dialled == ["10.0.0.7"]


async def test_a_name_that_does_not_resolve_is_passing() -> None:
    async def lookup(_host: str, _family: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    provider = WebhookProvider(provider_settings(), lookup=lookup)
    with pytest.raises(TransientFailure) as raised:
        await provider.send(outgoing(Channel.WEBHOOK, "http://hooks.example/"))
    await provider.aclose()
    assert raised.value.code == "connect_failed"
