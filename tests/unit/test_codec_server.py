"""The codec server's settings, its sessions, and how browsers name the Web UI's page."""

import pytest

from api.codec_access import GUESSES, LIFETIME, CodecAccess
from api.codec_server import origin_of
from api.problems import Problem
from tidings.errors import SetupError
from tidings.settings import CodecServerSettings

TOKEN = "t" * 32


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """No `.env` and no settings but the test's."""
    monkeypatch.chdir(str(tmp_path))
    for name in ("TIDINGS_CODEC_TOKEN", "TIDINGS_CODEC_ORIGINS"):
        monkeypatch.delenv(name, raising=False)


def test_without_settings_it_is_off() -> None:
    assert CodecServerSettings.load() == CodecServerSettings(codec_token=None, codec_origins=[])


BAD_TOKENS = ["t" * 31, "t" * 513, "t" * 31 + "é", "t" * 20 + " " + "t" * 20, "td_live_" + "t" * 40]


@pytest.mark.parametrize("token", BAD_TOKENS, ids=["short", "long", "not ASCII", "space", "API key"])
def test_a_token_that_is_none_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("TIDINGS_CODEC_TOKEN", token)
    with pytest.raises(SetupError) as raised:
        CodecServerSettings.load()
    assert "TIDINGS_CODEC_TOKEN" in str(raised.value)
    assert token not in str(raised.value)


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "temporal.example.com",
        "https://temporal.example.com/",
        "HTTPS://A.EXAMPLE",
        "https://*.example.com",
        "https://a:b@c.example",
        "file://x",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv("TIDINGS_CODEC_ORIGINS", f"https://good.example, {origin}")
    with pytest.raises(SetupError, match="TIDINGS_CODEC_ORIGINS"):
        CodecServerSettings.load()


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:8233", "http://127.0.0.1:8233"),
        ("https://Temporal.Example.com/ui/", "https://temporal.example.com"),
        ("https://temporal.example.com:443", "https://temporal.example.com"),
        ("http://temporal.example.com:80/", "http://temporal.example.com"),
        ("http://temporal.example.com:443/", "http://temporal.example.com:443"),
        ("http://[::1]:8233/", "http://[::1]:8233"),
        ("temporal.example.com", None),
        ("file:///etc", None),
        ("https://", None),
        ("http://a:port", None),
        ("http://[::1", None),
        ("", None),
    ],
)
def test_the_web_uis_page_is_named_as_browsers_do(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


class Clock:
    """Time as the test sets it."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_lasts_a_working_day_and_no_longer() -> None:
    clock = Clock()
    access = CodecAccess(TOKEN, clock)
    session, cookie = access.sign_in()
    clock.now += LIFETIME - 1
    assert access.session(cookie) == session
    clock.now += 1
    assert access.session(cookie) is None


def test_every_process_with_the_token_takes_it_and_none_with_another() -> None:
    session, cookie = CodecAccess(TOKEN).sign_in()
    assert CodecAccess(TOKEN).session(cookie) == session
    assert CodecAccess(TOKEN[::-1] + "x").session(cookie) is None
    assert TOKEN not in cookie


def test_no_character_of_a_cookie_can_be_changed() -> None:
    access = CodecAccess(TOKEN)
    _, cookie = access.sign_in()
    for place, character in enumerate(cookie):
        for other in ("0", "f", ".", "é", ""):
            changed = cookie[:place] + other + cookie[place + 1 :]
            assert other == character or access.session(changed) is None, changed


@pytest.mark.parametrize("cookie", ["", ".", "...", "1.²..", "1." + "9" * 150 + "..", "1.-5.a.b", "\0" * 9])
def test_garbage_is_no_session(cookie: str) -> None:
    assert CodecAccess(TOKEN).session(cookie) is None


async def guess(access: CodecAccess, address: str) -> bool:
    """Whether the guess was looked at."""
    try:
        return not await access.check("wrong", address)
    except Problem:
        return False


@pytest.mark.parametrize(
    ("another", "counts_apart"),
    [("192.0.2.2", True), ("2001:db8:0:1::1", True), ("192.0.2.1", False)],
    ids=["another address", "another network", "the same"],
)
async def test_guesses_are_counted_by_address(another: str, counts_apart: bool) -> None:
    access = CodecAccess(TOKEN)
    assert all([await guess(access, "192.0.2.1") for _ in range(GUESSES)])
    assert not await guess(access, "192.0.2.1")
    assert await guess(access, another) is counts_apart


async def test_a_whole_network_of_ipv6_is_one_guesser() -> None:
    access = CodecAccess(TOKEN)
    assert all([await guess(access, f"2001:db8::{place:x}") for place in range(GUESSES)])
    assert not await guess(access, "2001:db8::ffff")
