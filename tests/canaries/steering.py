"""Signals, schedules and receipts: what reaches notifications that are there already."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import RawValue

from tests import callbacks
from tests.canaries.stage import Stage
from tests.integration.codec import as_json, data_of, plain
from tests.support import eventually
from tidings.providers.callbacks.protocol import CallbackRequest
from tidings.temporal import names


async def waiting(stage: Stage) -> str:
    """The id of an SMS that waits for its second attempt, for an hour."""
    return await stage.reaches("retrying", channel="sms", recipient=stage.canaries.number("0001"))


async def retry_and_cancel_over_http_with_reasons(stage: Stage) -> None:
    id = await waiting(stage)
    for signal, expected in (("retry", (200,)), ("cancel", (200, 202))):
        path = f"/v1/notifications/{id}/{signal}"
        status, answer = await stage.system.call("POST", path, json={"reason": stage.reason()})
        assert status in expected, answer
        if signal == "retry":
            await stage.system.reaches(id, "retrying")
    await stage.system.reaches(id, "cancelled")


async def retry_and_cancel_by_command_with_reasons(stage: Stage) -> None:
    id = await waiting(stage)
    for signal in ("retry", "cancel"):
        ended = await stage.command(signal, id, "--reason", stage.reason())
        assert ended.status == 0, ended.err
    await stage.system.reaches(id, "cancelled")


async def signals_of_somebody_who_has_the_key(stage: Stage) -> None:
    id = await waiting(stage)
    handle = stage.client.get_workflow_handle(names.workflow_id(id))
    await handle.query(names.QUERY_STATUS)
    await handle.signal("misspelt", {stage.word("reason"): stage.reason()})
    await handle.signal(names.SIGNAL_RETRY, [stage.canaries.text("reason")])
    await handle.signal(names.SIGNAL_CANCEL, {"reason": stage.reason()})
    await stage.system.reaches(id, "cancelled")


async def a_signal_sealed_by_the_codec_server(stage: Stage) -> None:
    id = await waiting(stage)
    headers = {"Authorization": f"Bearer {stage.settings['TIDINGS_CODEC_TOKEN']}", "X-Namespace": "default"}
    clear = {"payloads": [as_json(plain(stage.canaries.text("reason")))]}
    status, sealed = await stage.system.call("POST", "/v1/codec/encode", json=clear, headers=headers)
    assert status == 200, sealed
    status, opened = await stage.system.call("POST", "/v1/codec/decode", json=sealed, headers=headers)
    assert status == 200, opened
    [payload] = opened["payloads"]
    assert data_of(payload) == data_of(clear["payloads"][0])
    [made] = sealed["payloads"]
    metadata = {name: base64.b64decode(value) for name, value in made["metadata"].items()}
    raw = RawValue(Payload(metadata=metadata, data=data_of(made)))
    # By somebody who has no key: the payload goes as it is.
    keyless = await Client.connect(stage.temporal.address)
    await keyless.get_workflow_handle(names.workflow_id(id)).signal(names.SIGNAL_CANCEL, raw)
    await stage.system.reaches(id, "cancelled")


async def cancelled_before_it_is_due(stage: Stage) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    id = await stage.reaches("scheduled", send_at=later, **stage.mail_fields())
    path = f"/v1/notifications/{id}/cancel"
    assert (await stage.system.call("POST", path, json={"reason": stage.reason()}))[0] in (200, 202)
    await stage.system.reaches(id, "cancelled")


async def continued_as_new(stage: Stage) -> None:
    id = await waiting(stage)
    handle = stage.client.get_workflow_handle(names.workflow_id(id))
    first = (await handle.describe()).run_id

    why = stage.reason()

    async def handed_over() -> bool:
        await handle.signal("misspelt", why)
        return (await handle.describe()).run_id != first

    await eventually(handed_over, interval=0)


async def a_payload_in_a_workflow_that_it_is_not_for(stage: Stage) -> None:
    """A failure of the workflow's task: sealed for another, or of another form altogether."""
    id = await stage.reaches("sent", **stage.mail_fields())
    handle = stage.client.get_workflow_handle(names.workflow_id(id))
    [first, *_] = [event async for event in handle.fetch_history_events()]
    [stolen] = first.workflow_execution_started_event_attributes.input.payloads
    wrong = {"notification": {"recipient": stage.canaries.address(), stage.word("body"): stage.word("body")}}
    for input in (RawValue(stolen), wrong):
        planted = await stage.client.start_workflow(
            names.WORKFLOW_TYPE,
            input,
            id=f"notification-planted-{stage.ids.index(id)}-{isinstance(input, dict)}",
            task_queue=names.TASK_QUEUE,
        )

        async def seen(planted: Any = planted) -> bool:
            if (await planted.describe()).status is not WorkflowExecutionStatus.RUNNING:
                return True
            failed = "workflow_task_failed_event_attributes"
            return any([event.HasField(failed) async for event in planted.fetch_history_events()])

        await eventually(seen)
        if (await planted.describe()).status is WorkflowExecutionStatus.RUNNING:
            await planted.terminate()


async def schedules(stage: Stage) -> None:
    template = {
        **{name: value for name, value in stage.mail_fields().items() if name != "attachments"},
        "body": stage.canaries.text("body"),
        "metadata": stage.metadata(),
        "tags": [stage.word("tag")],
    }
    document = {"notification": template, "every": 3_600, "expires_after": 600}
    status, made = await stage.system.call("POST", "/v1/schedules", json=document)
    assert status == 201, made
    path = f"/v1/schedules/{made['id']}"
    handle = stage.client.get_schedule_handle(names.schedule_id(made["id"]))
    await handle.trigger()

    async def fired() -> bool:
        _, answer = await stage.system.call("GET", f"/v1/notifications?status=sent&schedule={made['id']}")
        return len(answer["data"]) == 1

    await eventually(fired)
    for method, where in (
        *(("GET", path), ("GET", "/v1/schedules"), ("POST", f"{path}/pause"), ("POST", f"{path}/resume")),
    ):
        status, answer = await stage.system.call(method, where)
        assert status == 200, answer
    assert (await stage.command("schedules", "list")).status == 0
    # Deleted schedules are gone from Temporal's lists: one stays for them, and one goes.
    status, other = await stage.system.call("POST", "/v1/schedules", json=document)
    assert status == 201, other
    assert (await stage.system.call("DELETE", f"/v1/schedules/{other['id']}"))[0] == 204


async def called_back(stage: Stage, request: CallbackRequest) -> int:
    """The answer to a callback that was made for the public URL."""
    parts = urlsplit(request.url)
    url = f"{stage.system.url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
    async with stage.system.session.post(url, data=request.body, headers=dict(request.headers)) as answer:
        await answer.read()
        return answer.status


async def twilio(stage: Stage, id: str, status: str, number: str, **given: str) -> CallbackRequest:
    """A callback of Twilio's that names the number and what else it has."""
    reference = await stage.reference(id)
    token = stage.settings["TIDINGS_TWILIO_AUTH_TOKEN"]
    account = stage.settings["TIDINGS_TWILIO_ACCOUNT_SID"]
    said = {"To": number, "AccountSid": account, "MessageSid": reference, "Body": stage.canaries.text("body")}
    return callbacks.twilio_callback(id, status, token=token, **said, **given)


async def receipts_of_twilio(stage: Stage) -> None:
    for status, given in (("delivered", {}), ("undelivered", {"ErrorCode": "30003"})):
        number = stage.canaries.number()
        id = await stage.reaches("sent", channel="sms", recipient=number)
        error = {"ErrorMessage": f"{number} is not reachable"} if given else {}
        request = await twilio(stage, id, status, number, **given, **error)
        assert await called_back(stage, request) == 204
        await stage.system.reaches(id, "delivered" if status == "delivered" else "failed")


async def a_bounce_and_the_suppression_list(stage: Stage) -> None:
    fields = stage.mail_fields()
    to = fields["recipient"]
    id = await stage.reaches("sent", provider="sendgrid", **fields)
    said = {"type": "bounce", "reason": f"550 5.1.1 <{to}>: no {to} here", "status": "5.1.1"}
    reference = f"{await stage.reference(id)}.filter0001.16648.5515E0B88.0"
    bounce = callbacks.sendgrid_event(id, "bounce", email=to, sg_message_id=reference, **said)
    assert await called_back(stage, callbacks.sendgrid_callback(bounce)) == 204
    await stage.system.reaches(id, "failed")
    await stage.reaches("failed", **fields)  # suppressed
    status, found = await stage.system.call("GET", "/v1/suppressions", params={"recipient": to})
    assert status == 200, found
    [listed] = found["data"]
    assert (await stage.command("suppressions", "list")).status == 0
    assert (await stage.system.call("DELETE", f"/v1/suppressions/{listed['id']}"))[0] == 204


async def forged_callbacks(stage: Stage) -> None:
    id = await stage.reaches("sent", **stage.mail_fields())
    c = stage.canaries
    address = c.address()
    forged = (
        callbacks.twilio_callback(id, token="0" * 32, To=c.number(), Body=c.text("body")),
        callbacks.sendgrid_callback(callbacks.sendgrid_event(id, email=address), key=sendgrid_forger()),
        callbacks.ses_callback(
            callbacks.ses_event(id, mail={"destination": [address]}),
            TopicArn=f"{callbacks.TOPIC}-{c.word('topic')}",
        ),
    )
    for request in forged:
        assert await called_back(stage, request) in (401, 403)
    nobody = CallbackRequest(f"{callbacks.PUBLIC_URL}/v1/callbacks/{c.number()}", {}, address.encode())
    assert await called_back(stage, nobody) == 404


def sendgrid_forger() -> Any:
    return callbacks.sendgrid_key(2)[0]


async def commands_that_look(stage: Stage) -> None:
    fields = stage.mail_fields()
    id = await stage.reaches("sent", **fields)
    looks = await asyncio.gather(
        stage.command("show", id),
        stage.command("list", "--recipient", fields["recipient"]),
        stage.command("doctor"),
    )
    assert [ended.status for ended in looks[:2]] == [0, 0]


async def while_postgres_is_away(stage: Stage) -> None:
    """A submission, its status by a query, a receipt that waits: all is kept by Temporal alone."""
    number = stage.canaries.number()
    id = await stage.reaches("sent", channel="sms", recipient=number)
    request = await twilio(stage, id, "delivered", number)
    await stage.postgres.stop(hurry=True)
    assert await called_back(stage, request) == 204
    # Files need it: with one, the same is refused.
    fields = {**stage.mail_fields(), "body": stage.canaries.text("body")}
    assert (await stage.system.call("POST", "/v1/notifications", json=fields))[0] == 503
    waiting = await stage.submitted(**{**fields, "attachments": []})
    status, answer = await stage.system.call("GET", f"/v1/notifications/{waiting}")
    assert status == 200, answer
    await stage.system.call("GET", "/v1/notifications", params={"recipient": number})
    path = f"/v1/notifications/{waiting}/cancel"
    await stage.system.call("POST", path, json={"reason": stage.reason()})
    await stage.postgres.start()
    await stage.system.reaches(id, "delivered")


PATHS = (
    *(retry_and_cancel_over_http_with_reasons, retry_and_cancel_by_command_with_reasons),
    *(signals_of_somebody_who_has_the_key, a_signal_sealed_by_the_codec_server, cancelled_before_it_is_due),
    *(continued_as_new, a_payload_in_a_workflow_that_it_is_not_for, schedules, receipts_of_twilio),
    *(a_bounce_and_the_suppression_list, forged_callbacks, commands_that_look),
)
