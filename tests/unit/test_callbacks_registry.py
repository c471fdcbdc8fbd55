"""The readers as a process builds them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.callbacks import (
    callback_settings,
    sendgrid_callback,
    sendgrid_event,
    twilio_callback,
)
from tests.provider_support import provider_settings
from tidings.domain.identifiers import new_id
from tidings.errors import ForgedCallback, SetupError
from tidings.providers.callbacks.protocol import CallbackRequest
from tidings.providers.callbacks.registry import build_readers


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name in callback_settings():
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nothing_set")
async def test_every_reader_by_the_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in callback_settings().items():
        monkeypatch.setenv(name, value)
    readers = build_readers(provider_settings())
    assert {name: reader.name for name, reader in readers.items()} == {
        name: name for name in ("twilio", "sendgrid", "ses")
    }
    identifier = new_id()
    for name, request in (
        ("twilio", twilio_callback(identifier)),
        ("sendgrid", sendgrid_callback(sendgrid_event(identifier))),
    ):
        [receipt] = await readers[name].read(request, datetime.now(UTC))
        assert (receipt.provider, receipt.notification_id) == (name, identifier)
    for reader in readers.values():
        await reader.aclose()


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("twilio", "TIDINGS_TWILIO_AUTH_TOKEN"),
        ("sendgrid", "TIDINGS_SENDGRID_WEBHOOK_KEY"),
        ("ses", "TIDINGS_SES_TOPICS"),
    ],
)
async def test_a_reader_that_is_not_set_up_names_the_setting(name: str, setting: str) -> None:
    with pytest.raises(ForgedCallback, match=setting):
        await build_readers(provider_settings())[name].read(CallbackRequest("", {}, b""), datetime.now(UTC))


@pytest.mark.usefixtures("nothing_set")
def test_a_key_that_cannot_work_is_named_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_SENDGRID_WEBHOOK_KEY", "x")
    with pytest.raises(SetupError, match="TIDINGS_SENDGRID_WEBHOOK_KEY"):
        build_readers(provider_settings())
