"""What `webhook` signs, verified as receivers do: npm standardwebhooks, npm svix, PyPI standardwebhooks."""

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.peers.npm import npm_package
from tests.provider_support import outgoing, provider_settings, running_sandbox
from tidings.domain.vocabulary import Channel
from tidings.domain.webhook_endpoint import MasterKeys, WebhookEndpoint
from tidings.providers.webhook import WebhookProvider

SCRIPT = Path(__file__).with_name("verify.js")
OLD, NEW, FOREIGN = (f"whsec_{letter * 32}" for letter in "ABC")
LIBRARIES = ["npm standardwebhooks", "npm svix", "PyPI standardwebhooks"]
PACKAGES = ("standardwebhooks@1.1.1", "svix@1.84.1")

pytestmark = pytest.mark.peer(provider="webhook", peer=", ".join((*PACKAGES, "PyPI standardwebhooks")))


async def received(secrets: str, own: tuple[str, ...] = ()) -> dict[str, Any]:
    """Headers and body as they came to a receiver, which may have an endpoint with secrets of its `own`."""
    async with running_sandbox() as running:
        settings = provider_settings(webhook_allowed_networks="127.0.0.0/8", webhook_secret=secrets)
        provider = WebhookProvider(settings)
        url = f"{running.url}/hooks/a"
        message = outgoing(Channel.WEBHOOK, url, subject="Grüße", body='日本語 🎉 "\\', signing_secrets=own)
        await provider.send(message)
        await provider.aclose()
        [hook] = running.sandbox.inbox
    return {"headers": {name.lower(): value for name, value in hook.headers}, "body": hook.body}


async def verified(*cases: dict[str, Any]) -> Iterator[dict[str, bool]]:
    """For each case, which libraries vouch for it. All that do must read the same payload."""
    modules = await npm_package(*PACKAGES)
    process = await asyncio.create_subprocess_exec(
        *("node", str(SCRIPT)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"NODE_PATH": str(modules), "PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    output, _ = await process.communicate(json.dumps(cases).encode())
    assert process.returncode == 0
    return map(_said, cases, json.loads(output))


def _said(case: dict[str, Any], by_node: dict[str, Any]) -> dict[str, bool]:
    said = {f"npm {name}": answer for name, answer in by_node.items()}
    try:
        said["PyPI standardwebhooks"] = {
            "payload": Webhook(case["secret"]).verify(case["body"], case["headers"])
        }
    except WebhookVerificationError as error:
        said["PyPI standardwebhooks"] = {"refused": str(error)}
    payloads = [answer["payload"] for answer in said.values() if "payload" in answer]
    assert all(payload == json.loads(case["body"]) for payload in payloads)
    return {name: "payload" in answer for name, answer in said.items()}


def changed(case: dict[str, Any], **headers: str) -> dict[str, Any]:
    return case | {"headers": case["headers"] | {name.replace("_", "-"): to for name, to in headers.items()}}


@pytest.mark.peer(exercises="two secrets sign while one is rotated")
async def test_every_library_verifies_the_signature_of_each_secret_while_one_is_rotated() -> None:
    delivery = await received(f"{OLD} {NEW}")
    with_old, with_new, with_foreign = [delivery | {"secret": secret} for secret in (OLD, NEW, FOREIGN)]
    by_old, by_new, by_foreign = await verified(with_old, with_new, with_foreign)
    assert by_old == by_new == dict.fromkeys(LIBRARIES, True)
    assert not any(by_foreign.values())


@pytest.mark.peer(exercises="an endpoint's secrets, until the overlap ends")
async def test_every_library_verifies_an_endpoints_secrets_until_the_overlap_ends() -> None:
    now = datetime.now(UTC)
    keys = MasterKeys(" ".join(base64.b64encode(letter * 32).decode() for letter in (b"n", b"o")))
    old_key = MasterKeys(base64.b64encode(b"o" * 32).decode()).newest
    before = WebhookEndpoint(
        id=UUID(int=1), tenant="acme", url="https://example.com", version=1, key_id=old_key, created_at=now
    )
    after = before.model_copy(
        update={
            "version": 2,
            "key_id": keys.newest,
            "previous_key_id": old_key,
            "previous_until": now + timedelta(hours=1),
        }
    )
    old, new = keys.secret(before), keys.secret(after)
    during = await received(FOREIGN, keys.signing_secrets(after, now))
    afterwards = await received(FOREIGN, keys.signing_secrets(after, now + timedelta(hours=1)))
    cases = [case | {"secret": secret} for case in (during, afterwards) for secret in (old, new, FOREIGN)]
    said = [set(by_library.values()) for by_library in await verified(*cases)]
    assert said == [{True}, {True}, {False}, {False}, {True}, {False}]


@pytest.mark.peer(exercises="changed body, id, time or signature: refused")
async def test_no_library_verifies_what_was_changed_on_the_way() -> None:
    genuine = await received(NEW) | {"secret": NEW}
    headers = genuine["headers"]
    forged = [
        genuine | {"body": genuine["body"].replace("日本語", "日本")},
        changed(genuine, webhook_id="another"),
        changed(genuine, webhook_timestamp=str(int(headers["webhook-timestamp"]) + 1)),
        changed(genuine, webhook_signature=headers["webhook-signature"].replace("v1,", "v2,")),
        changed(genuine, webhook_signature="v1,"),
    ]
    by_genuine, *by_forged = await verified(genuine, *forged)
    assert all(by_genuine.values())
    assert not any(said for by_one in by_forged for said in by_one.values())


@pytest.mark.peer(exercises="a retired secret: refused")
async def test_the_same_delivery_under_a_retired_secret_is_refused() -> None:
    [said] = await verified(await received(NEW) | {"secret": OLD})
    assert not any(said.values())
