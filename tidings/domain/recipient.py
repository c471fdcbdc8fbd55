"""What a recipient must look like on each channel: one form, which nobody can read as another recipient."""

import re
from collections.abc import Callable
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import getaddresses
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from tidings.domain.vocabulary import Channel

E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
DEVICE_TOKEN = re.compile(r"[A-Za-z0-9_:./+=-]{8,4096}", re.ASCII)
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


def checked_recipient(channel: Channel, recipient: str) -> str:
    """The recipient in its normal form. Raises ValueError, with a remedy, if the channel cannot reach it."""
    return _CHECKS[channel](recipient)


def _email(recipient: str) -> str:
    try:
        parsed = validate_email(recipient, check_deliverability=False, allow_smtputf8=True, strict=True)
    except EmailNotValidError as error:
        raise ValueError(f"is not an e-mail address such as ada@example.com: {error}") from None
    if not reads_as_itself(parsed.normalized):
        raise ValueError("is not an e-mail address that every mail program reads alike")
    return parsed.normalized


def reads_as_itself(address: str) -> bool:
    """Whether this is one e-mail address, and comes back unchanged from those who take addresses apart."""
    local, _, domain = address.rpartition("@")
    try:
        # Given apart, an address outside ASCII is taken; the two parsers disagree about that alone.
        whole = Address(addr_spec=address) if address.isascii() else Address(username=local, domain=domain)
    except (MessageError, ValueError, IndexError):
        # IndexError: what the library makes of an address that ends too early.
        return False
    return str(whole) == address and getaddresses([address]) == [("", address)]


def _phone_number(recipient: str) -> str:
    if not E164.fullmatch(recipient):
        raise ValueError("is not an E.164 number: write + and the country code, such as +14155550123")
    try:
        number = phonenumbers.parse(recipient)
    except phonenumbers.NumberParseException as error:
        raise ValueError(f"is not an E.164 number: {error}") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("is not a possible number for its country code: check its length")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _device_token(recipient: str) -> str:
    if not DEVICE_TOKEN.fullmatch(recipient):
        raise ValueError("is not a device token: 8 to 4096 of the characters A-Z a-z 0-9 _ : . / + = -")
    return recipient


def _url(recipient: str) -> str:
    if len(recipient) > 2048 or not recipient.isascii() or not recipient.isprintable() or " " in recipient:
        raise ValueError("is not a URL of at most 2048 printable ASCII characters: percent-encode the rest")
    try:
        url = urlsplit(recipient)
        port = url.port
    except ValueError as error:
        raise ValueError(f"is not a URL such as https://example.com/hook: {error}") from None
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        raise ValueError("is not an http or https URL with a host, such as https://example.com/hook")
    if "@" in url.netloc:
        raise ValueError("must not carry a user name or password")
    if port in OTHER_PROTOCOLS:
        raise ValueError(f"must not name port {port}: it belongs to a protocol that is not HTTP")
    if not _is_plain_host(url, url.hostname):
        raise ValueError(
            "needs a host that can be read one way only: a name, an IPv4 address such as 192.0.2.1 or an IPv6"
            " address such as [2001:db8::1]"
        )
    return recipient


def _is_plain_host(url: SplitResult, host: str) -> bool:
    """No percent-encoding, no zone, no address in octal, hexadecimal or as a single number (WHATWG URL)."""
    try:
        if "[" in url.netloc:
            # Some versions of urlsplit overlook what stands beside the brackets.
            return IN_BRACKETS.fullmatch(url.netloc) is not None and IPv6Address(host) is not None
        if LOOKS_LIKE_IPV4.search(host):
            return IPv4Address(host) is not None
    except AddressValueError:
        return False
    return len(host) <= 253 and HOST_NAME.fullmatch(host) is not None


_CHECKS: dict[Channel, Callable[[str], str]] = {
    Channel.EMAIL: _email,
    Channel.SMS: _phone_number,
    Channel.PUSH: _device_token,
    Channel.WEBHOOK: _url,
}
