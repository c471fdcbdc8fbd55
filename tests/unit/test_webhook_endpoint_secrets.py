"""The secrets of webhook endpoints: what they come from, which sign, and what is known in an outage."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from tidings.domain.webhook_endpoint import MasterKeys, UnknownKey, WebhookEndpoint
from tidings.errors import ProviderMisconfigured, SetupError, StorageUnavailable
from worker.endpoint_secrets import CachedEndpointSecrets

OLD, NEW = (base64.b64encode(letter * 32).decode() for letter in (b"a", b"b"))
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def endpoint(**changes: Any) -> WebhookEndpoint:
    values: dict[str, Any] = {
        "id": UUID(int=1),
        "tenant": "acme",
        "url": "https://example.com/hooks",
        "version": 1,
        "key_id": MasterKeys(OLD).newest,
        "created_at": NOW,
    }
    return WebhookEndpoint(**values | changes)


def test_a_secret_never_changes_from_version_to_version() -> None:
    # Another derivation would have every receiver refuse what we sign.
    assert MasterKeys(OLD).secret(endpoint()) == "whsec_JWwWGzmHgORo8AR+QzhEaetm1AW9le2aUWeZwlL89O0="


def test_each_endpoint_version_and_key_has_a_secret_of_its_own() -> None:
    keys = MasterKeys(f"{OLD} {NEW}")
    others = [
        endpoint(id=UUID(int=2)),
        endpoint(tenant="acm", url="ehttps://example.com/hooks"),
        endpoint(url="https://example.com/hooks/"),
        endpoint(version=2),
        endpoint(key_id=MasterKeys(NEW).newest),
    ]
    secrets = {keys.secret(one) for one in [endpoint(), *others]}
    assert len(secrets) == 6
    for secret in secrets:
        assert Webhook(secret).sign("id", NOW, "{}")


def test_while_secrets_overlap_both_sign_and_then_the_latest_alone() -> None:
    keys = MasterKeys(f"{NEW} {OLD}")
    first = endpoint()
    rotated = endpoint(
        version=2,
        key_id=keys.newest,
        previous_key_id=first.key_id,
        previous_until=NOW + timedelta(days=1),
    )
    assert keys.signing_secrets(first, NOW) == (keys.secret(first),)
    assert keys.signing_secrets(rotated, NOW) == (keys.secret(rotated), keys.secret(first))
    assert keys.signing_secrets(rotated, NOW + timedelta(days=1)) == (keys.secret(rotated),)


def test_a_new_key_in_front_changes_no_secret_and_one_taken_away_is_named() -> None:
    assert MasterKeys(f"{NEW} whsec_{OLD}").secret(endpoint()) == MasterKeys(OLD).secret(endpoint())
    with pytest.raises(UnknownKey, match=f"TIDINGS_WEBHOOK_SIGNING_KEY .* {MasterKeys(OLD).newest}"):
        MasterKeys(NEW).secret(endpoint())


@pytest.mark.parametrize("keys", ["", "hunter2", "whsec_", base64.b64encode(b"x" * 31).decode(), f"{OLD} é"])
def test_a_bad_key_is_one_line_that_does_not_repeat_it(keys: str) -> None:
    with pytest.raises(SetupError, match="TIDINGS_WEBHOOK_SIGNING_KEY") as refused:
        MasterKeys(keys)
    assert "\n" not in str(refused.value)
    assert "hunter2" not in str(refused.value)


class Source:
    """Endpoints as a test puts them, and how often they were asked for."""

    def __init__(self, endpoint: WebhookEndpoint | None) -> None:
        self.endpoint = endpoint
        self.available = True
        self.asked = 0

    async def find(self, tenant: str, url: str) -> WebhookEndpoint | None:
        self.asked += 1
        if not self.available:
            raise StorageUnavailable("away")
        return self.endpoint


async def test_an_endpoint_is_asked_for_every_five_seconds_and_known_through_an_outage() -> None:
    now = 0.0
    source, keys = Source(endpoint()), MasterKeys(OLD)
    secrets = CachedEndpointSecrets(source, keys, clock=lambda: now)
    for _ in range(3):
        assert await secrets.of("acme", "u") == (keys.secret(endpoint()),)
    assert source.asked == 1
    now, source.endpoint = 5.0, None
    assert await secrets.of("acme", "u") == ()
    now, source.available = 100.0, False
    assert await secrets.of("acme", "u") == ()
    with pytest.raises(StorageUnavailable):
        await secrets.of("acme", "another")


@pytest.mark.parametrize("keys", [None, MasterKeys(NEW)])
async def test_without_its_key_an_endpoint_is_not_signed_for_by_anything_else(
    keys: MasterKeys | None,
) -> None:
    secrets = CachedEndpointSecrets(Source(endpoint()), keys)
    with pytest.raises(ProviderMisconfigured, match="webhook_key_missing"):
        await secrets.of("acme", "u")
