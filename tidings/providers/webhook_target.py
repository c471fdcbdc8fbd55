"""Which addresses a webhook may reach: public ones, and the networks the operator has allowed.

A name is resolved once. If any of its addresses is refused the call is, and the connection goes to
the addresses that were checked, so that a second answer of the name server changes nothing. A socket is
opened for a checked address only, whichever way its host was written.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from tidings.errors import PermanentFailure

Network = IPv4Network | IPv6Network
Lookup = Callable[[str, socket.AddressFamily], Awaitable[list[str]]]
"""Gives every address of a name; raises OSError if there is none."""

SPECIAL_NETWORKS: tuple[Network, ...] = tuple(
    ipaddress.ip_network(network)
    for network in (
        # IANA's special-purpose registries (RFC 6890 and later), multicast and what was never given out.
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16"),
        *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
        # IPv6 that carries an IPv4 address on to a host it does not show: compatible, mapped, translated
        # (RFC 4291, RFC 2765), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056); Teredo is in 2001::/23.
        *("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16"),
        # Azure's host services: a public address that is not a public host.
        "168.63.129.16/32",
    )
)

GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that IANA gives out of IPv6; overlay networks live in the rest."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the address belongs to the public internet. `is_global` alone lets half of these through."""
    if any(address in network for network in SPECIAL_NETWORKS if network.version == address.version):
        return False
    if isinstance(address, IPv6Address) and (address.scope_id or address not in GLOBAL_UNICAST):
        return False
    return address.is_global and not address.is_multicast


class TargetPolicy:
    """Says which addresses may be called. `allowed` networks are, public or not."""

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def permits(self, address: str) -> bool:
        """Whether this address, in text, may be called. What is no address may not."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if any(parsed in network for network in self._allowed if network.version == parsed.version):
            return True
        return is_public(parsed)

    def check(self, addresses: Iterable[str]) -> None:
        """Raises PermanentFailure `target_refused` unless every address may be called."""
        if not all(self.permits(address) for address in addresses):
            raise target_refused()


def target_refused() -> PermanentFailure:
    """The refusal. It does not name the address: callers should not learn our network by asking."""
    return PermanentFailure(
        "target_refused",
        "the URL's host is not on a public network, "
        "and TIDINGS_WEBHOOK_ALLOWED_NETWORKS does not name its network",
    )


class CheckedResolver(AbstractResolver):
    """Resolves a name to addresses that have all passed the policy."""

    def __init__(self, policy: TargetPolicy, lookup: Lookup | None = None) -> None:
        self._policy = policy
        self._lookup = lookup or look_up

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`. Raises PermanentFailure if any is refused, OSError if there is none."""
        addresses = await self._lookup(host, family)
        self._policy.check(addresses)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held open."""


async def look_up(host: str, family: socket.AddressFamily) -> list[str]:
    """Every address of a name, by the system's resolver. Raises OSError if there is none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, family=family, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class CheckedSockets:
    """Opens sockets for permitted addresses only: the last word, for hosts written as addresses too."""

    def __init__(self, policy: TargetPolicy) -> None:
        self._policy = policy

    def __call__(self, address_info: Sequence[Any]) -> socket.socket:
        """A socket for an entry as `getaddrinfo` gives it. Raises PermanentFailure if it is refused."""
        family, kind, protocol, _, address = address_info
        self._policy.check([address[0]])
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        return opened
