"""One message by one provider, as its tests send it: what became of it, and no connection left open."""

from typing import Any

import pytest

from tests.provider_support import outgoing
from tidings.domain.vocabulary import Channel
from tidings.errors import SendFailure
from tidings.providers.protocol import Acceptance, OutgoingMessage, Provider


def sms(recipient: str = "+14155550100", **given: Any) -> OutgoingMessage:
    """An SMS."""
    return outgoing(Channel.SMS, recipient, **{"subject": None, **given})


def mail(recipient: str = "ada@example.com", **given: Any) -> OutgoingMessage:
    """A mail."""
    return outgoing(Channel.EMAIL, recipient, **given)


async def deliver(provider: Provider, message: OutgoingMessage) -> Acceptance:
    """Send, and close the provider whatever comes of it."""
    try:
        return await provider.send(message)
    finally:
        await provider.aclose()


async def refused(provider: Provider, message: OutgoingMessage) -> SendFailure:
    """The failure of a message that must fail."""
    with pytest.raises(SendFailure) as raised:
        await deliver(provider, message)
    return raised.value
