"""Callback signatures by the vendors' packages: npm twilio, npm @sendgrid/eventwebhook, npm sns-validator."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from tests.callbacks import (
    PUBLIC_URL,
    TWILIO_TOKEN,
    sendgrid_callback,
    sendgrid_event,
    sendgrid_key,
    sendgrid_reader,
    ses_callback,
    ses_event,
    ses_reader,
    sns_certificate,
    twilio_callback,
    twilio_json_callback,
    twilio_reader,
)
from tests.peers.npm import npm_package
from tidings.domain.identifiers import new_id
from tidings.errors import ForgedCallback
from tidings.providers.callbacks.protocol import CallbackRequest
from tidings.providers.callbacks.sendgrid import SIGNATURE_HEADER, TIMESTAMP_HEADER
from tidings.providers.callbacks.twilio import SIGNATURE_HEADER as TWILIO_HEADER

pytestmark = pytest.mark.peer

TWILIO, SENDGRID, SNS = "twilio@5.8.2", "@sendgrid/eventwebhook@8.0.0", "sns-validator@0.3.5"

SCRIPT = Path(__file__).with_name("callback_signatures.cjs")
ID = new_id()
WORDS = "Grüße & 日本語 📵 = 100 %+\r\n"
ORIGINS = [
    "https://notify.example.com",
    "https://notify.example.com:443",
    "https://notify.example.com:8443",
    "http://notify.example.com",
    "http://notify.example.com:80",
]


async def said(*cases: dict[str, Any]) -> list[Any]:
    """What the packages say of each case."""
    modules = await npm_package(TWILIO, SENDGRID, SNS)
    process = await asyncio.create_subprocess_exec(
        *("node", "--no-deprecation", str(SCRIPT)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"NODE_PATH": str(modules), "PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    output, errors = await process.communicate(json.dumps(cases).encode())
    assert process.returncode == 0, errors.decode(errors="replace")
    answers: list[Any] = json.loads(output)
    return answers


def at(origin: str) -> str:
    return f"{origin}/v1/callbacks/twilio?notification={ID}"


def by_twilio(request: CallbackRequest, **given: Any) -> dict[str, Any]:
    return {
        "does": "twilioValidates",
        "token": TWILIO_TOKEN,
        "signature": request.headers[TWILIO_HEADER],
        "url": request.url,
        "form": dict(parse_qsl(request.body.decode())),
    } | given


@pytest.mark.peer(
    provider="twilio", peer=TWILIO, exercises="callbacks that it signs are taken, changed ones are not"
)
async def test_what_twilios_package_signs_is_taken_and_nothing_else_of_it() -> None:
    form = {"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": "30005", "ErrorMessage": WORDS}
    cases: list[dict[str, Any]] = [
        {"does": "twilioSigns", "token": token, "url": at(origin), "form": form}
        for origin in ORIGINS
        for token in (TWILIO_TOKEN, "another")
    ]
    for case, signature in zip(cases, await said(*cases), strict=True):
        headers = {TWILIO_HEADER: signature}
        request = CallbackRequest(case["url"], headers, urlencode(form).encode())
        if case["token"] == TWILIO_TOKEN:
            [receipt] = await twilio_reader().read(request, datetime.now(UTC))
            assert (receipt.notification_id, receipt.event_id) == (ID, "SM1-failed")
        else:
            with pytest.raises(ForgedCallback):
                await twilio_reader().read(request, datetime.now(UTC))


@pytest.mark.peer(
    provider="twilio", peer=TWILIO, exercises="it validates what our tests sign, and nothing else"
)
async def test_twilios_package_validates_what_the_tests_sign() -> None:
    requests = [twilio_callback(ID, url=at(origin), ErrorMessage=WORDS) for origin in ORIGINS]
    genuine = [by_twilio(request) for request in requests]
    forged = [
        by_twilio(requests[0], token="another"),
        by_twilio(requests[0], url=at("https://notify.example.org")),
        by_twilio(requests[0], form={"MessageStatus": "delivered"}),
    ]
    assert await said(*genuine, *forged) == [True] * len(genuine) + [False] * len(forged)


@pytest.mark.peer(provider="twilio", peer=TWILIO, exercises="JSON callbacks, by the hash of the body")
async def test_twilios_package_validates_a_body_by_its_hash() -> None:
    request = twilio_json_callback(ID, json.dumps({"MessageSid": WORDS}).encode())
    case = {
        "does": "twilioValidatesBody",
        "token": TWILIO_TOKEN,
        "signature": request.headers[TWILIO_HEADER],
        "url": request.url,
        "body": request.body.decode(),
    }
    assert await said(case, case | {"body": "{}"}) == [True, False]


@pytest.mark.peer(
    provider="sendgrid", peer=SENDGRID, exercises="it validates what our tests sign, and nothing else"
)
async def test_sendgrids_package_validates_what_the_tests_sign() -> None:
    request = sendgrid_callback(sendgrid_event(ID, reason=WORDS), sendgrid_event(ID, "bounce"))
    case = {
        "does": "sendgridValidates",
        "key": sendgrid_key()[1],
        "signature": request.headers[SIGNATURE_HEADER],
        "timestamp": request.headers[TIMESTAMP_HEADER],
        "body": request.body.decode(),
    }
    forged = [
        case | {"body": case["body"].replace("bounce", "Bounce")},
        case | {"timestamp": "1"},
        case | {"key": sendgrid_key(2)[1]},
        case | {"signature": ""},
    ]
    assert await said(case, *forged) == [True, False, False, False, False]


@pytest.mark.peer(provider="sendgrid", peer="node crypto", exercises="callbacks that it signs are taken")
async def test_what_node_signs_for_sendgrid_is_taken() -> None:
    body = json.dumps([sendgrid_event(ID, "bounce", type="bounce", reason=WORDS)], ensure_ascii=False)
    now = datetime.now(UTC)
    timestamp = str(int(now.timestamp()))
    [signed] = await said({"does": "sendgridSigns", "timestamp": timestamp, "body": body})
    headers = {SIGNATURE_HEADER: signed["signature"], TIMESTAMP_HEADER: timestamp}
    reader = sendgrid_reader(sendgrid_webhook_key=signed["key"])
    [receipt] = await reader.read(CallbackRequest(PUBLIC_URL, headers, body.encode()), now)
    assert receipt.notification_id == ID
    with pytest.raises(ForgedCallback):
        await sendgrid_reader().read(CallbackRequest(PUBLIC_URL, headers, body.encode()), now)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [None, "Grüße 📵"])
@pytest.mark.peer(provider="ses", peer=SNS, exercises="it and Tidings take and refuse the same callbacks")
async def test_the_sns_validator_and_tidings_say_the_same(version: str, subject: str | None) -> None:
    given: dict[str, Any] = {"SignatureVersion": version, "Subject": subject}
    genuine = [
        ses_callback(ses_event(ID, "Bounce", bounce={"bouncedRecipients": [{"status": WORDS}]}), **given),
        ses_callback(ses_event(ID) | {"more": WORDS}, **given),
    ]
    if subject is None:
        genuine.append(ses_callback(kind="SubscriptionConfirmation", SignatureVersion=version))
    messages = [json.loads(request.body) for request in genuine]
    changed = [fields | {"Message": fields["Message"] + " "} for fields in messages]
    others = [fields | {"SignatureVersion": "1" if version == "2" else "2"} for fields in messages]
    elsewhere = [fields | {"SigningCertURL": "https://evil.example/a.pem"} for fields in messages]
    cases = [
        {"does": "snsValidates", "fields": fields, "certificate": sns_certificate()[1].decode()}
        for fields in (*messages, *changed, *others, *elsewhere)
    ]
    assert await said(*cases) == [True] * len(messages) + [False] * 3 * len(messages)
    for request in genuine:
        await ses_reader().read(request, datetime.now(UTC))
