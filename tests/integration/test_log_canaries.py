"""No line of any process says whom a message is for, what it says or what opens a door: successes, refusals,
bad requests, and a database that refuses rows and lacks a table, with all levels logged."""

import json
from pathlib import Path
from typing import Any

import asyncpg
from temporalio.client import Client

from tests.collector import collecting
from tests.processes import System, running_system, target
from tests.provider_support import running_sandbox
from tests.support import eventually
from tidings.local.temporal_server import TemporalServer
from tidings.temporal import names

CANARY = "canary7731"
NUMBER = "+14155550137"
MESSAGE = {"subject": f"subject {CANARY}", "body": f"Dear {CANARY}", "metadata": {"note": f"note {CANARY}"}}
REQUEST = "order-1042"


async def test_every_line_says_what_it_is_about_and_none_whom_or_what_for(
    temporal_server: TemporalServer, temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    async with (
        collecting() as collector,
        target() as called,
        running_sandbox() as sandbox,
        running_system(
            tmp_path,
            temporal_address=temporal_server.address,
            database_url=database_url,
            smtp_port=sandbox.smtp_port,
            TIDINGS_LOG_LEVEL="DEBUG",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            TIDINGS_WEBHOOK_SECRET="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            TIDINGS_TWILIO_ACCOUNT_SID="",
        ) as system,
    ):
        called.script, called.text = [400, 200], f"no such person: {CANARY}@example.com"
        hook = {"channel": "webhook", "recipient": f"{called.url}?token={CANARY}", **MESSAGE}
        await system.reaches(await system.submitted(hook), "failed")
        await system.reaches(await system.submitted(hook), "sent")
        mail = {"channel": "email", **MESSAGE, "html": f"<p>{CANARY}</p>"}
        refused = {**mail, "recipient": f"permanent-failure.{CANARY}@example.com"}
        await system.reaches(await system.submitted(refused), "failed")
        await system.reaches(await system.submitted({**mail, "recipient": f"{CANARY}@example.com"}), "sent")
        nobody = {"channel": "sms", "recipient": NUMBER, "body": MESSAGE["body"]}
        await system.reaches(await system.submitted(nobody, {"X-Request-ID": REQUEST}), "failed")
        await bad_requests(system)
        await database_faults(system, temporal_client, database_url)
        await system.end()
        said = system.said()

    for secret in (CANARY, NUMBER[1:], system.key, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"):
        assert secret not in said
        assert secret.encode() not in collector.received
    assert database_url.split(":")[2].split("@")[0] not in said
    lines = [json.loads(line) for line in said.splitlines()]
    [alarm] = [line for line in lines if line["message"] == "provider_misconfigured"]
    assert alarm["request_id"] == REQUEST
    assert alarm["tenant"] == "acme"
    assert alarm["attempt"] == 1
    assert alarm["workflow_id"] == names.workflow_id(alarm["notification_id"])
    assert len(alarm["trace_id"]) == 32
    [submitted] = [line for line in lines if line["message"] == "request" and line["request_id"] == REQUEST]
    assert submitted["notification_id"] == alarm["notification_id"]
    assert submitted["tenant"] == "acme"
    assert submitted["trace_id"] == alarm["trace_id"]
    [failed] = [line for line in lines if line["message"] == "request_failed"]
    assert "UndefinedTableError" in failed["exception"]
    violations = [line for line in lines if "CheckViolationError" in line.get("exception", "")]
    assert {line["logger"] for line in violations} >= {"temporalio.activity"}
    about = {"tenant", "notification_id", "workflow_id", "request_id"}
    assert all(about <= line.keys() for line in violations)


async def bad_requests(system: System) -> None:
    """Every one of them is refused, and quotes what must not be logged."""
    for fields in (
        {"channel": "email", "recipient": f"{CANARY} at home", **MESSAGE},
        {"channel": "sms", "recipient": CANARY, "body": CANARY},
        {"channel": "email", "recipient": f"{CANARY}@example.com", **MESSAGE, CANARY: CANARY},
        {"channel": "webhook", "recipient": f"ftp://{CANARY}", **MESSAGE},
    ):
        status, _ = await system.call("POST", "/v1/notifications", json=fields)
        assert status == 422
    broken = f'{{"recipient": "{CANARY}@example.com"'
    assert (await system.call("POST", "/v1/notifications", data=broken))[0] in (400, 415)
    wrong = {"Authorization": f"Bearer td_live_{CANARY}", "X-Request-ID": f"{CANARY}@example.com"}
    assert (await system.call("GET", f"/v1/notifications?recipient={CANARY}", headers=wrong))[0] == 401
    assert (await system.call("GET", f"/v1/notifications?recipient={CANARY}@example.com"))[0] == 200
    assert (await system.call("GET", f"/v1/notifications/{CANARY}@example.com"))[0] == 404
    assert (await system.call("POST", "/v1/callbacks/twilio", data={"To": NUMBER}))[0] in (401, 403, 404, 503)
    traced = {"traceparent": CANARY, "baggage": f"a={CANARY}", "X-Request-ID": f"tel:{NUMBER}"}
    assert (await system.call("GET", "/v1/suppressions", headers=traced))[0] == 200


async def database_faults(system: System, temporal: Client, database_url: str) -> None:
    """A row that the database refuses, quoting it, and a table that is not there."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("ALTER TABLE notifications ADD CHECK (NOT 'poison' = ANY (tags)) NOT VALID")
        poison: dict[str, Any] = {
            "channel": "email",
            "recipient": f"{CANARY}@example.com",
            "tags": ["poison"],
        }
        id = await system.submitted({**poison, **MESSAGE})
        await eventually(lambda: "CheckViolationError" in system.said())
        await temporal.get_workflow_handle(names.workflow_id(id)).terminate(f"{CANARY}@example.com")
        await connection.execute("ALTER TABLE suppressions RENAME TO elsewhere")
        assert (await system.call("GET", f"/v1/suppressions?recipient={CANARY}@example.com"))[0] == 500
    finally:
        await connection.close()
