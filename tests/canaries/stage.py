"""A whole system of its own, everything in it real, in which every secret is a canary."""

import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from temporalio.client import Client

from tests import push_keys
from tests.callbacks import PUBLIC_URL, TOPIC, sendgrid_key
from tests.canaries.canary import Canaries
from tests.canaries.peers import QuotingMail, echo, quoting_mail
from tests.collector import Collector, collecting
from tests.integration.command_line import Ended, tidings
from tests.processes import System, running_system
from tests.provider_support import RunningSandbox, running_sandbox
from tests.support import eventually, free_port
from tests.tokens import AUDIENCE, ISSUER
from tidings.database.migrations import upgrade
from tidings.local.postgres import PostgresServer
from tidings.local.temporal_server import TemporalServer
from tidings.temporal.encryption.converter import data_converter
from tidings.temporal.encryption.keys import Key, Keyring, new_key

LONG_WAIT = '{"attempts": 3, "first": 3600, "factor": 1, "cap": 3600, "jitter": 0}'
SHORT_WAIT = '{"attempts": 2, "first": 0.1, "factor": 1, "cap": 1, "jitter": 0}'


@dataclass(frozen=True)
class Stage:
    """The system, who is around it, and the canaries that it has been given."""

    canaries: Canaries
    system: System
    client: Client
    """Of somebody who has the key."""
    temporal: TemporalServer
    postgres: PostgresServer
    sandbox: RunningSandbox
    mail: QuotingMail
    echo_url: str
    collector: Collector
    settings: dict[str, str]
    ids: list[str] = field(default_factory=list)
    """Notifications that were accepted."""
    printed: list[bytes] = field(default_factory=list)
    """By commands, but for notifications that they were asked for."""

    async def submitted(self, headers: dict[str, str] | None = None, **fields: Any) -> str:
        """The id of a notification that was accepted, with a subject and a body unless given."""
        given = {"body": self.canaries.text("body"), "metadata": self.metadata(), "tags": [self.word("tag")]}
        id = await self.system.submitted({**given, **fields}, headers)
        self.ids.append(id)
        return id

    async def reaches(self, status: str, **fields: Any) -> str:
        """Submit, and wait for that status; its id."""
        id = await self.submitted(**fields)
        await self.system.reaches(id, status)
        return id

    async def attempted(self, id: str, count: int) -> None:
        """Wait until it has come to an end after that many attempts."""

        async def there() -> bool:
            _, answer = await self.system.call("GET", f"/v1/notifications/{id}")
            assert (answer["attempt_count"], answer["status"]) == (count, "failed"), answer
            return True

        await eventually(there)

    async def reference(self, id: str) -> str:
        """By which name the provider knows it."""
        _, answer = await self.system.call("GET", f"/v1/notifications/{id}")
        assert answer["provider_reference"], answer
        return str(answer["provider_reference"])

    def mail_fields(self, beginning: str = "") -> dict[str, Any]:
        """An e-mail with all its parts."""
        c = self.canaries
        file = f"{c.word('file name')}.txt", base64.b64encode(c.text("file").encode()).decode()
        return {
            "channel": "email",
            "recipient": f"{beginning}{c.address()}",
            "subject": c.text("subject"),
            "html": f"<p>{c.text('html')}</p>",
            "attachments": [{"filename": file[0], "content_type": "text/plain", "content": file[1]}],
        }

    def metadata(self) -> dict[str, Any]:
        """Keys and values."""
        return {self.word("metadata key"): {"note": [self.canaries.text("metadata")]}}

    def reason(self) -> str:
        """What a person types: a word, which the trace shows, and whom it is about, which it does not."""
        c = self.canaries
        return f"{c.word('reason')}: {c.address()} called from {c.number()}"

    def word(self, kind: str) -> str:
        """A new canary."""
        return self.canaries.word(kind)

    async def command(self, *arguments: str) -> Ended:
        """One of `tidings`, on this system, with all its secrets."""
        ours = {name: value for name, value in self.settings.items() if not name.startswith("OTEL_")}
        ended = await tidings(*arguments, **ours, **self.system.surroundings)
        shows = arguments[0] in ("show", "list") or arguments[1:] == ("list",)
        self.printed.append((ended.err if shows else ended.out + ended.err).encode())
        return ended


@asynccontextmanager
async def staged(folder: Path, *, sealed: bool = True) -> AsyncIterator[Stage]:
    """Run it for the block. `sealed`: whether payloads are."""
    canaries = Canaries()
    temporal = TemporalServer(
        *(free_port(), free_port()),
        db_file=folder / "temporal" / "temporal.db",
        log_file=folder / "temporal.log",
        dynamic_config=["limit.historyCount.suggestContinueAsNew=50"],
    )
    postgres = PostgresServer(folder / "postgres", free_port())
    async with AsyncExitStack() as stack:
        for server in (temporal, postgres):
            stack.push_async_callback(server.stop, hurry=True)
            await server.start()
        await upgrade(postgres.database_url())
        sandbox = await stack.enter_async_context(running_sandbox())
        mail = await stack.enter_async_context(quoting_mail())
        echo_url = await stack.enter_async_context(echo())
        collector = await stack.enter_async_context(collecting())
        key = new_key(now=datetime.now(UTC))
        password = urlsplit(postgres.database_url()).password
        assert password
        canaries.secret("database password", password)
        settings = {
            **surroundings(canaries, sandbox.url, key),
            "TIDINGS_SANDBOX_SMTP_PORT": str(sandbox.smtp_port),
            "TIDINGS_CODEC": "on" if sealed else "off",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"x-key={canaries.secret('collector key', secrets.token_hex(16))}",
            "TIDINGS_WORKER_METRICS_PORT": str(free_port()),
        }
        system = await stack.enter_async_context(
            running_system(
                folder,
                temporal_address=temporal.address,
                database_url=postgres.database_url(),
                smtp_port=mail.port,
                **settings,
            )
        )
        canaries.secret("API key", system.key)
        converter = data_converter(Keyring((key,), seals=sealed))
        client = await Client.connect(temporal.address, data_converter=converter)
        yield Stage(
            *(canaries, system, client, temporal, postgres, sandbox, mail, echo_url, collector, settings)
        )


def surroundings(canaries: Canaries, url: str, codec_key: Key) -> dict[str, str]:
    """Every provider set up, at the sandbox, and every secret that there is."""
    c = canaries

    def random(kind: str) -> str:
        return c.secret(kind, secrets.token_hex(16))

    def key(kind: str) -> str:
        return c.secret(kind, base64.b64encode(secrets.token_bytes(32)).decode())

    apns, google = push_keys.elliptic_key()[0], push_keys.rsa_key()[0]
    c.secret("codec key", base64.b64encode(codec_key.secret).decode())
    for pem in (apns, google):
        c.secret("private key", pem.splitlines()[1])
    return {
        "TIDINGS_LOG_LEVEL": "DEBUG",
        "TIDINGS_PUBLIC_URL": PUBLIC_URL,
        "TIDINGS_SANDBOX_URL": url,
        "TIDINGS_SANDBOX_SECRET": f"whsec_{key('sandbox secret')}",
        "TIDINGS_WEBHOOK_SECRET": f"whsec_{key('webhook secret')}",
        "TIDINGS_WEBHOOK_SIGNING_KEY": key("signing key"),
        "TIDINGS_CODEC_KEYS": str(codec_key),
        "TIDINGS_CODEC_TOKEN": random("codec token"),
        "TIDINGS_SMTP_USERNAME": f"{c.word('SMTP user')}@relay.example.com",
        "TIDINGS_SMTP_PASSWORD": random("SMTP password"),
        "TIDINGS_SENDGRID_URL": url,
        "TIDINGS_SENDGRID_API_KEY": f"SG.{random('SendGrid key')}",
        "TIDINGS_SENDGRID_WEBHOOK_KEY": sendgrid_key()[1],
        "TIDINGS_TWILIO_URL": url,
        "TIDINGS_TWILIO_ACCOUNT_SID": f"AC{random('Twilio account')}",
        "TIDINGS_TWILIO_AUTH_TOKEN": random("Twilio token"),
        "TIDINGS_TWILIO_FROM": "+14155552345",
        "TIDINGS_AWS_REGION": "eu-west-1",
        "TIDINGS_AWS_ACCESS_KEY_ID": random("AWS key"),
        "TIDINGS_AWS_SECRET_ACCESS_KEY": random("AWS secret"),
        "TIDINGS_AWS_SESSION_TOKEN": random("AWS session"),
        "TIDINGS_SES_URL": url,
        "TIDINGS_SES_TOPICS": TOPIC,
        "TIDINGS_SNS_URL": url,
        "TIDINGS_FCM_SERVICE_ACCOUNT": push_keys.service_account(f"{url}/fcm/token"),
        "TIDINGS_FCM_URL": f"{url}/fcm",
        "TIDINGS_APNS_KEY": apns,
        "TIDINGS_APNS_KEY_ID": push_keys.KEY_ID,
        "TIDINGS_APNS_TEAM_ID": push_keys.TEAM,
        "TIDINGS_APNS_TOPIC": push_keys.TOPIC,
        "TIDINGS_APNS_URL": url,
        "TIDINGS_WEBPUSH_PRIVATE_KEY": apns,
        "TIDINGS_WEBPUSH_SUBJECT": "mailto:ops@example.com",
        "TIDINGS_JWT_SECRET": random("JWT secret"),
        "TIDINGS_JWT_ISSUER": ISSUER,
        "TIDINGS_JWT_AUDIENCE": AUDIENCE,
        "TIDINGS_RETRY_EMAIL": SHORT_WAIT,
        "TIDINGS_RETRY_CHAT": SHORT_WAIT,
        "TIDINGS_RETRY_PUSH": SHORT_WAIT,
        "TIDINGS_RETRY_SMS": LONG_WAIT,
    }
