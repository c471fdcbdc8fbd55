"""Which provider sends: the ordered list a channel may use, and who takes over when one cannot."""

from collections.abc import Sequence
from random import Random
from typing import Annotated, Self

from pydantic import Field, RootModel, model_validator

from tidings.domain.notification import Attempt
from tidings.domain.vocabulary import Outcome

Weight = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]


class Route(RootModel[list[str | dict[str, Weight]]]):
    """Providers in order. A step may share the load: `{"sendgrid": 3, "smtp": 1}` sends three of four first
    by `sendgrid`, and the other one takes over."""

    @model_validator(mode="after")
    def _names_each_provider_once(self) -> Self:
        names = self.names
        if not names:
            raise ValueError("a route needs at least one provider")
        if len(names) != len(set(names)):
            raise ValueError("a route names each provider once")
        return self

    @property
    def names(self) -> list[str]:
        """Every provider of the route."""
        return [name for step in self.root for name in ([step] if isinstance(step, str) else step)]

    def ordered(self, random: Random) -> list[str]:
        """The order for one notification: shared steps by their weights."""
        order: list[str] = []
        for step in self.root:
            left = {step: 1.0} if isinstance(step, str) else dict(step)
            while left:
                (name,) = random.choices(list(left), list(left.values()))
                order.append(name)
                del left[name]
        return order


def provider_after(route: Sequence[str], last: Attempt | None) -> str:
    """The provider of the next attempt: the next in turn where the last one could not.

    After an `unknown` it is the same again, for it alone may recognise the message by its key.
    """
    if last is None or last.provider not in route or last.outcome in (None, Outcome.ACCEPTED):
        return route[0]
    if last.outcome is Outcome.UNKNOWN:
        return last.provider
    if last.outcome is Outcome.PERMANENT and not last.misconfigured:
        return route[0]
    return route[(route.index(last.provider) + 1) % len(route)]


def is_last(route: Sequence[str], provider: str) -> bool:
    """Whether nobody comes after this provider: the next round begins with the first again."""
    return provider not in route or route.index(provider) == len(route) - 1
