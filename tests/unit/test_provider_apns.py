"""APNs' requests and reasons, without a server."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.provider_support import outgoing, provider_settings
from tests.push_keys import TOPIC, apns_settings, rsa_key
from tidings.domain.vocabulary import Channel, Priority
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    SetupError,
    TransientFailure,
)
from tidings.providers.apns import ApnsProvider, ApnsSettings, content, failure_in, headers
from tidings.providers.http_call import HttpAnswer

ROWS = [
    (400, "BadCollapseId", PermanentFailure),
    (400, "BadDeviceToken", PermanentFailure),
    (400, "BadExpirationDate", PermanentFailure),
    (400, "BadMessageId", PermanentFailure),
    (400, "BadPriority", PermanentFailure),
    (400, "BadTopic", ProviderMisconfigured),
    (400, "DeviceTokenNotForTopic", PermanentFailure),
    (400, "DuplicateHeaders", PermanentFailure),
    (400, "IdleTimeout", TransientFailure),
    (400, "InvalidPushType", PermanentFailure),
    (400, "MissingDeviceToken", PermanentFailure),
    (400, "MissingTopic", ProviderMisconfigured),
    (400, "PayloadEmpty", PermanentFailure),
    (400, "TopicDisallowed", ProviderMisconfigured),
    (403, "BadCertificate", ProviderMisconfigured),
    (403, "BadCertificateEnvironment", ProviderMisconfigured),
    (403, "BadEnvironmentKeyIdInToken", ProviderMisconfigured),
    (403, "ExpiredProviderToken", ProviderMisconfigured),
    (403, "Forbidden", ProviderMisconfigured),
    (403, "InvalidProviderToken", ProviderMisconfigured),
    (403, "MissingProviderToken", ProviderMisconfigured),
    (403, "UnrelatedKeyIdInToken", ProviderMisconfigured),
    (404, "BadPath", PermanentFailure),
    (405, "MethodNotAllowed", PermanentFailure),
    (410, "ExpiredToken", PermanentFailure),
    (410, "Unregistered", PermanentFailure),
    (413, "PayloadTooLarge", PermanentFailure),
    (429, "TooManyProviderTokenUpdates", TransientFailure),
    (429, "TooManyRequests", TransientFailure),
    (500, "InternalServerError", TransientFailure),
    (503, "ServiceUnavailable", TransientFailure),
    (503, "Shutdown", TransientFailure),
]


def failure(status: int, text: str, **given: str) -> SendFailure:
    found = failure_in(
        HttpAnswer(status, {name.replace("_", "-"): value for name, value in given.items()}, text)
    )
    assert found is not None
    return found


@pytest.mark.parametrize(("status", "reason", "kind"), ROWS)
def test_the_reason_decides(status: int, reason: str, kind: type[SendFailure]) -> None:
    found = failure(status, json.dumps({"reason": reason}))
    assert (type(found), found.code) == (kind, f"apns_{reason}")
    assert found.message == f"HTTP {status}: {reason}"


def test_a_device_that_is_gone_gets_nothing_more() -> None:
    found = {reason: failure(status, json.dumps({"reason": reason})) for status, reason, _ in ROWS}
    suppressing = {reason: getattr(error, "suppresses", None) for reason, error in found.items()}
    gone = {"ExpiredToken": "gone", "Unregistered": "gone"}
    assert {reason: why for reason, why in suppressing.items() if why} == gone


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (503, "", TransientFailure),
        (500, "<html>", TransientFailure),
        (429, "[1]", TransientFailure),
        (403, '{"reason": 7}', ProviderMisconfigured),
        (400, '{"reason": "NeverHeard"}', PermanentFailure),
        (400, "[" * 100_000, PermanentFailure),
    ],
)
def test_without_a_known_reason_the_status_decides(status: int, text: str, kind: type[SendFailure]) -> None:
    found = failure(status, text)
    assert (type(found), found.code) == (kind, f"http_{status}")


def test_retry_after_is_honoured() -> None:
    found = failure(503, '{"reason": "ServiceUnavailable"}', Retry_After="9")
    assert isinstance(found, TransientFailure)
    assert found.retry_after == timedelta(seconds=9)


def test_subject_body_and_metadata_become_the_payload() -> None:
    metadata = {"order": 7, "aps": {"badge": 9}, "collapse_key": "order-7"}
    message = outgoing(Channel.PUSH, "token", subject="Größe", body="📦", metadata=metadata)
    alert = {"title": "Größe", "body": "📦"}
    assert content(message) == {"order": 7, "aps": {"alert": alert, "sound": "default"}}
    assert headers(message, TOPIC) == {
        "content-type": "application/json",
        "apns-id": message.key,
        "apns-topic": TOPIC,
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-collapse-id": "order-7",
    }


def test_without_a_collapse_key_a_message_replaces_only_itself() -> None:
    message = outgoing(Channel.PUSH, "token", subject=None)
    assert headers(message, TOPIC)["apns-collapse-id"] == message.key
    assert content(message)["aps"]["alert"] == {"body": "It works."}


@pytest.mark.parametrize("given", ["x" * 65, "Grüße", "a\r\nb: c", " a"])
def test_a_collapse_key_fits_into_the_header(given: str) -> None:
    message = outgoing(Channel.PUSH, "token", metadata={"collapse_key": given})
    key = headers(message, TOPIC)["apns-collapse-id"]
    assert (len(key), key.isalnum()) == (64, True)


@pytest.mark.parametrize("priority", Priority)
def test_what_may_wait_says_so_and_makes_no_sound(priority: Priority) -> None:
    message = outgoing(Channel.PUSH, "token", priority=priority)
    waits = priority in (Priority.LOW, Priority.BULK)
    assert headers(message, TOPIC)["apns-priority"] == ("5" if waits else "10")
    assert ("sound" in content(message)["aps"]) is not waits


def test_a_message_that_expires_is_not_kept_longer() -> None:
    expires_at = datetime(2030, 1, 1, tzinfo=UTC)
    message = outgoing(Channel.PUSH, "token", expires_at=expires_at)
    assert headers(message, TOPIC)["apns-expiration"] == "1893456000"


async def test_without_a_key_it_is_our_set_up() -> None:
    provider = ApnsProvider(provider_settings(), ApnsSettings(_env_file=None))
    with pytest.raises(ProviderMisconfigured, match="TIDINGS_APNS_KEY is not set"):
        await provider.send(outgoing(Channel.PUSH, "token"))
    await provider.aclose()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"apns_key_id": None}, "TIDINGS_APNS_KEY_ID: needed"),
        ({"apns_team_id": None}, "TIDINGS_APNS_TEAM_ID: needed"),
        ({"apns_topic": None}, "TIDINGS_APNS_TOPIC: needed"),
        ({"apns_key": "/no/such/key.p8"}, "TIDINGS_APNS_KEY: neither a key"),
        ({"apns_key": "-----BEGIN hunter2"}, "TIDINGS_APNS_KEY: not a private key for ES256"),
    ],
)
def test_settings_that_cannot_work_stop_the_start(given: dict[str, Any], says: str) -> None:
    with pytest.raises(SetupError, match=says) as raised:
        ApnsProvider(provider_settings(), apns_settings(**given))
    assert "hunter2" not in str(raised.value)


def test_a_key_of_another_kind_stops_the_start() -> None:
    with pytest.raises(SetupError, match="not a private key for ES256"):
        ApnsProvider(provider_settings(), apns_settings(apns_key=rsa_key()[0]))


def test_the_key_may_be_a_file_or_one_line_with_escaped_line_ends(tmp_path: Any) -> None:
    settings = apns_settings()
    assert settings.apns_key is not None
    key = settings.apns_key.get_secret_value()
    (tmp_path / "key.p8").write_text(key)
    for given in (str(tmp_path / "key.p8"), key.replace("\n", "\\n")):
        ApnsProvider(provider_settings(), apns_settings(apns_key=given))
