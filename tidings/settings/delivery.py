"""How the worker delivers: schedules, routes, limits."""

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.route import Route
from tidings.domain.vocabulary import Channel
from tidings.provider_catalogue import catalogue
from tidings.settings.base import Settings, split


class DeliverySettings(Settings):
    """How the worker delivers. Times in seconds."""

    retry_email: RetrySchedule = RetrySchedule()
    retry_sms: RetrySchedule = RetrySchedule(attempts=6, first=2, factor=4, cap=3_600)
    retry_push: RetrySchedule = RetrySchedule(attempts=6, first=2, factor=4, cap=3_600)
    retry_webhook: RetrySchedule = RetrySchedule()
    retry_chat: RetrySchedule = RetrySchedule(attempts=6, first=2, factor=4, cap=3_600)
    route_email: Route | None = None
    """Providers in order, as JSON: `["smtp", "sendgrid"]`, or shared, `[{"smtp": 1, "sendgrid": 3}]`."""
    route_sms: Route | None = None
    route_push: Route | None = None
    route_webhook: Route | None = None
    route_chat: Route | None = None
    tenant_routes: dict[str, dict[Channel, Route]] = Field(default_factory=dict)
    """Routes of single tenants, as JSON: `{"acme": {"email": ["sendgrid"]}}`."""
    failover_at_once: Annotated[frozenset[Channel], NoDecode] = frozenset({Channel.SMS})
    """Channels on which the next provider takes over a passing failure at once, separated by commas; on the
    others it does after the schedule's delay."""
    skip_after: int = Field(default=5, ge=0)
    """After how many failures in a row a provider is skipped; 0: never."""
    skip_seconds: float = Field(default=30, gt=0, le=86_400)
    """How long the first time. Each time that it is still failing then it is twice as long, up to 600."""
    retry_window: float = Field(default=7 * 86_400, ge=0, le=31 * 86_400)
    attempt_timeout: float = Field(default=30, gt=0, le=600)

    @field_validator("failover_at_once", mode="before")
    @classmethod
    def _split_channels(cls, value: Any) -> Any:
        return split(value)

    @model_validator(mode="after")
    def _routes_name_known_providers(self) -> Self:
        given = {channel: self._own_route(channel) for channel in Channel}
        routes = [("", channel, route) for channel, route in given.items() if route is not None]
        for tenant, by_channel in self.tenant_routes.items():
            routes += [(f" of {tenant}", channel, route) for channel, route in by_channel.items()]
        for whose, channel, route in routes:
            for name in route.names:
                fault = catalogue().unknown(name, channel)
                if fault is not None:
                    raise ValueError(f"the {channel} route{whose} names {name!r}; {fault}")
        return self

    def route(self, channel: Channel, tenant: str) -> Route:
        """The tenant's route, the channel's, or the channel's first provider."""
        own = self.tenant_routes.get(tenant, {}).get(channel) or self._own_route(channel)
        return own or Route([catalogue().names(channel)[0]])

    def fails_over_at_once(self, channel: Channel) -> bool:
        """Whether the next provider takes over a passing failure at once."""
        return channel in self.failover_at_once

    def _own_route(self, channel: Channel) -> Route | None:
        routes = {
            Channel.EMAIL: self.route_email,
            Channel.SMS: self.route_sms,
            Channel.PUSH: self.route_push,
            Channel.WEBHOOK: self.route_webhook,
            Channel.CHAT: self.route_chat,
        }
        return routes[channel]

    def retry_schedule(self, channel: Channel) -> RetrySchedule:
        """The schedule of a channel's automatic attempts."""
        schedules = {
            Channel.EMAIL: self.retry_email,
            Channel.SMS: self.retry_sms,
            Channel.PUSH: self.retry_push,
            Channel.WEBHOOK: self.retry_webhook,
            Channel.CHAT: self.retry_chat,
        }
        return schedules[channel]
