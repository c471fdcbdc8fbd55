"""Certificates and confirmations of SNS: what is fetched for a callback, when, and from whom alone."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.callbacks import (
    CERTIFICATE_URL,
    TOPIC,
    ServedSns,
    ses_callback,
    ses_event,
    ses_reader,
    sns_certificate,
    sns_request,
)
from tidings.domain.identifiers import new_id
from tidings.domain.receipt import Receipt
from tidings.errors import CallbackPostponed, ForgedCallback
from tidings.providers.callbacks.protocol import CallbackRequest
from tidings.providers.callbacks.sns_message import is_certificate_address, is_confirmation_address

ID = new_id()


async def read(request: CallbackRequest, calls: ServedSns | None = None) -> list[Receipt]:
    return await ses_reader(calls).read(request, datetime.now(UTC))


async def test_the_certificate_is_fetched_once_however_many_ask() -> None:
    calls = ServedSns()
    reader = ses_reader(calls)
    requests = [ses_callback(ses_event(ID)) for _ in range(20)]
    found = await asyncio.gather(*(reader.read(request, datetime.now(UTC)) for request in requests))
    assert [len(receipts) for receipts in found] == [1] * 20
    assert calls.called == [CERTIFICATE_URL]
    await reader.aclose()
    assert calls.closed


async def test_of_many_certificates_the_oldest_goes_first() -> None:
    private, pem = sns_certificate()
    addresses = [CERTIFICATE_URL.replace(".pem", f"{number}.pem") for number in range(9)]
    calls = ServedSns(dict.fromkeys(addresses, pem))
    reader = ses_reader(calls)
    for address in (*addresses, addresses[-1], addresses[0]):
        request = ses_callback(ses_event(ID), key=private, SigningCertURL=address)
        assert len(await reader.read(request, datetime.now(UTC))) == 1
    assert calls.called == [*addresses, addresses[0]]


async def test_certificates_of_forgeries_displace_none() -> None:
    others = [CERTIFICATE_URL.replace(".pem", f"{number}.pem") for number in range(20)]
    calls = ServedSns({CERTIFICATE_URL: sns_certificate()[1], **dict.fromkeys(others, sns_certificate(2)[1])})
    reader = ses_reader(calls)
    await reader.read(ses_callback(ses_event(ID)), datetime.now(UTC))
    for address in others:
        with pytest.raises(ForgedCallback):
            await reader.read(ses_callback(ses_event(ID), SigningCertURL=address), datetime.now(UTC))
    assert len(await reader.read(ses_callback(ses_event(ID)), datetime.now(UTC))) == 1
    assert calls.called.count(CERTIFICATE_URL) == 1


async def test_a_certificate_that_cannot_be_had_now_is_asked_for_again() -> None:
    calls = ServedSns(error=CallbackPostponed("no answer"))
    reader, request = ses_reader(calls), ses_callback(ses_event(ID))
    with pytest.raises(CallbackPostponed):
        await reader.read(request, datetime.now(UTC))
    calls.error = None
    assert len(await reader.read(request, datetime.now(UTC))) == 1


async def test_a_certificate_that_is_none_or_anothers_or_over() -> None:
    bare = ec.generate_private_key(ec.SECP256R1()).public_key()
    pages = [
        b"",
        b"<html>",
        bare.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        sns_certificate(2)[1],
    ]
    for page in pages:
        with pytest.raises(ForgedCallback):
            await read(ses_callback(ses_event(ID)), ServedSns({CERTIFICATE_URL: page}))
    private, expired = sns_certificate(3, days=-1)
    with pytest.raises(ForgedCallback):
        await read(ses_callback(ses_event(ID), key=private), ServedSns({CERTIFICATE_URL: expired}))


HOSTILE = [
    "",
    "http://sns.eu-west-1.amazonaws.com",
    "HTTPS://sns.eu-west-1.amazonaws.com",
    "https://sns.eu-west-1.amazonaws.com:443",
    "https://sns.eu-west-1.amazonaws.com:8443",
    "https://sns.eu-west-1.amazonaws.com.evil.example",
    "https://sns.eu-west-1.amazonaws.com@evil.example",
    "https://evil.example\\@sns.eu-west-1.amazonaws.com",
    "https://user:pass@sns.eu-west-1.amazonaws.com",
    "https://evil.example/https://sns.eu-west-1.amazonaws.com",
    "https://evil.example#sns.eu-west-1.amazonaws.com",
    "https://evil.example?sns.eu-west-1.amazonaws.com",
    "https://sns.evil.example",
    "https://snsxeu-west-1.amazonaws.com",
    "https://sns.eu-west-1.amazonawsxcom",
    "https://sns.eu.west.amazonaws.com",
    "https://s3.eu-west-1.amazonaws.com",
    "https://mysns.eu-west-1.amazonaws.com",
    "https://sns.eu-west-1.amazonaws.com.au",
    "https://127.0.0.1",
    "https://[::1]",
    "https://sns.\uff45u-west-1.amazonaws.com",
    "\thttps://sns.eu-west-1.amazonaws.com",
    "https://sns.eu-west-1.amazonaws.com\n",
    "file://sns.eu-west-1.amazonaws.com",
]
CERTIFICATE_PATH = CERTIFICATE_URL.partition(".com")[2]
CONFIRMATION_PATH = f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=x"


@pytest.mark.parametrize("origin", HOSTILE)
async def test_only_addresses_of_sns_are_called(origin: str) -> None:
    assert not is_certificate_address(origin + CERTIFICATE_PATH)
    assert not is_confirmation_address(origin + CONFIRMATION_PATH, TOPIC)
    calls = ServedSns()
    with pytest.raises(ForgedCallback):
        await read(ses_callback(ses_event(ID), SigningCertURL=origin + CERTIFICATE_PATH), calls)
    assert calls.called == []
    request = ses_callback(kind="SubscriptionConfirmation", SubscribeURL=origin + CONFIRMATION_PATH)
    with pytest.raises(ForgedCallback):
        await read(request, calls)
    assert set(calls.called) <= {CERTIFICATE_URL}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/x.pem",
        "/?Action=Publish&Message=-----BEGIN.pem",
        CERTIFICATE_PATH + "?x",
        CERTIFICATE_PATH + "#x",
        CERTIFICATE_PATH + "/",
        "/.." + CERTIFICATE_PATH,
        "/" + CERTIFICATE_PATH,
        CERTIFICATE_PATH.replace("0a", "%41", 1),
        CERTIFICATE_PATH.replace(".pem", ".PEM"),
        CERTIFICATE_PATH + "\n",
    ],
)
def test_only_certificates_are_fetched(path: str) -> None:
    assert not is_certificate_address("https://sns.eu-west-1.amazonaws.com" + path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/?",
        "/?Action=ConfirmSubscription",
        "/?Action=Publish&TopicArn=" + TOPIC,
        f"/?Action=ConfirmSubscription&TopicArn={TOPIC}2",
        f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&Action=Publish",
        f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&TopicArn=x",
        f"/x?Action=ConfirmSubscription&TopicArn={TOPIC}",
    ],
)
def test_only_this_topic_is_confirmed(path: str) -> None:
    assert not is_confirmation_address("https://sns.eu-west-1.amazonaws.com" + path, TOPIC)


@pytest.mark.parametrize("origin", ["sns.us-gov-west-1.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn"])
def test_every_region_has_its_address(origin: str) -> None:
    assert is_certificate_address(f"https://{origin}{CERTIFICATE_PATH}")
    assert is_confirmation_address(f"https://{origin}{CONFIRMATION_PATH}", TOPIC)


async def test_a_subscription_of_an_allowed_topic_is_confirmed() -> None:
    calls, request = ServedSns(), ses_callback(kind="SubscriptionConfirmation")
    assert await read(request, calls) == []
    assert calls.called == [CERTIFICATE_URL, json.loads(request.body)["SubscribeURL"]]


async def test_a_confirmation_that_fails_is_asked_for_again() -> None:
    calls, reader = ServedSns(), ses_reader()
    reader.calls = calls
    await reader.read(ses_callback(ses_event(ID)), datetime.now(UTC))
    calls.error = CallbackPostponed("no answer")
    with pytest.raises(CallbackPostponed):
        await reader.read(ses_callback(kind="SubscriptionConfirmation"), datetime.now(UTC))


async def test_an_end_of_a_subscription_changes_nothing() -> None:
    calls = ServedSns()
    assert await read(ses_callback(kind="UnsubscribeConfirmation"), calls) == []
    assert calls.called == [CERTIFICATE_URL]


@pytest.mark.parametrize("name", ["Token", "SubscribeURL"])
async def test_a_confirmation_that_was_changed(name: str) -> None:
    fields = json.loads(ses_callback(kind="SubscriptionConfirmation").body)
    calls = ServedSns()
    with pytest.raises(ForgedCallback):
        await read(sns_request(fields | {name: fields[name] + "0"}), calls)
    assert calls.called == [CERTIFICATE_URL]


async def test_a_notification_is_no_confirmation() -> None:
    fields = json.loads(ses_callback(ses_event(ID)).body)
    more = json.loads(ses_callback(kind="SubscriptionConfirmation").body)
    forged = more | {name: fields[name] for name in ("Message", "MessageId", "Timestamp", "Signature")}
    with pytest.raises(ForgedCallback):
        await read(sns_request(forged))
