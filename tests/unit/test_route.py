"""Routes: their form, their order, and the settings they come from."""

from collections import Counter
from random import Random

import pytest
from pydantic import ValidationError

from tidings.domain.route import Route
from tidings.domain.vocabulary import Channel
from tidings.errors import SetupError
from tidings.settings import DeliverySettings


def test_a_route_keeps_its_order_and_shares_by_weight() -> None:
    random = Random(1)  # noqa: S311 -- no secret
    route = Route.model_validate(["a", {"b": 3, "c": 1}, "d"])
    orders = Counter(tuple(route.ordered(random)) for _ in range(4_000))
    assert set(orders) == {("a", "b", "c", "d"), ("a", "c", "b", "d")}
    assert 2_800 < orders["a", "b", "c", "d"] < 3_200


@pytest.mark.parametrize("steps", [[], ["a", "a"], ["a", {"a": 1}], [{}], [{"a": 0}], [{"a": -1}], "a", [1]])
def test_a_route_that_makes_no_sense_is_refused(steps: object) -> None:
    with pytest.raises(ValidationError):
        Route.model_validate(steps)


def test_routes_come_from_the_tenant_then_the_channel_then_the_first_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIDINGS_ROUTE_EMAIL", '[{"smtp": 1, "sendgrid": 1}]')
    monkeypatch.setenv("TIDINGS_TENANT_ROUTES", '{"acme": {"email": ["sendgrid", "smtp"]}}')
    monkeypatch.setenv("TIDINGS_FAILOVER_AT_ONCE", "sms, push")
    settings = DeliverySettings.load()
    assert settings.route(Channel.EMAIL, "acme").names == ["sendgrid", "smtp"]
    assert settings.route(Channel.EMAIL, "other").names == ["smtp", "sendgrid"]
    assert len(settings.route(Channel.SMS, "acme").names) == 1
    at_once = [channel for channel in Channel if settings.fails_over_at_once(channel)]
    assert at_once == [Channel.SMS, Channel.PUSH]


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("TIDINGS_ROUTE_EMAIL", '["smtp", "pigeon"]', "pigeon"),
        ("TIDINGS_ROUTE_EMAIL", '["smtp", "smtp"]', "TIDINGS_ROUTE_EMAIL"),
        ("TIDINGS_ROUTE_SMS", '["smtp"]', "smtp"),
        ("TIDINGS_ROUTE_SMS", '["twilio", "sandbox"]', "'sandbox'; that is for test keys alone"),
        ("TIDINGS_TENANT_ROUTES", '{"acme": {"email": ["pigeon"]}}', "acme"),
        ("TIDINGS_FAILOVER_AT_ONCE", "pigeon", "TIDINGS_FAILOVER_AT_ONCE"),
    ],
)
def test_a_bad_route_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, named: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SetupError, match=named) as refused:
        DeliverySettings.load()
    assert "\n" not in str(refused.value)
