"""`sandbox`: hands a message to the sandbox's inbox as it is, whatever its channel.

For test keys alone: where they pin it, and in place of each provider that cannot speak to the sandbox itself.
A webhook shows there what its receiver would get.
"""

import base64
import json
from typing import Self

import aiohttp

from tidings.domain.vocabulary import Channel
from tidings.providers.http_call import HttpAnswer, open_session, post
from tidings.providers.http_outcome import failure_for
from tidings.providers.protocol import Acceptance, OutgoingAttachment, OutgoingMessage
from tidings.providers.webhook import payload
from tidings.settings import ProviderSettings


class SandboxProvider:
    """Speaks to `python -m tidings.sandbox`."""

    name = "sandbox"

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._url = f"{settings.sandbox_url.rstrip('/')}/sink"
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def build(cls, settings: ProviderSettings) -> Self:
        """From the shared settings alone."""
        return cls(settings)

    async def send(self, message: OutgoingMessage) -> Acceptance:
        """POST the message to its channel's sink; the answer's `reference` is the acceptance's."""
        content = {
            "notification_id": str(message.notification_id),
            "recipient": message.recipient,
            "subject": message.subject,
            "body": payload(message) if message.channel is Channel.WEBHOOK else message.body,
            "html": message.html,
            "metadata": message.metadata,
            "data": message.data,
            "collapse_key": message.collapse_key,
            "attachments": [_file(attachment) for attachment in message.attachments],
            "tags": list(message.tags),
        }
        if self._session is None:
            self._session = open_session(self._settings)
        headers = {"Content-Type": "application/json"}
        url = f"{self._url}/{message.channel}"
        answer = await post(self._session, url, json.dumps(content).encode(), headers)
        failure = failure_for(answer.status, answer.headers, answer.text)
        if failure is not None:
            raise failure
        return Acceptance(reference=_reference(answer))

    async def aclose(self) -> None:
        """Close pooled connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _file(attachment: OutgoingAttachment) -> dict[str, str | None]:
    return {
        "filename": attachment.filename,
        "content_type": attachment.content_type,
        "content": base64.b64encode(attachment.content).decode(),
        "content_id": attachment.content_id,
    }


def _reference(answer: HttpAnswer) -> str | None:
    try:
        content = json.loads(answer.text)
    except ValueError:
        return None
    reference = content.get("reference") if isinstance(content, dict) else None
    return reference if isinstance(reference, str) else None
