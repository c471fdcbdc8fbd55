"""Webhook targets that want us to call somewhere else: none of them ever gets as far as a connection.

Names have the answers that a case gives them. A host in digits is read as the C library reads it: octal,
hexadecimal, too few parts. The step that connects is replaced, and fails the test.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from tests.hostile_targets import FORMS, LITERALS, NAMES, PUBLIC, PUBLIC_6
from tests.provider_support import outgoing, provider_settings, serving
from tidings.domain.recipient import checked_recipient
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, SendFailure, TransientFailure
from tidings.providers import webhook
from tidings.providers.webhook import WebhookProvider
from tidings.providers.webhook_target import CheckedSockets, TargetPolicy


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
