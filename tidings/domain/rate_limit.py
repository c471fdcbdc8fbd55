"""How many requests are taken in how long, as people write it: `100/second`, `3000/10 seconds`."""

import re
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_FORM = re.compile(r"(\d{1,9})/(?:(\d{1,5}) )?(second|minute|hour|day)s?", re.ASCII)


class RateLimit(BaseModel):
    """`amount` requests in `seconds`, over every window of that length: so many at once, too.

    The longer the window, the larger the burst that the same average allows.
    """

    model_config = ConfigDict(frozen=True)

    amount: int = Field(ge=1)
    seconds: int = Field(ge=1)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        match = _FORM.fullmatch(value.strip())
        if match is None:
            raise ValueError("must be like 100/second, 5000/minute or 3000/10 seconds")
        amount, multiple, unit = match.groups()
        return {"amount": int(amount), "seconds": int(multiple or 1) * _SECONDS[unit]}

    @model_serializer
    def _written(self) -> str:
        return str(self)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError saying how it is written."""
        return cls.model_validate(text)

    def __str__(self) -> str:
        unit, length = next(
            (unit, length) for unit, length in reversed(_SECONDS.items()) if self.seconds % length == 0
        )
        multiple = self.seconds // length
        return f"{self.amount}/{unit}" if multiple == 1 else f"{self.amount}/{multiple} {unit}s"
