"""Test and live keys, through API, Temporal and a worker: what is tried out reaches nobody, and what is meant
never stands in the sandbox. Whoever must not be reached is a server here that counts who comes."""

import asyncio
import base64
import contextlib
import importlib.util
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests import push_keys
from tests.integration.api import Api, attempted, make_key, reaches, running_api
from tests.provider_support import (
    RunningSandbox,
    ScriptedSmtp,
    outgoing,
    provider_settings,
    running_sandbox,
    serving,
)
from tests.support import eventually
from tests.worker_process import worker_process
from tidings.domain.api_key import new_secret
from tidings.domain.identifiers import new_id
from tidings.domain.providers import BUILT_IN
from tidings.domain.vocabulary import Channel, KeyMode
from tidings.errors import SendFailure
from tidings.local.temporal_server import TemporalServer
from tidings.providers.registry import SandboxedProviders

SECRET = "f00d" * 8
RECIPIENTS = {
    Channel.EMAIL: "ada@example.com",
    Channel.SMS: "+14155550100",
    Channel.PUSH: "device-token-1",
    Channel.WEBHOOK: "https://example.com/hook",
    Channel.CHAT: "slack://TokenA/TokenB/TokenC/#general",
}
ROUTES = [(channel, entry.name) for entry in BUILT_IN for channel in entry.channels if not entry.test_only]
SHOWN_AS_THEY_ARE = {"webhook", "webpush", "apprise"}
needs_push = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("jwt", "httpx2", "h2")),
    reason="needs the extra 'push'",
)
needs_aws = pytest.mark.skipif(
    importlib.util.find_spec("aiobotocore") is None, reason="needs the extra 'aws'"
)


@dataclass
class Canary:
    """A server that nobody may reach."""

    port: int = 0
    visits: int = 0

    @property
    def url(self) -> str:
        """Its address by HTTP."""
        return f"http://127.0.0.1:{self.port}"

    async def __call__(self, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        """Count, and hang up."""
        self.visits += 1


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    canary = Canary()
    async with serving(canary) as canary.port:
        yield canary


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with running_sandbox() as running:
        yield running


@dataclass(frozen=True)
class Keys:
    """A tenant's keys."""

    live: str
    test: str


@pytest.fixture
async def keys(database_url: str) -> Keys:
    tenant = f"tenant-{new_id()}"
    live, _ = await make_key(database_url, tenant)
    test, _ = await make_key(database_url, tenant, new_secret(KeyMode.TEST))
    return Keys(live, test)


def set_up(url: str) -> dict[str, str]:
    """Every provider set up for vendors at `url`, with credentials; mail apart."""
    return {
        "TIDINGS_SENDGRID_URL": url,
        "TIDINGS_SENDGRID_API_KEY": SECRET,
        "TIDINGS_TWILIO_URL": url,
        "TIDINGS_TWILIO_ACCOUNT_SID": f"AC{SECRET}",
        "TIDINGS_TWILIO_AUTH_TOKEN": SECRET,
        "TIDINGS_TWILIO_FROM": "+14155552345",
        "TIDINGS_AWS_REGION": "eu-west-1",
        "TIDINGS_AWS_ACCESS_KEY_ID": SECRET,
        "TIDINGS_AWS_SECRET_ACCESS_KEY": SECRET,
        "TIDINGS_AWS_SESSION_TOKEN": SECRET,
        "TIDINGS_SES_URL": url,
        "TIDINGS_SNS_URL": url,
        "TIDINGS_FCM_SERVICE_ACCOUNT": push_keys.service_account(f"{url}/fcm/token", client_email=SECRET),
        "TIDINGS_FCM_URL": f"{url}/fcm",
        "TIDINGS_APNS_KEY": push_keys.elliptic_key()[0],
        "TIDINGS_APNS_KEY_ID": SECRET[:10],
        "TIDINGS_APNS_TEAM_ID": SECRET[:10],
        "TIDINGS_APNS_TOPIC": "com.example.app",
        "TIDINGS_APNS_URL": url,
        "TIDINGS_SMTP_USERNAME": SECRET,
        "TIDINGS_SMTP_PASSWORD": SECRET,
        "TIDINGS_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "TIDINGS_ROUTE_SMS": '["twilio", "sns"]',
    }


@dataclass(frozen=True)
class System:
    """An API, and the servers around it."""

    api: Api
    keys: Keys

    async def sent(self, key: str, channel: Channel, **fields: Any) -> dict[str, Any]:
        """Submit one with this key, and wait until it is sent."""
        defaults = {"channel": channel, "recipient": RECIPIENTS[channel], "body": "Kód 7 📦"}
        subject = {} if channel is Channel.SMS else {"subject": "Hello"}
        answer = await self.api.post("/v1/notifications", key=key, json={**defaults, **subject, **fields})
        assert answer.status == 201, answer.text
        found: dict[str, Any] = (await attempted(self.api, answer.json["id"], "sent")).json
        return found


@asynccontextmanager
async def system(
    temporal: TemporalServer, database_url: str, keys: Keys, folder: Path, smtp_port: int, **given: str
) -> AsyncIterator[System]:
    async with (
        running_api(database_url, temporal.address, key=keys.live) as api,
        worker_process(
            folder / "worker.log",
            temporal_address=temporal.address,
            database_url=database_url,
            smtp_port=smtp_port,
            **given,
        ),
    ):
        yield System(api, keys)


@needs_push
@needs_aws
async def test_what_a_test_key_submits_reaches_the_sandbox_and_no_vendor(
    temporal_server: TemporalServer,
    database_url: str,
    tmp_path: Path,
    keys: Keys,
    canary: Canary,
    sandbox: RunningSandbox,
) -> None:
    there = {"TIDINGS_SANDBOX_URL": sandbox.url, "TIDINGS_SANDBOX_SMTP_PORT": str(sandbox.smtp_port)}
    environment = set_up(canary.url) | there
    inbox = sandbox.sandbox.inbox
    async with system(temporal_server, database_url, keys, tmp_path, canary.port, **environment) as running:
        for channel, name in ROUTES:
            inbox.clear()
            to = f"{canary.url}/hook" if channel is Channel.WEBHOOK else RECIPIENTS[channel]
            found = await running.sent(keys.test, channel, provider=name, recipient=to)
            [message] = inbox
            assert (found["mode"], found["attempts"][0]["provider"]) == ("test", name)
            assert (message.channel, message.recipient, message.notification_id) == (channel, to, found["id"])
            # By the vendor's own protocol, where there is one vendor; what leads to any URL is not dialled.
            assert message.provider == ("sandbox" if name in SHOWN_AS_THEY_ARE else name)
            assert "Kód 7 📦" in message.body
        for channel in Channel:
            inbox.clear()
            await running.sent(keys.test, channel, recipient=RECIPIENTS[channel])
            found = await running.sent(keys.test, channel, provider="sandbox")
            assert {message.channel for message in inbox} == {channel}
            assert len(inbox) == 2
            assert inbox.select(channel)[0].provider == "sandbox"

        # The live route, on which the next one takes over at once, and recipients that fail on purpose.
        failing = {"channel": "sms", "recipient": "+14155550001", "body": "Kód 7"}
        answer = await running.api.post("/v1/notifications", key=keys.test, json=failing)

        async def next_one_took_over() -> bool:
            found = (await running.api.get(f"/v1/notifications/{answer.json['id']}")).json
            return [attempt["provider"] for attempt in found["attempts"]][:2] == ["twilio", "sns"]

        await eventually(next_one_took_over)
        for channel, recipient in (
            (Channel.EMAIL, "permanent-failure@example.com"),
            (Channel.PUSH, "permanent-failure"),
            (Channel.WEBHOOK, "https://example.com/permanent-failure"),
        ):
            refused = {"channel": channel, "recipient": recipient, "subject": "Hello", "body": "Kód 7"}
            answer = await running.api.post("/v1/notifications", key=keys.test, json=refused)
            await reaches(running.api, answer.json["id"], "failed")
    assert canary.visits == 0


@dataclass
class Listener:
    """Takes all that is said to it, and answers nothing."""

    heard: bytes = b""

    async def __call__(self, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        """Listen, until a whole request must have come or the line is silent."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                while said := await reader.read(65_536):
                    self.heard += said


@needs_push
@needs_aws
@pytest.mark.parametrize(("channel", "name"), [route for route in ROUTES if route[1] != "smtp"])
async def test_real_credentials_never_go_to_the_sandbox(
    channel: Channel, name: str, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in set_up(canary.url).items():
        monkeypatch.setenv(variable, value)
    listener = Listener()
    async with serving(listener) as port:
        settings = provider_settings(
            sandbox_url=f"http://127.0.0.1:{port}", smtp_username=SECRET, webhook_secret=f"whsec_{SECRET}"
        )
        providers = SandboxedProviders(settings)
        with pytest.raises(SendFailure):
            await providers.get(name, channel).send(outgoing(channel, RECIPIENTS[channel]))
        await providers.aclose()
    assert listener.heard
    basic = re.findall(rb"Basic (\S+)", listener.heard)
    said = [listener.heard, *map(base64.b64decode, basic)]
    assert not any(SECRET.encode() in part or b"eu-west-1" in part for part in said)
    assert canary.visits == 0


async def test_no_mail_password_goes_to_the_sandbox() -> None:
    server = ScriptedSmtp()
    async with serving(server) as port:
        settings = provider_settings(
            smtp_host="192.0.2.1", sandbox_smtp_port=port, smtp_username=SECRET, smtp_password=SECRET
        )
        providers = SandboxedProviders(settings)
        await providers.get("smtp", Channel.EMAIL).send(outgoing(Channel.EMAIL, "ada@example.com"))
        await providers.aclose()
    assert len(server.contents) == 1
    assert not any(command.startswith("AUTH") for command in server.commands)


@needs_push
@needs_aws
async def test_what_a_live_key_submits_never_reaches_the_sandbox(
    temporal_server: TemporalServer,
    database_url: str,
    tmp_path: Path,
    keys: Keys,
    canary: Canary,
    sandbox: RunningSandbox,
) -> None:
    # The real sandbox plays the vendors here: they are reached, and where the sandbox should be nobody is.
    there = {"TIDINGS_SANDBOX_URL": canary.url, "TIDINGS_SANDBOX_SMTP_PORT": str(canary.port)}
    environment = set_up(sandbox.url) | there
    inbox = sandbox.sandbox.inbox
    async with system(
        temporal_server, database_url, keys, tmp_path, sandbox.smtp_port, **environment
    ) as running:
        for channel, name in ROUTES:
            if name in ("webpush", "apprise"):
                continue  # whom they call the recipient says, and no setting
            inbox.clear()
            to = f"{sandbox.url}/hooks/1" if channel is Channel.WEBHOOK else RECIPIENTS[channel]
            found = await running.sent(keys.live, channel, provider=name, recipient=to)
            [message] = inbox
            assert (found["mode"], message.provider, message.notification_id) == ("live", name, found["id"])
    async with system(
        temporal_server, database_url, keys, tmp_path, 1, **there, TIDINGS_SMTP_HOST=""
    ) as running:
        # With nothing set up either.
        for channel in (Channel.EMAIL, Channel.SMS, Channel.PUSH):
            subject = {} if channel is Channel.SMS else {"subject": "Hello"}
            body = {"channel": channel, "recipient": RECIPIENTS[channel], "body": "Hi", **subject}
            answer = await running.api.post("/v1/notifications", json=body)
            found = (await reaches(running.api, answer.json["id"], "failed")).json
            assert found["error"]["code"].endswith(("_not_set_up", "_not_configured"))
    assert canary.visits == 0


async def test_where_the_sandbox_stands_in_it_takes_what_nothing_is_set_up_for(
    temporal_server: TemporalServer, database_url: str, tmp_path: Path, keys: Keys, sandbox: RunningSandbox
) -> None:
    environment = {
        "TIDINGS_SANDBOX_URL": sandbox.url,
        "TIDINGS_SANDBOX_SMTP_PORT": str(sandbox.smtp_port),
        "TIDINGS_SANDBOX_STANDS_IN": "true",
        "TIDINGS_SMTP_HOST": "",
        "TIDINGS_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    inbox = sandbox.sandbox.inbox
    async with system(temporal_server, database_url, keys, tmp_path, 1, **environment) as running:
        for channel in (Channel.EMAIL, Channel.SMS, Channel.PUSH):
            inbox.clear()
            found = await running.sent(keys.live, channel)
            [message] = inbox
            assert (message.channel, message.notification_id) == (channel, found["id"])
        inbox.clear()
        await running.sent(keys.live, Channel.WEBHOOK, recipient=f"{sandbox.url}/hooks/1")
        [dialled] = inbox
        assert (dialled.provider, dialled.recipient) == ("webhook", f"{sandbox.url}/hooks/1")


async def test_a_test_under_an_idempotency_key_takes_no_live_notifications_place(
    temporal_server: TemporalServer, database_url: str, tmp_path: Path, keys: Keys, sandbox: RunningSandbox
) -> None:
    environment = {"TIDINGS_SANDBOX_URL": sandbox.url, "TIDINGS_SANDBOX_SMTP_PORT": str(sandbox.smtp_port)}
    headers = {"Idempotency-Key": f"order-{uuid4()}"}
    async with system(
        temporal_server, database_url, keys, tmp_path, sandbox.smtp_port, **environment
    ) as running:
        ids: dict[str, str] = {}
        for _ in range(2):
            for key in (keys.test, keys.live):
                body = {"channel": "email", "recipient": "ada@example.com", "subject": "Hi", "body": "Hi"}
                answer = await running.api.post("/v1/notifications", key=key, json=body, headers=headers)
                assert answer.status == 201
                assert ids.setdefault(key, answer.json["id"]) == answer.json["id"]
        assert len(set(ids.values())) == 2
        for key, mode in ((keys.test, "test"), (keys.live, "live")):
            assert (await reaches(running.api, ids[key], "sent")).json["mode"] == mode
            listed = (await running.api.get(f"/v1/notifications?mode={mode}")).json
            assert [found["id"] for found in listed["data"]] == [ids[key]]
        assert len(sandbox.sandbox.inbox) == 2


async def test_keys_change_what_is_of_their_own_mode_alone(
    temporal_server: TemporalServer, database_url: str, keys: Keys
) -> None:
    later = {"send_at": "2027-01-01T00:00:00Z"}
    every_hour = {
        "notification": {"channel": "sms", "recipient": "+14155550100", "body": "Hi"},
        "every": 3600,
        "paused": True,
    }
    async with running_api(database_url, temporal_server.address, key=keys.live, cancel_wait=0.2) as api:
        for own, other in ((keys.live, keys.test), (keys.test, keys.live)):
            body = {"channel": "email", "recipient": "ada@example.com", "subject": "Hi", "body": "Hi"}
            made = await api.post("/v1/notifications", key=own, json=body | later)
            path = f"/v1/notifications/{made.json['id']}"
            assert (await api.get(path, key=other)).status == 200
            for verb in ("cancel", "retry"):
                refused = await api.post(f"{path}/{verb}", key=other)
                assert (refused.status, refused.kind) == (403, "wrong-mode")
            assert (await api.get(path)).json["status"] == "scheduled"
            assert (await api.post(f"{path}/cancel", key=own)).status != 403

            schedule = await api.post("/v1/schedules", key=own, json=every_hour)
            path = f"/v1/schedules/{schedule.json['id']}"
            assert (await api.get(path, key=other)).json["mode"] == ("live" if own == keys.live else "test")
            for method, verb in (("POST", "/pause"), ("POST", "/resume"), ("DELETE", "")):
                assert (await api.call(method, path + verb, key=other)).kind == "wrong-mode"
            assert (await api.get(path, key=own)).json["paused"] is True
            assert (await api.call("DELETE", path, key=own)).status == 204


@pytest.mark.parametrize("channel", Channel)
async def test_a_live_key_cannot_pin_the_sandbox(
    temporal_server: TemporalServer, database_url: str, keys: Keys, channel: Channel
) -> None:
    async with running_api(database_url, temporal_server.address, key=keys.live) as api:
        subject = {} if channel is Channel.SMS else {"subject": "Hello"}
        body = {"channel": channel, "recipient": RECIPIENTS[channel], "body": "Hi", "provider": "sandbox"}
        refused = await api.post("/v1/notifications", json=body | subject)
        assert (refused.status, refused.pointers) == (422, ["/provider"])
