"""What our own processes are told in a local system."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from tidings.domain.webhook_endpoint import MasterKeys
from tidings.errors import SetupError
from tidings.local.codec_keys import LocalCodec
from tidings.local.data_folder import DataFolder
from tidings.local.environment import Addresses, codec_token, program_environment
from tidings.local.ports import Ports
from tidings.settings import CodecServerSettings, ProviderSettings
from tidings.temporal.encryption.keys import Keyring, new_key

PORTS = Ports(api=1, temporal=2, ui=3, postgres=4, sandbox=5, smtp=6)


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `.env` and no settings but the test's."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("TIDINGS_", "TEMPORAL_")):
            monkeypatch.delenv(name)


def environment(tmp_path: Path) -> dict[str, str]:
    addresses = Addresses.of(PORTS, "127.0.0.1")
    folder = DataFolder(tmp_path)
    codec = LocalCodec.of(folder)
    return dict(program_environment(folder, PORTS, addresses, ProviderSettings.load(), codec))


def test_providers_lead_to_the_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    providers = ProviderSettings.load()
    assert (providers.sandbox_stands_in, providers.sandbox_smtp_port, providers.smtp_host) == (True, 6, "")
    assert providers.sandbox_url == "http://127.0.0.1:5"
    assert [str(network) for network in providers.webhook_allowed_networks] == ["127.0.0.0/8", "::1/128"]
    assert providers.webhook_secret is not None
    Webhook(providers.webhook_secret.get_secret_value())


def test_the_webhook_secret_is_made_once(tmp_path: Path) -> None:
    first, second = environment(tmp_path), environment(tmp_path)
    assert first["TIDINGS_WEBHOOK_SECRET"] == second["TIDINGS_WEBHOOK_SECRET"]
    assert environment(tmp_path / "..")["TIDINGS_WEBHOOK_SECRET"] != first["TIDINGS_WEBHOOK_SECRET"]


def test_the_key_of_the_endpoints_secrets_is_made_once(tmp_path: Path) -> None:
    first, second = environment(tmp_path), environment(tmp_path)
    assert first["TIDINGS_WEBHOOK_SIGNING_KEY"] == second["TIDINGS_WEBHOOK_SIGNING_KEY"]
    assert first["TIDINGS_WEBHOOK_SIGNING_KEY"] != first["TIDINGS_WEBHOOK_SECRET"]
    assert MasterKeys(first["TIDINGS_WEBHOOK_SIGNING_KEY"]).newest


def test_the_token_that_reads_payloads_is_made_once_and_is_the_apis_alone(tmp_path: Path) -> None:
    first, second = codec_token(DataFolder(tmp_path)), codec_token(DataFolder(tmp_path))
    assert first == second
    assert (tmp_path / "codec_token").stat().st_mode & 0o777 == 0o600
    assert "TIDINGS_CODEC_TOKEN" not in environment(tmp_path), "worker and sandbox need none"
    assert CodecServerSettings(codec_token=SecretStr(first)).codec_token


def test_a_token_that_the_user_set_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_CODEC_TOKEN", "t" * 32)
    assert codec_token(DataFolder(tmp_path)) == "t" * 32
    assert not (tmp_path / "codec_token").exists()


def test_the_key_that_payloads_are_sealed_with_is_made_once(tmp_path: Path) -> None:
    first, second = environment(tmp_path), environment(tmp_path)
    assert first["TIDINGS_CODEC_KEYS"] == second["TIDINGS_CODEC_KEYS"]
    assert len(Keyring.parse(first["TIDINGS_CODEC_KEYS"]).keys) == 1
    file = tmp_path / "codec_keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # Somebody rotates by hand: a line each.
    file.write_text(f"{new_key('newer', now=datetime.now(UTC))}\n{file.read_text()}")
    assert environment(tmp_path)["TIDINGS_CODEC_KEYS"].endswith(first["TIDINGS_CODEC_KEYS"])


def test_a_kept_key_that_cannot_be_read_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "codec_keys").write_text("rubbish\n")
    with pytest.raises(SetupError, match=r"codec_keys: key 1 is not of the form id:base64") as refusal:
        environment(tmp_path)
    assert "rubbish" not in str(refusal.value)


@pytest.mark.parametrize("way", ["TIDINGS_CODEC", "TIDINGS_CODEC_KEYS", "TIDINGS_CODEC_KEYS_FILE"])
def test_a_codec_that_the_user_set_up_stands(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = str(new_key("mine", now=datetime.now(UTC)))
    (tmp_path / "keys").write_text(f"{key}\n")
    values = {
        "TIDINGS_CODEC": "off",
        "TIDINGS_CODEC_KEYS": key,
        "TIDINGS_CODEC_KEYS_FILE": str(tmp_path / "keys"),
    }
    monkeypatch.setenv(way, values[way])
    codec = LocalCodec.of(DataFolder(tmp_path))
    assert codec.environment() == {}
    assert (codec.mode, codec.keys) == (("off", "") if way == "TIDINGS_CODEC" else ("on", key))
    assert not (tmp_path / "codec_keys").exists()


def test_switched_off_the_kept_key_still_opens_what_it_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = environment(tmp_path)["TIDINGS_CODEC_KEYS"]
    monkeypatch.setenv("TIDINGS_CODEC", "off")
    told = environment(tmp_path)
    assert (told["TIDINGS_CODEC"], told["TIDINGS_CODEC_KEYS"]) == ("off", key)


def test_what_the_user_set_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("TIDINGS_SMTP_HOST=mail.example.com\n")
    monkeypatch.setenv("TIDINGS_WEBHOOK_ALLOWED_NETWORKS", "10.0.0.0/8")
    monkeypatch.setenv("TIDINGS_WORKER_SHUTDOWN_TIMEOUT", "7")
    told = environment(tmp_path)
    assert not any(name.startswith("TIDINGS_SMTP") for name in told)
    assert told["TIDINGS_SANDBOX_STANDS_IN"] == "true"
    assert told["TIDINGS_WEBHOOK_ALLOWED_NETWORKS"] == "10.0.0.0/8"
    assert told["TIDINGS_WORKER_SHUTDOWN_TIMEOUT"] == "7"


def test_the_users_own_temporal_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", "for the cloud")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "cloud.example.com:7233")
    told = environment(tmp_path)
    assert {name: value for name, value in told.items() if name.startswith("TEMPORAL_")} == {
        "TEMPORAL_ADDRESS": "127.0.0.1:2",
        "TEMPORAL_NAMESPACE": "default",
        "TEMPORAL_CONFIG_FILE": os.devnull,
    }


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("::1", "http://[::1]:1"),
        ("192.0.2.7", "http://192.0.2.7:1"),
    ],
)
def test_the_api_is_called_where_it_listens(host: str, url: str) -> None:
    assert Addresses.of(PORTS, host).api == url
