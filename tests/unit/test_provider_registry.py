"""The providers by name and channel."""

import pytest

from tests.provider_support import provider_settings
from tidings.domain.providers import PROVIDERS
from tidings.domain.vocabulary import Channel
from tidings.errors import ProviderMisconfigured, SetupError
from tidings.providers.registry import build_providers


async def test_every_provider_of_every_channel_is_built_under_its_name() -> None:
    providers = build_providers(provider_settings())
    for channel, names in PROVIDERS.items():
        assert [providers.get(name, channel).name for name in names] == list(names)
    await providers.aclose()


@pytest.mark.parametrize(("name", "channel"), [("pigeon", Channel.SMS), ("smtp", Channel.SMS)])
def test_a_provider_that_does_not_serve_the_channel_is_our_setup(name: str, channel: Channel) -> None:
    with pytest.raises(ProviderMisconfigured, match=r"there is: sandbox"):
        build_providers(provider_settings()).get(name, channel)


@pytest.mark.parametrize("settings", [{"smtp_from": "nobody"}, {"webhook_secret": "hunter2"}])
def test_settings_that_cannot_work_stop_the_start(settings: dict[str, str]) -> None:
    with pytest.raises(SetupError):
        build_providers(provider_settings(**settings))
