"""FCM's messages and error codes, without a server."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.provider_support import outgoing, provider_settings
from tests.push_keys import PROJECT, fcm_settings, service_account
from tidings.domain.vocabulary import Channel, Priority
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    SetupError,
    TransientFailure,
)
from tidings.providers.fcm import FcmProvider, FcmSettings, content, failure_in
from tidings.providers.http_call import HttpAnswer

TYPES = "type.googleapis.com/google"


def answer(status: int, error: Any, **headers: str) -> HttpAnswer:
    text = error if isinstance(error, str) else json.dumps({"error": error})
    return HttpAnswer(status, {name.replace("_", "-"): value for name, value in headers.items()}, text)


def fcm_error(status: int, canonical: str, code: str) -> dict[str, Any]:
    details = [{"@type": f"{TYPES}.firebase.fcm.v1.FcmError", "errorCode": code}]
    return {"code": status, "message": "Said so.", "status": canonical, "details": details}


def failure(status: int, error: Any, **headers: str) -> SendFailure:
    found = failure_in(answer(status, error, **headers))
    assert found is not None
    return found


FCM_ROWS = [
    ("UNSPECIFIED_ERROR", 500, "INTERNAL", TransientFailure),
    ("INVALID_ARGUMENT", 400, "INVALID_ARGUMENT", PermanentFailure),
    ("UNREGISTERED", 404, "NOT_FOUND", PermanentFailure),
    ("SENDER_ID_MISMATCH", 403, "PERMISSION_DENIED", PermanentFailure),
    ("QUOTA_EXCEEDED", 429, "RESOURCE_EXHAUSTED", TransientFailure),
    ("UNAVAILABLE", 503, "UNAVAILABLE", TransientFailure),
    ("INTERNAL", 500, "INTERNAL", TransientFailure),
    ("THIRD_PARTY_AUTH_ERROR", 401, "UNAUTHENTICATED", ProviderMisconfigured),
]
CANONICAL_ROWS = [
    ("INVALID_ARGUMENT", 400, PermanentFailure),
    ("FAILED_PRECONDITION", 400, ProviderMisconfigured),
    ("OUT_OF_RANGE", 400, PermanentFailure),
    ("UNAUTHENTICATED", 401, ProviderMisconfigured),
    ("PERMISSION_DENIED", 403, ProviderMisconfigured),
    ("NOT_FOUND", 404, PermanentFailure),
    ("ALREADY_EXISTS", 409, PermanentFailure),
    ("ABORTED", 409, TransientFailure),
    ("RESOURCE_EXHAUSTED", 429, TransientFailure),
    ("CANCELLED", 499, TransientFailure),
    ("INTERNAL", 500, TransientFailure),
    ("UNKNOWN", 500, TransientFailure),
    ("DATA_LOSS", 500, TransientFailure),
    ("UNIMPLEMENTED", 501, ProviderMisconfigured),
    ("UNAVAILABLE", 503, TransientFailure),
    ("DEADLINE_EXCEEDED", 504, TransientFailure),
]


@pytest.mark.parametrize(("code", "status", "canonical", "kind"), FCM_ROWS)
def test_fcm_s_own_code_decides(code: str, status: int, canonical: str, kind: type[SendFailure]) -> None:
    found = failure(status, fcm_error(status, canonical, code))
    assert (type(found), found.code, found.message) == (kind, f"fcm_{code}", f"{code}: Said so.")


@pytest.mark.parametrize(("code", "status", "kind"), CANONICAL_ROWS)
def test_else_the_canonical_code_decides(code: str, status: int, kind: type[SendFailure]) -> None:
    found = failure(status, {"code": status, "message": "Said so.", "status": code})
    assert (type(found), found.code) == (kind, f"fcm_{code}")


def test_a_token_that_is_no_longer_registered_gets_nothing_more() -> None:
    found = {
        code: failure(status, fcm_error(status, canonical, code)) for code, status, canonical, _ in FCM_ROWS
    }
    suppressing = {code: getattr(error, "suppresses", None) for code, error in found.items()}
    assert {code: why for code, why in suppressing.items() if why} == {"UNREGISTERED": "gone"}


@pytest.mark.parametrize(
    ("status", "text", "kind", "code"),
    [
        (401, "", ProviderMisconfigured, "fcm_UNAUTHENTICATED"),
        (403, "<html>", ProviderMisconfigured, "http_403"),
        (404, "<html>", ProviderMisconfigured, "http_404"),
        (413, "", PermanentFailure, "http_413"),
        (302, "", PermanentFailure, "http_302"),
        (429, "slow down", TransientFailure, "http_429"),
        (500, "[" * 100_000, TransientFailure, "http_500"),
        (502, "<html>Error 502</html>", TransientFailure, "http_502"),
        (503, '{"error": "gone"}', TransientFailure, "http_503"),
        (400, '{"error": {"status": "NEVER_HEARD", "details": [7, null]}}', PermanentFailure, "http_400"),
        (400, '{"error": {"details": {"errorCode": "INTERNAL"}}}', PermanentFailure, "http_400"),
    ],
)
def test_without_a_known_code_the_status_decides(
    status: int, text: str, kind: type[SendFailure], code: str
) -> None:
    found = failure(status, text)
    assert (type(found), found.code) == (kind, code)


@pytest.mark.parametrize(
    ("code", "headers", "seconds"),
    [
        ("QUOTA_EXCEEDED", {"Retry_After": "7"}, 7),
        ("QUOTA_EXCEEDED", {}, 60),
        ("UNAVAILABLE", {"Retry_After": "120"}, 120),
        ("UNAVAILABLE", {}, None),
    ],
)
def test_retry_after_is_honoured_and_a_quota_waits_a_minute_without_one(
    code: str, headers: dict[str, str], seconds: int | None
) -> None:
    found = failure(429, fcm_error(429, "RESOURCE_EXHAUSTED", code), **headers)
    assert isinstance(found, TransientFailure)
    assert found.retry_after == (None if seconds is None else timedelta(seconds=seconds))


def test_the_field_at_fault_is_named() -> None:
    error = fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
    violation = {"field": "message.token", "description": "Invalid registration token"}
    error["details"].append({"@type": f"{TYPES}.rpc.BadRequest", "fieldViolations": [violation]})
    assert failure(400, error).message.endswith("Said so.; message.token: Invalid registration token")


def test_subject_body_and_metadata_become_title_body_and_data() -> None:
    metadata = {"order": 7, "new": True, "name": "Grüße", "nested": {"a": [1]}, "none": None}
    message = outgoing(Channel.PUSH, "token", subject="Größe", body="📦", metadata=metadata)
    written = content(message)
    assert written["token"] == "token"
    assert written["notification"] == {"title": "Größe", "body": "📦"}
    assert written["data"] == {
        "order": "7",
        "new": "true",
        "name": "Grüße",
        "nested": '{"a":[1]}',
        "none": "null",
        "tidings_id": message.key,
    }


def test_without_a_collapse_key_a_message_replaces_only_itself() -> None:
    message = outgoing(Channel.PUSH, "token", subject=None)
    written = content(message)
    assert written["notification"] == {"body": "It works."}
    assert written["android"]["notification"] == {"tag": message.key}
    assert "collapseKey" not in written["android"]
    assert written["apns"]["headers"]["apns-collapse-id"] == message.key


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("order-7", "order-7"),
        (7, "7"),
        ("x" * 64, "x" * 64),
        ("x" * 65, None),
        ("Grüße", None),
        ("a\r\nb", None),
    ],
)
def test_a_collapse_key_goes_to_every_platform_in_a_form_it_takes(given: object, key: str | None) -> None:
    message = outgoing(Channel.PUSH, "token", metadata={"collapse_key": given, "a": "b"})
    written = content(message)
    found = written["android"]["collapseKey"]
    assert (
        found == written["android"]["notification"]["tag"] == written["apns"]["headers"]["apns-collapse-id"]
    )
    if key is None:
        assert (len(found), found.isalnum()) == (64, True)
    else:
        assert found == key
    assert set(written["data"]) == {"a", "tidings_id"}


@pytest.mark.parametrize("given", ["", None, True, ["a"], {"a": "b"}])
def test_what_is_no_collapse_key_is_none(given: object) -> None:
    message = outgoing(Channel.PUSH, "token", metadata={"collapse_key": given})
    assert "collapseKey" not in content(message)["android"]


@pytest.mark.parametrize("priority", Priority)
def test_what_may_wait_says_so(priority: Priority) -> None:
    written = content(outgoing(Channel.PUSH, "token", priority=priority))
    waits = priority in (Priority.LOW, Priority.BULK)
    assert written["android"]["priority"] == ("NORMAL" if waits else "HIGH")
    assert written["apns"]["headers"]["apns-priority"] == ("5" if waits else "10")
    assert written["webpush"]["headers"]["Urgency"] == ("low" if waits else "high")
    assert ("payload" in written["apns"]) is not waits


@pytest.mark.parametrize(
    ("left", "least", "most"), [(100, 90, 100), (-5, 0, 0), (10**8, 2_419_200, 2_419_200)]
)
def test_a_message_that_expires_is_not_kept_longer(left: int, least: int, most: int) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=left)
    written = content(outgoing(Channel.PUSH, "token", expires_at=expires_at))
    seconds = int(written["android"]["ttl"].removesuffix("s"))
    assert least <= seconds <= most
    assert written["webpush"]["headers"]["TTL"] == str(seconds)
    assert written["apns"]["headers"]["apns-expiration"] == str(int(expires_at.timestamp()))


async def test_without_a_service_account_it_is_our_set_up() -> None:
    provider = FcmProvider(provider_settings(), FcmSettings(_env_file=None))
    with pytest.raises(ProviderMisconfigured, match="TIDINGS_FCM_SERVICE_ACCOUNT is not set"):
        await provider.send(outgoing(Channel.PUSH, "token"))
    await provider.aclose()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("/no/such/file.json", "neither a key nor the path"),
        ("{}", "type: Field required; project_id: Field required"),
        ('{"type": "authorized_user"}', "type: Input should be 'service_account'"),
        ("{not json", "Invalid JSON"),
        ("\0", "neither a key nor the path"),
    ],
)
def test_a_bad_service_account_stops_the_start(given: str, says: str) -> None:
    with pytest.raises(SetupError, match=r"^TIDINGS_FCM_SERVICE_ACCOUNT: ") as raised:
        FcmProvider(provider_settings(), fcm_settings("http://127.0.0.1:1", fcm_service_account=given))
    assert says in str(raised.value)


def test_a_key_that_cannot_sign_stops_the_start_and_is_not_shown() -> None:
    account = service_account(
        "http://127.0.0.1:1/token", private_key="-----BEGIN PRIVATE KEY-----\nhunter2\n"
    )
    with pytest.raises(SetupError, match="not a private key for RS256") as raised:
        FcmProvider(provider_settings(), fcm_settings("http://127.0.0.1:1", fcm_service_account=account))
    assert "hunter2" not in str(raised.value)


def test_the_service_account_may_be_a_file(tmp_path: Any) -> None:
    file = tmp_path / "account.json"
    file.write_text(service_account("http://127.0.0.1:1/token"))
    FcmProvider(provider_settings(), fcm_settings("http://127.0.0.1:1", fcm_service_account=str(file)))
    assert PROJECT in file.read_text()
