"""What no line may say, and what every line must still say, in both forms."""

import json
import logging
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pydantic
import pytest
import structlog
from temporalio.api.common.v1 import Payload
from temporalio.converter import WorkflowSerializationContext
from temporalio.exceptions import ApplicationError

from tests.encryption import KEY, OTHER_KEY
from tests.unit.test_api_logging import put_back
from tidings.errors import UnreadablePayload
from tidings.logging import configure
from tidings.logging.exceptions import without_values
from tidings.settings import LogFormat, LogSettings
from tidings.temporal.encryption.codec import EncryptionCodec
from tidings.temporal.encryption.keys import Keyring

__all__ = ["put_back"]

CANARY = "canary7731"
FORMS = [LogFormat.JSON, LogFormat.CONSOLE]


def written(capsys: pytest.CaptureFixture[str], form: LogFormat, say: Callable[[], None]) -> str:
    configure(LogSettings(log_format=form, log_level="DEBUG"))
    say()
    return capsys.readouterr().err


ADDRESSES = {
    "email": f"no mailbox {CANARY}@example.com",
    "phone": "the number +14155550137 is not in service",
    "key": "td_live_canary7731Ab3dE5fG7hJ9kL1mN3pQ5rS7t",
    "bearer": "Authorization: Bearer canary7731.aB3",
    "webhook secret": f"whsec_{CANARY}MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnk3NzMxIn0.canary7731dBjftJeZ4CVP",
    "dsn": f"postgresql://tidings:{CANARY}@db.example.com/tidings",
    "url": f"https://hooks.example.com/{CANARY}?token={CANARY}",
    "password": f"password={CANARY}",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", ADDRESSES.values(), ids=ADDRESSES)
def test_addresses_and_secrets_are_masked_wherever_they_stand(
    capsys: pytest.CaptureFixture[str], form: LogFormat, text: str
) -> None:
    def say() -> None:
        log = structlog.get_logger("worker")
        log.warning(text)
        log.warning("event", reason=text, path=f"/v1/things/{text}", request_id=text)
        log.warning("event", nested={"deep": [{"er": text}], text: 1}, whole=Exception(text))
        logging.getLogger("some.library").warning("it said %s", text, extra={"note": text})
        try:
            raise ValueError(text)
        except ValueError as error:
            try:
                raise RuntimeError(text) from error
            except RuntimeError:
                log.exception("failed")
                logging.getLogger("some.library").exception("failed")

    said = written(capsys, form, say)
    assert said.count("RuntimeError: ") == 2
    assert CANARY not in said
    assert "4155550137" not in said
    assert "dBjft" not in said


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "name",
    [
        *("recipient", "body", "subject", "html", "metadata", "Authorization", "smtp_password", "dsn"),
        *("webhook_secret", "api_key", "session_token", "codec_keys", "parameters", "payload"),
    ],
)
def test_values_of_these_names_are_dropped(
    capsys: pytest.CaptureFixture[str], form: LogFormat, name: str
) -> None:
    def say() -> None:
        structlog.get_logger("api").info("event", **{name: "plain words"}, more={name: ["plain words"]})
        logging.getLogger("some.library").warning("event", extra={name: "plain words"})

    said = written(capsys, form, say)
    assert "plain words" not in said
    assert said.count("[redacted]") == 3


KEPT: dict[str, Any] = {
    "notification_id": "0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a",
    "workflow_id": "notification-3f2504e0-4f89-81d3-9a0c-0305e82c3301",
    "request_id": "3f2504e04f8911d39a0c0305e82c3301",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "span_id": "00f067aa0ba902b7",
    "tenant": "acme",
    "attempt": 3,
    "port": 54321,
    "milliseconds": 1234567.8,
    "keys": 12345678,
    "at": "2026-11-21T14:05:06.123456Z",
    "path": "/v1/notifications/3f2504e0-4f89-81d3-9a0c-0305e82c3301/cancel",
    "task_queues": ["tidings", "tidings-webhook"],
    "code": "smtp_550_5.1.1",
    "host": "127.0.0.1",
    "error": "StorageUnavailable: Postgres cannot be reached: connection refused",
    "reason": 'relation "notifications" does not exist',
}


@pytest.mark.parametrize("name", KEPT)
def test_ids_times_counts_and_durations_stay(capsys: pytest.CaptureFixture[str], name: str) -> None:
    def say() -> None:
        structlog.get_logger("worker").info("event", **{name: KEPT[name]})

    assert json.loads(written(capsys, LogFormat.JSON, say))[name] == KEPT[name]


@pytest.mark.parametrize(
    "given",
    ["req-2026-abc", "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "01JD3Z7Q8W9X0Y1Z2A3B4C5D6E", "checkout/42"],
)
def test_a_callers_request_id_stays_if_it_is_one(capsys: pytest.CaptureFixture[str], given: str) -> None:
    def say() -> None:
        structlog.get_logger("api").info("event", request_id=given)

    assert json.loads(written(capsys, LogFormat.JSON, say))["request_id"] == given


class Strict(pydantic.BaseModel):
    body: int


def pydantics() -> str:
    try:
        Strict.model_validate({"body": f"Dear Ada, {CANARY}"})
    except pydantic.ValidationError as error:
        return str(error)
    raise AssertionError


QUOTING = {
    "pydantic": pydantics(),
    "sqlalchemy": f"(asyncpg.DataError) bad\n[SQL: …]\n[parameters: ('{CANARY}', '[{CANARY}]')]\n"
    "(Background on this error at: https://sqlalche.me/e/20/dbapi)",
    "detail": f"duplicate key value\nDETAIL:  Key (name)=({CANARY}) already exists.",
    "argument": f"invalid input for query argument $3: '{CANARY}' (a datetime was expected)",
    "syntax": f'invalid input syntax for type uuid: "{CANARY}"',
    "key": f"'{CANARY}'",
    "text": f"cannot encode 'Dear Ada, {CANARY}'",
    "bytes": f"cannot encode b'Dear Ada, {CANARY}'",
}


@pytest.mark.parametrize("message", QUOTING.values(), ids=QUOTING)
def test_values_that_exceptions_quote_are_left_out(message: str) -> None:
    assert CANARY in message
    assert CANARY not in without_values(message)


def test_a_group_and_what_fails_in_being_shown_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError(CANARY)

    def say() -> None:
        group = ExceptionGroup("several", [ValueError(f"'{CANARY}'"), Mute()])
        structlog.get_logger("worker").error("failed", exc_info=group)
        sys.excepthook(ValueError, ValueError(f"{CANARY}@example.com"), None)

    failed, uncaught = map(json.loads, written(capsys, LogFormat.JSON, say).splitlines())
    assert "ExceptionGroup: several (2 sub-exceptions)" in failed["exception"]
    assert "  | ValueError: '…'" in failed["exception"]
    assert "Mute: …" in failed["exception"]
    assert uncaught["exception"] == "ValueError: [email]"


def test_debug_is_for_our_own_lines(capsys: pytest.CaptureFixture[str]) -> None:
    def say() -> None:
        structlog.get_logger("api.access").debug("request")
        for name in ("httpx2", "botocore.endpoint", "aiosmtplib", "opentelemetry.sdk"):
            logging.getLogger(name).debug("the whole request: %s", CANARY)

    assert json.loads(written(capsys, LogFormat.JSON, say))["message"] == "request"


def test_what_temporal_adds_to_its_lines_is_named_as_in_ours(capsys: pytest.CaptureFixture[str]) -> None:
    id = "0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a"

    def say() -> None:
        logging.getLogger("temporalio.activity").warning(
            "Completing activity as failed ({'activity_id': '1'})",
            extra={
                "temporal_activity": {
                    "activity_type": "persist",
                    "attempt": 2,
                    "workflow_id": f"notification-{id}",
                    "workflow_run_id": "019",
                }
            },
        )

    line = json.loads(written(capsys, LogFormat.JSON, say))
    assert line["workflow_id"] == f"notification-{id}"
    assert line["notification_id"] == id
    assert (line["activity"], line["activity_attempt"]) == ("persist", 2)
    assert "temporal_activity" not in line
    assert line["message"] == "Completing activity as failed"


async def test_what_cannot_be_opened_is_logged_with_its_workflow(capsys: pytest.CaptureFixture[str]) -> None:
    """The SDK decodes an activity's arguments before it knows the activity, and logs without either."""
    id = "notification-0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a"
    at_home = WorkflowSerializationContext(namespace="default", workflow_id=id)
    sealed = await EncryptionCodec(Keyring((KEY,))).with_context(at_home).encode([Payload(data=b"{}")])
    failure = ApplicationError("Failed decoding arguments")
    try:
        await EncryptionCodec(Keyring((OTHER_KEY,))).with_context(at_home).decode(sealed)
    except UnreadablePayload as error:
        failure.__cause__ = error

    def say() -> None:
        logging.getLogger("temporalio.activity").warning("Completing activity as failed", exc_info=failure)

    line = json.loads(written(capsys, LogFormat.JSON, say))
    assert line["workflow_id"] == id
    assert line["notification_id"] == id.removeprefix("notification-")
    assert f"Sealed with the key '{KEY.id}'" in line["exception"]


@pytest.mark.parametrize("form", FORMS)
def test_nothing_that_somebody_sent_steers_the_terminal_or_makes_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str], form: LogFormat
) -> None:
    sent = "x\x1b[2J\x9b2J\x07\r\u202e\ny\ud800"

    def say() -> None:
        log = structlog.get_logger("api")
        log.info("request", path=f"/v1/{sent}", reason=sent, whole=[sent])
        log.info("request", **{f"name{sent}": 1})
        logging.getLogger("some.library").warning("it said %s", sent)

    said = written(capsys, form, say)
    assert [line for line in said.splitlines() if not line.isprintable()] == []
    assert said.count("\n") == 3


def test_an_exception_on_a_terminal_keeps_its_lines_and_steers_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def say() -> None:
        try:
            raise ValueError("it said \x1b[2J")
        except ValueError:
            structlog.get_logger("api").exception("failed")

    lines = written(capsys, LogFormat.CONSOLE, say).splitlines()
    assert [line for line in lines if not line.isprintable()] == []
    assert "Traceback (most recent call last):" in lines
    assert r"ValueError: it said \x1b[2J" in lines


@pytest.mark.parametrize(
    "code", ["InvalidArgument", "'Client specified an invalid argument'"], ids=["debug form", "display form"]
)
def test_why_temporal_refuses_a_call_is_said_and_no_value(
    capsys: pytest.CaptureFixture[str], code: str
) -> None:
    status = (
        f'Status {{ code: {code}, message: "BadSearchAttributes: no mapping defined for NotificationStatus'
    )
    status += f' of {CANARY}@example.com: \\"{CANARY} x\\"", details: b"{CANARY}" }}'

    def say() -> None:
        fields = SimpleNamespace(fields={"error": status})
        logging.getLogger("temporalio.core").warning("Error while polling", extra={"temporal_log": fields})

    line = json.loads(written(capsys, LogFormat.JSON, say))
    assert line["error"].startswith(code.strip("'"))
    assert "BadSearchAttributes: no mapping defined for NotificationStatus" in line["error"]
    assert CANARY not in line["error"]
