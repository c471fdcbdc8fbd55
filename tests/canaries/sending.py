"""Notifications on every channel and by every provider: taken, refused, put off, lost, too late."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from tests.canaries.peers import DEFERRED, LOST, REFUSED
from tests.canaries.stage import Stage
from tests.integration.api import make_key
from tests.support import eventually
from tidings.domain.api_key import new_secret
from tidings.domain.vocabulary import KeyMode
from tidings.temporal import names


async def email_by_smtp(stage: Stage) -> None:
    await stage.reaches("sent", **stage.mail_fields())


async def email_by_sendgrid(stage: Stage) -> None:
    await stage.reaches("sent", provider="sendgrid", **stage.mail_fields())


async def email_by_ses(stage: Stage) -> None:
    await stage.reaches("sent", provider="ses", **stage.mail_fields())


async def email_to_an_address_outside_ascii(stage: Stage) -> None:
    address = f"{stage.canaries.foreign('address')}@{stage.word('domain')}.example.com"
    await stage.reaches("sent", **{**stage.mail_fields(), "recipient": address})


async def sms_by_twilio(stage: Stage) -> None:
    await stage.reaches("sent", channel="sms", recipient=stage.canaries.number())


async def sms_by_sns(stage: Stage) -> None:
    await stage.reaches("sent", channel="sms", provider="sns", recipient=stage.canaries.number())


def push_fields(stage: Stage, provider: str, recipient: str) -> dict[str, Any]:
    return {
        "channel": "push",
        "provider": provider,
        "recipient": recipient,
        "subject": stage.canaries.text("subject"),
        "data": {stage.word("data key"): stage.canaries.text("data")},
        "collapse_key": stage.word("collapse key"),
    }


def device_token(stage: Stage, beginning: str = "") -> str:
    return f"{beginning}{stage.word('device token')}:{stage.word('device token')}"


async def push_by_fcm(stage: Stage) -> None:
    await stage.reaches("sent", **push_fields(stage, "fcm", device_token(stage)))


async def push_by_apns(stage: Stage) -> None:
    token = "".join(stage.word("device token") for _ in range(4)).encode().hex()
    await stage.reaches("sent", **push_fields(stage, "apns", token))


async def subscription(stage: Stage, beginning: str = "") -> str:
    url = f"{stage.sandbox.url}/webpush/subscription?browser={beginning}{stage.word('subscription')}"
    async with aiohttp.request("GET", url) as answer:
        found = await answer.json()
    for secret in found["keys"].values():
        stage.canaries.secret("subscription key", secret)
    return await answer.text()


async def push_by_webpush(stage: Stage) -> None:
    await stage.reaches("sent", **push_fields(stage, "webpush", await subscription(stage)))


def hook(stage: Stage, status: int) -> str:
    c = stage.canaries
    return f"{stage.echo_url}/{status}/{c.word('URL path')}?token={c.word('URL secret')}&to={c.address()}"


async def webhook(stage: Stage) -> None:
    await stage.reaches("sent", channel="webhook", recipient=hook(stage, 200))


async def webhook_with_an_endpoint_of_its_own(stage: Stage) -> None:
    url = hook(stage, 200)
    path = "/v1/webhook-endpoints"
    status, made = await stage.system.call("POST", path, json={"url": url})
    assert status == 201, made
    stage.canaries.secret("endpoint secret", made["secret"])
    await stage.reaches("sent", channel="webhook", recipient=url)
    status, rotated = await stage.system.call("POST", f"{path}/{made['id']}/rotate")
    assert status == 200, rotated
    stage.canaries.secret("endpoint secret", rotated["secret"])
    for method, where in (("GET", path), ("GET", f"{path}/{made['id']}"), ("DELETE", f"{path}/{made['id']}")):
        assert (await stage.system.call(method, where))[0] in (200, 204)


def chat_url(stage: Stage, status: int) -> str:
    where = stage.echo_url.removeprefix("http://")
    return f"json://{where}/{status}/{stage.word('chat token')}/{stage.word('chat token')}"


async def chat(stage: Stage) -> None:
    await stage.reaches("sent", channel="chat", recipient=chat_url(stage, 200), subject=stage.word("subject"))


async def bulk(stage: Stage) -> None:
    c = stage.canaries
    items: list[dict[str, Any]] = [
        {**stage.mail_fields(), "body": c.text("body"), "idempotency_key": c.word("idempotency key")},
        {"channel": "sms", "recipient": c.number(), "body": c.text("body"), "metadata": stage.metadata()},
        {"channel": "email", "recipient": f"{c.word('address')} at home", "body": c.text("body")},
    ]
    status, answer = await stage.system.call("POST", "/v1/notifications/bulk", json={"notifications": items})
    assert status == 207, answer
    assert [item["status"] for item in answer["data"]] == [201, 201, 422]
    for item in answer["data"][:2]:
        stage.ids.append(item["notification"]["id"])
        await stage.system.reaches(stage.ids[-1], "sent")


async def idempotency_keys(stage: Stage) -> None:
    headers = {"Idempotency-Key": f"order-{stage.word('idempotency key')}"}
    fields = {**stage.mail_fields(), "body": stage.canaries.text("body")}
    id = await stage.submitted(headers, **fields)
    await stage.system.reaches(id, "sent")
    for body, expected in ((stage.canaries.text("body"), 422), (fields["body"], 422)):
        changed = {**fields, "body": body}
        status, _ = await stage.system.call("POST", "/v1/notifications", json=changed, headers=headers)
        assert status == expected, "metadata and tags are missing"


async def test_mode(stage: Stage) -> None:
    key, _ = await make_key(stage.postgres.database_url(), secret=new_secret(KeyMode.TEST))
    stage.canaries.secret("API key", key)
    id = await stage.submitted({"Authorization": f"Bearer {key}"}, **stage.mail_fields())
    headers = {"Authorization": f"Bearer {key}"}

    async def sent() -> bool:
        _, answer = await stage.system.call("GET", f"/v1/notifications/{id}", headers=headers)
        return bool(answer["status"] == "sent")

    await eventually(sent)


async def mail_that_is_refused_by_name(stage: Stage) -> None:
    id = await stage.reaches("failed", **stage.mail_fields(REFUSED))
    _, answer = await stage.system.call("GET", f"/v1/notifications/{id}")
    assert answer["recipient"] in answer["error"]["message"]


async def chat_that_is_tried_again_after_it_has_failed(stage: Stage) -> None:
    id = await stage.reaches("failed", channel="chat", recipient=chat_url(stage, 400))
    path = f"/v1/notifications/{id}/retry"
    for closed in (False, True):
        if closed:
            await stage.client.get_workflow_handle(names.workflow_id(id)).terminate()
        status, answer = await stage.system.call("POST", path, json={"reason": stage.reason()})
        assert status == 200, answer
        await stage.attempted(id, 3 if closed else 2)


async def mail_that_is_put_off_until_it_fails(stage: Stage) -> None:
    await stage.reaches("failed", **stage.mail_fields(DEFERRED))


async def mail_that_may_have_gone_out(stage: Stage) -> None:
    await stage.reaches("unknown", guarantee="at_most_once", **stage.mail_fields(LOST))


async def mail_that_sendgrid_refuses(stage: Stage) -> None:
    await stage.reaches("failed", provider="sendgrid", **stage.mail_fields("permanent-failure."))


async def sms_that_twilio_refuses_by_number(stage: Stage) -> None:
    number = stage.canaries.number("0002")
    id = await stage.reaches("failed", channel="sms", recipient=number)
    _, answer = await stage.system.call("GET", f"/v1/notifications/{id}")
    assert number in answer["error"]["message"]


async def push_that_is_refused(stage: Stage) -> None:
    tokens = device_token(stage, "permanent-failure-"), await subscription(stage, "permanent-failure-")
    await stage.reaches("failed", **push_fields(stage, "fcm", tokens[0]))
    await stage.reaches("failed", **push_fields(stage, "webpush", tokens[1]))


async def webhook_whose_target_repeats_it(stage: Stage) -> None:
    await asyncio.gather(
        stage.reaches("failed", channel="webhook", recipient=hook(stage, 400)),
        stage.reaches("failed", channel="webhook", recipient=hook(stage, 503)),
    )


async def webhook_to_where_none_may_go(stage: Stage) -> None:
    url = f"http://{stage.word('host')}.invalid/{stage.word('URL path')}?token={stage.word('URL secret')}"
    private = f"http://10.0.0.1/{stage.word('URL path')}?token={stage.word('URL secret')}"
    await asyncio.gather(
        stage.reaches("failed", channel="webhook", recipient=url),
        stage.reaches("failed", channel="webhook", recipient=private),
    )


async def chat_that_is_refused(stage: Stage) -> None:
    await stage.reaches("failed", channel="chat", recipient=chat_url(stage, 400))


async def what_expires(stage: Stage) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    await stage.reaches("expired", channel="sms", recipient=stage.canaries.number("0001"), expires_at=soon)


async def large_bodies(stage: Stage) -> None:
    """Longer than a page of the database: each canary in it stands whole somewhere."""
    body = " ".join(stage.canaries.word("body") for _ in range(20)) + " lorem ipsum" * 700
    content = base64.b64encode("\n".join(stage.word("file") for _ in range(20)).encode() * 50).decode()
    file = {"filename": "list.txt", "content_type": "text/plain", "content": content}
    await stage.reaches("sent", **{**stage.mail_fields(), "body": body, "attachments": [file]})


PATHS = (
    *(email_by_smtp, email_by_sendgrid, email_by_ses, email_to_an_address_outside_ascii),
    *(sms_by_twilio, sms_by_sns, push_by_fcm, push_by_apns, push_by_webpush),
    *(webhook, webhook_with_an_endpoint_of_its_own, chat, bulk, idempotency_keys, test_mode),
    *(mail_that_is_refused_by_name, mail_that_is_put_off_until_it_fails, mail_that_may_have_gone_out),
    *(mail_that_sendgrid_refuses, sms_that_twilio_refuses_by_number, push_that_is_refused),
    *(webhook_whose_target_repeats_it, webhook_to_where_none_may_go, chat_that_is_refused),
    *(chat_that_is_tried_again_after_it_has_failed, what_expires, large_bodies),
)
