"""Requests that are refused: each field, header and credential with a canary in it."""

from typing import Any

import asyncpg

from tests import tokens
from tests.canaries.stage import Stage
from tests.support import eventually
from tidings.temporal import names


async def bad_fields(stage: Stage) -> None:
    c = stage.canaries
    mail = {**stage.mail_fields(), "body": c.text("body")}
    sms = {"channel": "sms", "recipient": c.number(), "body": c.text("body")}
    bad: list[dict[str, Any]] = [
        mail | {name: value}
        for name, value in (
            ("channel", c.word("channel")),
            ("recipient", f"{c.word('name')} <{c.address()}>"),
            ("recipient", f"{c.word('address')} at home"),
            ("subject", f"{c.word('subject')}\r\nBcc: {c.address()}"),
            ("subject", f"=?utf-8?q?{c.word('subject')}?="),
            ("body", {c.word("body"): c.word("body")}),
            ("html", [c.word("html")]),
            ("metadata", c.word("metadata")),
            ("metadata", {c.word("metadata key"): "\x00"}),
            ("attachments", [{"filename": f"../{c.word('file name')}", "content_type": "x", "content": "A"}]),
            ("tags", [f"{c.word('tag')}" * 10]),
            ("send_at", c.word("time")),
            ("expires_at", f"{c.word('time')}"),
            ("priority", c.word("priority")),
            ("guarantee", c.word("guarantee")),
            ("provider", c.word("provider")),
            (c.word("field"), c.word("field")),
            (c.address(), c.number()),
        )
    ]
    bad += [
        sms | {"recipient": c.word("number")},
        sms | {"recipient": f"{c.number()}x"},
        sms | {"subject": c.word("subject")},
        {"channel": "push", "recipient": f'{{"endpoint": "{c.word("subscription")}"}}', "body": "x"},
        {"channel": "push", "recipient": f"{c.word('device token')} !", "body": "x"},
        {"channel": "webhook", "recipient": f"ftp://{c.word('host')}", "body": "x"},
        {"channel": "webhook", "recipient": f"https://{c.word('URL user')}:{c.word('URL secret')}@x.example"},
        {"channel": "chat", "recipient": f"slack://{c.word('chat token')}?verify=no", "body": "x"},
        {"channel": "chat", "recipient": f"{c.word('chat token')}://x", "body": "x"},
    ]
    for document in bad:
        status, answer = await stage.system.call("POST", "/v1/notifications", json=document)
        assert status == 422, answer
        await stage.system.call("POST", "/v1/schedules", json={"notification": document, "every": 3_600})
    broken = f'{{"recipient": "{c.address()}"'
    assert (await stage.system.call("POST", "/v1/notifications", data=broken))[0] in (400, 415)
    schedule = {"notification": mail, "cron": c.word("cron"), "time_zone": c.word("zone")}
    assert (await stage.system.call("POST", "/v1/schedules", json=schedule))[0] == 422
    hook = {"url": f"https://{c.word('URL user')}:{c.word('URL secret')}@example.com"}
    assert (await stage.system.call("POST", "/v1/webhook-endpoints", json=hook))[0] == 422


async def bad_paths_and_queries(stage: Stage) -> None:
    c = stage.canaries
    for path in (
        f"/v1/notifications/{c.address()}",
        f"/v1/notifications/{c.word('path')}@x.example/cancel",
        f"/v1/{c.address()}/{c.number()}",
        f"/v1/schedules/{c.number()}",
        f"/v1/suppressions/{c.address()}",
        f"/v1/notifications?recipient={c.address()}&cursor={c.word('cursor')}",
        f"/v1/notifications?{c.word('query')}={c.word('query')}",
        f"/v1/notifications?recipient=%2B{c.number()[1:]}",
        f"/v1/notifications?recipient={c.foreign('address')}",
        f"/v1/suppressions?recipient={c.address()}&channel={c.word('query')}",
        f"/health/ready?secret={c.word('query')}",
        f"/metrics?secret={c.word('query')}",
    ):
        for method in ("GET", "POST"):
            headers = {"Authorization": f"Bearer {stage.system.key}"}
            async with stage.system.session.request(
                method, stage.system.url + path, headers=headers
            ) as answer:
                assert answer.status != 500


async def bad_credentials_and_headers(stage: Stage) -> None:
    c = stage.canaries

    async def refused(**headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status, _ = await stage.system.call("GET", "/v1/notifications", headers=named)
        assert status in (200, 400, 401, 403), headers

    secret = stage.settings["TIDINGS_JWT_SECRET"].encode()
    good = tokens.by_hand({"alg": "HS256", "typ": "JWT"}, tokens.claims(), secret=secret)
    bad = tokens.by_hand({"alg": "HS256"}, tokens.claims(sub=c.word("subject of a token")), secret=b"x" * 32)
    for token in (good, bad):
        c.secret("token", token)
        await refused(Authorization=f"Bearer {token}")
    await refused(Authorization=f"Bearer td_live_{c.word('API key')}{'0' * 39}")
    await refused(Authorization=f"Basic {c.word('API key')}")
    await refused(Authorization=c.word("API key"), Cookie=f"tidings-codec={c.word('cookie')}")
    await refused(X_Request_ID=c.address())
    await refused(X_Request_ID=f"tel:{c.number()}")
    await refused(
        traceparent=c.word("trace"), tracestate=f"a={c.word('trace')}", baggage=f"a={c.word('trace')}"
    )
    await refused(
        User_Agent=c.word("agent"), Referer=f"https://x.example/{c.address()}", Origin=c.word("origin")
    )
    await refused(X_Forwarded_For=c.word("agent"), Forwarded=f"for={c.word('agent')}")
    headers = {
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "tracestate": f"vendor={c.word('trace')}",
        "baggage": f"recipient={c.address()}",
        "X-Request-ID": f"{c.address()}",
    }
    id = await stage.submitted(headers, **stage.mail_fields())
    await stage.system.reaches(id, "sent")
    codec = {"Authorization": f"Bearer {c.word('codec token')}"}
    path = f"/v1/codec/decode?token={c.word('codec token')}"
    assert (await stage.system.call("POST", path, json={}, headers=codec))[0] == 401
    key = {"Idempotency-Key": f"{c.word('idempotency key')} {c.word('idempotency key')}"}
    assert (await stage.system.call("POST", "/v1/notifications", json={}, headers=key))[0] in (400, 422)


async def what_postgres_refuses(stage: Stage) -> None:
    """A row that it quotes in its refusal, and a table that is not there."""
    connection = await asyncpg.connect(stage.postgres.database_url())
    try:
        await connection.execute("ALTER TABLE notifications ADD CHECK (NOT 'poison' = ANY (tags)) NOT VALID")
        id = await stage.submitted(**stage.mail_fields(), tags=["poison"])
        await eventually(lambda: "CheckViolationError" in stage.system.said())
        await stage.client.get_workflow_handle(names.workflow_id(id)).terminate()
        await connection.execute("ALTER TABLE suppressions RENAME TO elsewhere")
        query = {"recipient": stage.canaries.address()}
        assert (await stage.system.call("GET", "/v1/suppressions", params=query))[0] == 500
        await connection.execute("ALTER TABLE elsewhere RENAME TO suppressions")
    finally:
        await connection.close()


PATHS = (bad_fields, bad_paths_and_queries, bad_credentials_and_headers)
