"""The providers by name and channel."""

from dataclasses import dataclass

import pytest

from tests.provider_support import CREATED_AT, provider_settings
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Notification
from tidings.domain.providers import BUILT_IN, ProviderEntry
from tidings.domain.vocabulary import Channel
from tidings.errors import ProviderMisconfigured, SetupError
from tidings.providers.protocol import Acceptance, OutgoingMessage
from tidings.providers.registry import Providers, build_providers
from tidings.settings import DeliverySettings
from worker.composition import Planner


async def test_every_provider_of_every_channel_is_built_under_its_name() -> None:
    providers = build_providers(provider_settings())
    for entry in [entry for entry in BUILT_IN if not entry.test_only]:
        assert {providers.get(entry.name, channel).name for channel in entry.channels} == {entry.name}
    await providers.aclose()


async def test_one_that_cannot_be_closed_keeps_no_other_from_it() -> None:
    closed = []

    @dataclass
    class Closing:
        name: str

        async def send(self, message: OutgoingMessage) -> Acceptance:
            raise AssertionError("nothing is to be sent")

        async def aclose(self) -> None:
            closed.append(self.name)
            raise OSError

    entries = [ProviderEntry(name, "", (Channel.SMS,)) for name in ("owl", "pigeon")]
    await Providers({entry: Closing(entry.name) for entry in entries}).aclose()
    assert closed == ["owl", "pigeon"]


@pytest.mark.parametrize(("name", "channel"), [("pigeon", Channel.SMS), ("smtp", Channel.SMS)])
def test_a_provider_that_does_not_serve_the_channel_is_our_setup(name: str, channel: Channel) -> None:
    with pytest.raises(ProviderMisconfigured, match=r"there is: sns, twilio"):
        build_providers(provider_settings()).get(name, channel)


@pytest.mark.parametrize("settings", [{"smtp_from": "nobody"}, {"webhook_secret": "hunter2"}])
def test_settings_that_cannot_work_stop_the_start(settings: dict[str, str]) -> None:
    with pytest.raises(SetupError):
        build_providers(provider_settings(**settings))


def test_a_provider_that_can_be_pinned_is_not_in_the_default_route() -> None:
    planner = Planner(DeliverySettings(_env_file=None))
    firsts = {"email": "smtp", "sms": "twilio", "push": "fcm", "webhook": "webhook", "chat": "apprise"}
    for channel, first in ((channel, firsts[channel]) for channel in Channel):
        notification = Notification(
            id=new_id(), tenant="t", channel=channel, recipient="r", body="b", created_at=CREATED_AT
        )
        assert planner(notification).route == [first]
