"""The keys that payloads are sealed with: where they come from, and what is said of bad ones."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.encryption import CODEC_KEYS, KEY, OTHER_KEY
from tidings.cli.main import app
from tidings.domain.masking import masked
from tidings.errors import SetupError, UnknownCodecKey
from tidings.settings import CodecSettings
from tidings.temporal.encryption.keys import NO_KEYS, Key, Keyring, keyring, new_key, written

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SECRET = base64.b64encode(b"secret" * 10).decode()


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `.env` and no settings but the test's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIDINGS_CODEC_KEYS", raising=False)


@pytest.mark.parametrize(
    "between", [",", " ", "\n", ", ", "\r\n"], ids=["comma", "space", "line", "both", "crlf"]
)
def test_keys_are_read_in_their_order(between: str) -> None:
    keys = Keyring.parse(f"{KEY}{between}{OTHER_KEY}{between}")
    assert keys.keys == (KEY, OTHER_KEY)
    assert keys.sealing == KEY
    assert keys.find("other") == OTHER_KEY
    assert Keyring.parse(written(keys.keys)) == keys


def test_a_key_shows_its_secret_only_where_it_is_asked_to() -> None:
    assert base64.b64encode(KEY.secret).decode() not in repr(KEY) + repr(Keyring((KEY,)))
    assert repr(KEY.secret) not in repr(KEY)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param(",", "has no key in it", id="nothing"),
        pytest.param(SECRET, "key 1 is not of the form id:base64", id="no id"),
        pytest.param(f":{SECRET}", "key 1 has an id that is not", id="empty id"),
        pytest.param(f"{'a' * 33}:{SECRET}", "key 1 has an id that is not", id="long id"),
        pytest.param(f"ü:{SECRET}", "key 1 has an id that is not", id="strange id"),
        pytest.param(f"{KEY} b:{SECRET[:-1]}!", r"key 2 \(b\) is not base64", id="not base64"),
        pytest.param(f"b:{SECRET[:-1]}", r"key 1 \(b\) is not base64", id="cut base64"),
        pytest.param(f"b:ü{SECRET}", r"key 1 \(b\) is not base64", id="not ascii"),
        pytest.param(f"b:{SECRET}", r"key 1 \(b\) has 60 bytes, not 32", id="long key"),
        pytest.param("b:", r"key 1 \(b\) has 0 bytes, not 32", id="empty key"),
        pytest.param(f"{KEY},{OTHER_KEY},{KEY}", "several keys have the id tests", id="doubled id"),
    ],
)
def test_a_bad_key_is_named_by_its_place_and_not_shown(text: str, complaint: str) -> None:
    with pytest.raises(SetupError, match=f"^TIDINGS_CODEC_KEYS:? ?{complaint}") as refusal:
        Keyring.parse(text)
    said = str(refusal.value)
    assert "\n" not in said
    assert SECRET[:8] not in said
    assert refusal.value.__cause__ is None
    assert CODEC_KEYS.partition(":")[2] not in said


def test_without_keys_nothing_starts_and_the_remedy_is_named() -> None:
    with pytest.raises(
        SetupError, match=r"tidings codec new-key.*TIDINGS_CODEC_KEYS.*TIDINGS_CODEC=off"
    ) as refusal:
        keyring(CodecSettings.load())
    assert "\n" not in str(refusal.value)


def test_switched_off_no_keys_are_needed_and_those_given_still_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_CODEC", "off")
    assert keyring(CodecSettings.load()) == NO_KEYS
    monkeypatch.setenv("TIDINGS_CODEC_KEYS", CODEC_KEYS)
    assert keyring(CodecSettings.load()) == Keyring((KEY,), seals=False)


def test_it_is_switched_by_on_and_off_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_CODEC", "no")
    with pytest.raises(SetupError, match="TIDINGS_CODEC: Input should be 'on' or 'off'"):
        CodecSettings.load()


def test_keys_come_from_a_file_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"\ufeff{KEY}\r\n\r\n{OTHER_KEY}\n")
    monkeypatch.setenv("TIDINGS_CODEC_KEYS_FILE", str(file))
    assert keyring(CodecSettings.load()) == Keyring((KEY, OTHER_KEY))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(None, "keys cannot be read: No such file", id="missing"),
        pytest.param(b"\xff\xfe", "keys is not a file of keys", id="not text"),
        pytest.param(b"a" * 200_000, "keys is not a file of keys", id="large"),
        pytest.param(b"\n", "has no key in it", id="empty"),
        pytest.param(b"k1:AAAA\n", r"key 1 \(k1\) has 3 bytes", id="short"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    content: bytes | None, complaint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("TIDINGS_CODEC_KEYS_FILE", str(file))
    with pytest.raises(SetupError, match=f"^TIDINGS_CODEC_KEYS_FILE.*{complaint}"):
        keyring(CodecSettings.load())


def test_two_places_for_keys_are_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_CODEC_KEYS", CODEC_KEYS)
    monkeypatch.setenv("TIDINGS_CODEC_KEYS_FILE", "keys")
    with pytest.raises(SetupError, match="are both set"):
        keyring(CodecSettings.load())


def test_a_new_key_is_named_for_its_day_and_is_never_the_same() -> None:
    keys = {new_key(now=NOW) for _ in range(10)}
    assert {key.id for key in keys} == {"k261121"}
    assert "'k261121'" in masked(str(UnknownCodecKey("k261121"))), "the log has to name it"
    assert len({key.secret for key in keys}) == 10
    assert all(len(key.secret) == 32 for key in keys)


def test_the_command_prints_a_key_that_is_taken() -> None:
    printed = CliRunner().invoke(app, ["codec", "new-key", "--id", "mine"])
    assert printed.exit_code == 0
    (key,) = Keyring.parse(printed.stdout).keys
    assert isinstance(key, Key)
    assert key.id == "mine"


def test_the_command_refuses_an_id_that_no_key_may_have() -> None:
    printed = CliRunner().invoke(app, ["codec", "new-key", "--id", "a:b"])
    assert isinstance(printed.exception, SetupError)
