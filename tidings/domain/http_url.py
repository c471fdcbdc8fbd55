"""URLs that may be called: one form, which all who take URLs apart read alike."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*\.?", re.ASCII)
IN_BRACKETS = re.compile(r"\[[0-9A-Fa-f:.]+\](?::\d*)?", re.ASCII)
LOOKS_LIKE_IPV4 = re.compile(r"(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$", re.ASCII)
"""The last label is a number: whoever resolves such a host takes it for an address."""

OTHER_PROTOCOLS = frozenset(
    (
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103),
        *(104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513),
        *(514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719),
        *(1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679),
        *(6697, 10080),
    )
)
"""Ports that browsers do not call either (Fetch, "bad port"): what listens there might obey a POST."""


def checked_url(url: str) -> str:
    """The URL as it is. Raises ValueError, with a remedy, if it may not be called."""
    if len(url) > 2048 or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("is not a URL of at most 2048 printable ASCII characters: percent-encode the rest")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is not a URL such as https://example.com/hook: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("is not an http or https URL with a host, such as https://example.com/hook")
    if "@" in parts.netloc:
        raise ValueError("must not carry a user name or password")
    if port in OTHER_PROTOCOLS:
        raise ValueError(f"must not name port {port}: it belongs to a protocol that is not HTTP")
    if not is_plain_host(parts, parts.hostname):
        raise ValueError(
            "needs a host that can be read one way only: a name, an IPv4 address such as 192.0.2.1 or an IPv6"
            " address such as [2001:db8::1]"
        )
    return url


def is_plain_host(url: SplitResult, host: str) -> bool:
    """Whether the host can be read in one way only: no percent-encoding, no zone, no address in octal, in
    hexadecimal or as a single number (WHATWG URL).
    """
    try:
        if "[" in url.netloc:
            # Some versions of urlsplit overlook what stands beside the brackets.
            return IN_BRACKETS.fullmatch(url.netloc) is not None and IPv6Address(host) is not None
        if LOOKS_LIKE_IPV4.search(host):
            return IPv4Address(host) is not None
    except AddressValueError:
        return False
    return len(host) <= 253 and HOST_NAME.fullmatch(host) is not None
