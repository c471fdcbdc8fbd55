"""Webhook targets that want us to call somewhere else: none of them ever gets as far as a connection.

Names have the answers that a case gives them. A host in digits is read as the C library reads it: octal,
hexadecimal, too few parts. The step that connects is replaced, and fails the test.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from tests.provider_support import outgoing, provider_settings, serving
from tidings.domain.recipient import checked_recipient
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, SendFailure, TransientFailure
from tidings.providers import webhook
from tidings.providers.webhook import WebhookProvider
from tidings.providers.webhook_target import CheckedSockets, TargetPolicy

PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:4700:4700::1111"

LITERALS = [
    # This machine, in every notation that some reader of addresses takes.
    "127.0.0.1",
    "127.0.0.1.",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7F.0x0.0x0.0x1",
    "0177.0.0.1",
    "017700000001",
    "0177.0.0.01",
    "00000177.0.0.1",
    "127.0x0.0.01",
    "4294967295",
    "0",
    "0.0.0.0",
    "0.0.0.1",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::0.0.0.1]",
    "[::1%25lo]",
    "[::1%lo]",
    # IPv4 inside IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP on a private prefix.
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:10.0.0.1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2002:a00:1::]",
    "[2001:0:7f00:1::]",
    "[2001:0000:4136:e378:8000:63bf:80ff:fffe]",
    "[fe80::5efe:10.0.0.1]",
    # Where clouds tell a machine its credentials.
    "169.254.169.254",
    "169.254.169.254.",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.254.170.2",
    "169.254.169.253",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[fe80::a9fe:a9fe]",
    # Private, shared, reserved and multicast networks.
    "10.0.0.1",
    "10.255.255.255",
    "012.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.257",
    "0xc0a80001",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "[fc00::1]",
    "[fdff::1]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fe80::1%251]",
    "[fec0::1]",
    "[ff02::1]",
    "[ff0e::1]",
    "[100::1]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[200::1]",
    "[4000::1]",
    f"[{PUBLIC_6}%25eth0]",
]

NAMES: list[tuple[str, list[str]]] = [
    ("localhost", ["127.0.0.1"]),
    ("localhost.", ["127.0.0.1"]),
    ("LOCALHOST", ["::1"]),
    ("ip6-localhost", ["::1"]),
    ("localhost.localdomain", ["127.0.0.1"]),
    ("loopback.hostile.example", ["127.0.0.1"]),
    ("127.0.0.1.nip.hostile.example", ["127.0.0.1"]),
    ("zero.hostile.example", ["0.0.0.0"]),
    ("metadata.google.internal", ["169.254.169.254"]),
    ("metadata", ["169.254.169.254"]),
    ("instance-data.ec2.internal", ["169.254.169.254", "fd00:ec2::254"]),
    ("postgres", ["172.18.0.2"]),
    ("mixed-first.hostile.example", ["10.0.0.1", PUBLIC]),
    ("mixed-last.hostile.example", [PUBLIC, "10.0.0.1"]),
    ("mixed-middle.hostile.example", [PUBLIC, "127.0.0.1", "1.1.1.1"]),
    ("mixed-families.hostile.example", [PUBLIC, "::1"]),
    ("mixed-families-6.hostile.example", [PUBLIC_6, "192.168.1.1"]),
    ("mapped.hostile.example", ["::ffff:10.0.0.1"]),
    ("nat64.hostile.example", ["64:ff9b::a00:1"]),
    ("sixtofour.hostile.example", ["2002:a00:1::1"]),
    ("zone.hostile.example", ["fe80::1%2"]),
    ("public-zone.hostile.example", [f"{PUBLIC_6}%2"]),
    ("xn--lcalhost-54a.hostile.example", ["127.0.0.1"]),
    ("no-address.hostile.example", ["not an address"]),
    ("many.hostile.example", [*(f"93.184.215.{number}" for number in range(100)), "10.0.0.1"]),
]

FORMS = [
    # Credentials, and an @ that makes one reader's host another one's user.
    f"http://user@{PUBLIC}/",
    f"http://user:password@{PUBLIC}/",
    "http://@public.example/",
    "http://:@public.example/",
    "http://public.example@127.0.0.1/",
    "http://127.0.0.1@public.example/",
    "http://public.example:80@127.0.0.1/",
    "http://public.example%40127.0.0.1/",
    "http://public.example:80%40127.0.0.1/",
    "http://public.example\\@127.0.0.1/",
    "http://127.0.0.1\\@public.example/",
    "http://public.example\\.hostile.example/",
    "http:\\\\127.0.0.1/",
    # Ports.
    "http://public.example:0/",
    "http://public.example:65536/",
    "http://public.example:-1/",
    "http://public.example:http/",
    "http://public.example:80:80/",
    "http://public.example:22/",
    "http://public.example:25/",
    "https://public.example:465/",
    "http://public.example:587/",
    "http://public.example:6667/",
    # Schemes.
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "ftp://public.example/",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "dict://127.0.0.1:11211/stat",
    "ldap://127.0.0.1/",
    "ws://public.example/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "jar:http://public.example/!/",
    "javascript:alert(1)",
    "data:,hello",
    "//127.0.0.1/",
    "/hooks",
    "127.0.0.1",
    "127.0.0.1:8080/hooks",
    "http:/127.0.0.1/",
    "http:127.0.0.1/",
    "http:///127.0.0.1/",
    "http://",
    "http://:80/",
    # Hosts that are read in more than one way.
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%00.public.example/",
    "http://127%2e0%2e0%2e1/",
    "http://public.example%2f@127.0.0.1/",
    "http://public..example/",
    "http://.public.example/",
    "http://public.example../",
    "http://-public.example/",
    "http://[127.0.0.1]/",
    "http://[::1/",
    "http://::1/",
    "http://[::1]public.example/",
    "http://[::1].public.example/",
    "http://public.example[::1]/",
    "http://[v1.127]/",
    "http://256.256.256.256/",
    "http://1.2.3.4.5/",
    "http://public.example.0x7f/",
    "http://127.0.0.1,public.example/",
    "http://127.0.0.1;public.example/",
    "http://public.example'/",
    "http://{public}.example/",
    "http://" + "a" * 64 + ".example/",
    "http://" + ".".join(["a" * 60] * 5) + "/",
    # Letters that turn into others, and characters that nobody sees.
    "http://①②⑦.⓪.⓪.①/",
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
    "http://127。0。0。1/",
    "http://127.0.0.1。/",
    "http://ⓛocalhost/",
    "http://localho\u017ft/",
    "http://loc\u00adalhost/",
    "http://local\u200bhost/",
    "http://pubIic.example\u2044@127.0.0.1/",
    "http://bücher.example/",
    "http://public.example\u202e/",
    "http://public.example\uff0f@127.0.0.1/",
    # What would break the request apart.
    "http://public.example/\r\nHost: 127.0.0.1",
    "http://public.example\r\n.hostile.example/",
    "http://public.example/ HTTP/1.1",
    "http://public.example/\tx",
    "http://public.example/\x00",
    "\thttp://127.0.0.1/",
    "ht\ntp://127.0.0.1/",
    " http://127.0.0.1/",
    "http://public.example/" + "a" * 2048,
]


class NoConnection:
    """Stands where sockets are made, behind the check; remembers what it was asked for."""

    def __init__(self, policy: TargetPolicy) -> None:
        self.asked: list[str] = []
        self._checked = CheckedSockets(policy)

    def __call__(self, address_info: Sequence[Any]) -> socket.socket:
        self._checked(address_info).close()
        self.asked.append(address_info[4][0])
        raise ConnectionRefusedError


class Names:
    """Name resolution: the answers given, one list after the other; digits as the C library reads them."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _family: int) -> list[str]:
        self.asked.append(host)
        if not self._answers:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
            return [str(sockaddr[0]) for *_, sockaddr in found]
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


async def attempt(url: str, names: Names, allowed: str = "") -> tuple[SendFailure, list[str]]:
    """What became of a call, and which addresses it got through to."""
    settings = provider_settings(webhook_allowed_networks=allowed)
    sockets = NoConnection(TargetPolicy(settings.webhook_allowed_networks))
    provider = WebhookProvider(settings, lookup=names, sockets=sockets)
    try:
        with pytest.raises(SendFailure) as raised:
            await provider.send(outgoing(Channel.WEBHOOK, url))
    finally:
        await provider.aclose()
    return raised.value, sockets.asked


@pytest.fixture(params=["checked", "unchecked"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network rules hold by themselves too, for a URL whose form nobody has looked at."""
    if request.param == "unchecked":
        monkeypatch.setattr(webhook, "checked_recipient", lambda _channel, recipient: recipient)


def test_there_are_enough_hostile_cases() -> None:
    assert len({*LITERALS, *(name for name, _ in NAMES), *FORMS}) >= 200


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", LITERALS)
@pytest.mark.figure("webhook targets: addresses off the public internet, in every notation")
async def test_no_address_off_the_public_internet_is_called(host: str, scheme: str) -> None:
    failure, reached = await attempt(f"{scheme}://{host}:8080/hooks", Names())
    assert reached == []
    # What the C library takes for no address either is, to the network rules alone, a name nobody knows.
    assert type(failure) is PermanentFailure or failure.code == "connect_failed"


@pytest.mark.parametrize("host", LITERALS)
async def test_the_caller_hears_that_it_is_for_good(host: str) -> None:
    failure, _ = await attempt(f"http://{host}/", Names())
    assert type(failure) is PermanentFailure
    assert failure.code in ("target_refused", "target_invalid")


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize(("host", "answers"), NAMES)
@pytest.mark.figure("webhook targets: names that lead off the public internet")
async def test_no_name_leads_off_the_public_internet(host: str, answers: list[str]) -> None:
    failure, reached = await attempt(f"https://{host}/hooks", Names(answers))
    assert reached == []
    assert (type(failure), failure.code) == (PermanentFailure, "target_refused")
    assert not any(answer in failure.message for answer in answers), "nobody learns our network by asking"


@pytest.mark.parametrize("url", FORMS)
@pytest.mark.figure("webhook targets: URLs that can be read in two ways")
async def test_what_can_be_read_in_two_ways_is_neither_submitted_nor_looked_up(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(is not|must not|needs)"):
        checked_recipient(Channel.WEBHOOK, url)
    names = Names([PUBLIC])
    failure, reached = await attempt(url, names)
    assert (type(failure), failure.code) == (PermanentFailure, "target_invalid")
    assert (names.asked, reached) == ([], [])


GOOD = [
    "http://public.example",
    "https://public.example/hooks?a=b#c",
    "https://public.example:8443/",
    "HTTPS://Public.Example./",
    "http://xn--bcher-kva.example/",
    "http://under_score.public.example/",
    "http://8.8.8.8:8080/",
    f"http://[{PUBLIC_6}]:8080/",
]


@pytest.mark.parametrize("url", GOOD)
async def test_ordinary_targets_are_called(url: str) -> None:
    assert checked_recipient(Channel.WEBHOOK, url) == url
    failure, reached = await attempt(url, Names([PUBLIC]))
    assert (type(failure), failure.code) == (TransientFailure, "connect_failed")
    assert reached in ([PUBLIC], ["8.8.8.8"], [PUBLIC_6])


REBINDING = [
    [[PUBLIC], ["127.0.0.1"]],
    [[PUBLIC], ["169.254.169.254"], [PUBLIC]],
    [[PUBLIC], [PUBLIC, "10.0.0.1"]],
    [[PUBLIC], ["::ffff:127.0.0.1"]],
]


@pytest.mark.parametrize("answers", REBINDING)
@pytest.mark.figure("webhook targets: names that change their answer")
async def test_a_name_that_changes_its_answer_is_called_where_it_was_checked(
    answers: list[list[str]],
) -> None:
    names = Names(*answers)
    failure, reached = await attempt("http://rebinding.hostile.example/", names)
    assert (failure.code, reached) == ("connect_failed", [PUBLIC])
    assert names.asked == ["rebinding.hostile.example"]
    failure, reached = await attempt("http://rebinding.hostile.example/", names)
    assert (failure.code, reached) == ("target_refused", [])


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:1/",
        "//127.0.0.1:1/",
        "/elsewhere",
        "file:///etc/passwd",
        "http://public.example/",
    ],
)
@pytest.mark.figure("webhook targets: redirects")
async def test_a_redirect_leads_nowhere(status: int, location: str) -> None:
    calls = 0

    async def redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
        await reader.read()

    async with serving(redirecting) as port:
        settings = provider_settings(webhook_allowed_networks="127.0.0.1/32")
        checked = CheckedSockets(TargetPolicy(settings.webhook_allowed_networks))
        opened = []

        def sockets(address_info: Sequence[Any]) -> socket.socket:
            opened.append(address_info[4][:2])
            return checked(address_info)

        provider = WebhookProvider(settings, sockets=sockets)
        with pytest.raises(PermanentFailure) as raised:
            await provider.send(outgoing(Channel.WEBHOOK, f"http://127.0.0.1:{port}/"))
        await provider.aclose()
    assert raised.value.code == f"http_{status}"
    assert (calls, opened) == (1, [("127.0.0.1", port)])


ALLOWED = [
    ("10.0.0.0/8", "10.1.2.3", "10.1.2.3"),
    ("10.1.2.3/32", "10.1.2.3", "10.1.2.3"),
    ("fd00::/8", "[fd00::1]", "fd00::1"),
    ("127.0.0.0/8,::1/128", "[::1]", "::1"),
    ("169.254.169.254/32", "169.254.169.254", "169.254.169.254"),
]


@pytest.mark.parametrize(("networks", "host", "address"), ALLOWED)
async def test_an_operator_may_allow_networks(networks: str, host: str, address: str) -> None:
    failure, reached = await attempt(f"http://{host}/", Names(), networks)
    assert (type(failure), reached) == (TransientFailure, [address])
    failure, reached = await attempt("http://inside.example/", Names([address]), networks)
    assert (type(failure), reached) == (TransientFailure, [address])


@pytest.mark.parametrize(
    ("networks", "host"),
    [
        ("10.0.0.0/8", "11.0.0.1.hostile"),
        ("10.0.0.0/8", "192.168.0.1"),
        ("10.0.0.0/8", "[::ffff:10.0.0.1]"),
        ("10.0.0.0/8", "[64:ff9b::10.0.0.1]"),
        ("10.1.2.3/32", "10.1.2.4"),
        ("fd00::/8", "[fc00::1]"),
        ("127.0.0.0/8", "[::1]"),
        ("::1/128", "127.0.0.1"),
    ],
)
@pytest.mark.figure("webhook targets: networks beside an allowed one")
async def test_nothing_beside_an_allowed_network_is_called(networks: str, host: str) -> None:
    names = Names(["10.0.0.1", "127.0.0.1"]) if host.endswith("hostile") else Names()
    failure, reached = await attempt(f"http://{host}/", names, networks)
    assert (type(failure), failure.code, reached) == (PermanentFailure, "target_refused", [])
