"""A notification that pins a provider, through API, Temporal and a worker set up by variables."""

from pathlib import Path

from tests.integration.api import make_key, reaches, running_api
from tests.provider_support import running_sandbox
from tests.worker_process import worker_process
from tidings.local.temporal_server import TemporalServer

ACCOUNT = "AC" + "a" * 32


async def test_twilio_and_sendgrid_are_pinned_and_their_references_kept(
    temporal_server: TemporalServer, database_url: str, tmp_path: Path
) -> None:
    key, _ = await make_key(database_url)
    async with (
        running_sandbox() as running,
        running_api(database_url, temporal_server.address, key=key) as api,
        worker_process(
            tmp_path / "worker.log",
            temporal_address=temporal_server.address,
            database_url=database_url,
            smtp_port=running.smtp_port,
            TIDINGS_TWILIO_URL=running.url,
            TIDINGS_TWILIO_ACCOUNT_SID=ACCOUNT,
            TIDINGS_TWILIO_AUTH_TOKEN="token",
            TIDINGS_TWILIO_FROM="+14155552345",
            TIDINGS_SENDGRID_URL=running.url,
        ),
    ):
        sms = {"channel": "sms", "provider": "twilio", "subject": None}
        sent = await api.submitted(**sms, recipient="+14155550100")
        refused = await api.submitted(**sms, recipient="+14155550002")
        # No key is set.
        mail = await api.submitted(recipient="ada@example.com", provider="sendgrid")

        [attempt] = (await reaches(api, sent, "sent")).json["attempts"]
        assert (attempt["provider"], attempt["outcome"]) == ("twilio", "accepted")
        assert attempt["provider_reference"].startswith("SM")
        [message] = running.sandbox.inbox
        assert (message.provider, message.notification_id) == ("twilio", sent)

        [attempt] = (await reaches(api, refused, "failed")).json["attempts"]
        assert (attempt["outcome"], attempt["error"]["code"]) == ("permanent", "twilio_21211")
        [attempt] = (await reaches(api, mail, "failed")).json["attempts"]
        assert (attempt["outcome"], attempt["error"]["code"]) == ("permanent", "sendgrid_not_set_up")
