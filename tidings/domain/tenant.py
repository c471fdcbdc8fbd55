"""Tenants: the owners of keys and notifications. One that is not set up has the installation's defaults."""

import re
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from tidings.domain.rate_limit import RateLimit
from tidings.domain.vocabulary import Guarantee, Priority

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class Tenant(BaseModel):
    """What was set for a tenant; None: the installation's default."""

    model_config = ConfigDict(frozen=True)

    name: str
    rate_limit: RateLimit | None = None
    """Of all its keys together."""
    key_rate_limit: RateLimit | None = None
    """Of each of its keys."""
    default_priority: Priority | None = None
    default_guarantee: Guarantee | None = None
    created_at: datetime
    disabled_at: datetime | None = None

    def with_defaults(self, document: Any) -> Any:
        """A submission's decoded body, with the tenant's defaults where it says nothing."""
        if not isinstance(document, dict):
            return document
        defaults = {"priority": self.default_priority, "guarantee": self.default_guarantee}
        return {name: value for name, value in defaults.items() if value is not None} | document


def checked_name(name: str) -> str:
    """The name, if a tenant may have it. Raises ValueError.

    The length is what Temporal allows a fairness key, which a tenant's name is, in bytes.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("must be 1 to 64 letters, digits, '.', '_' or '-', and begin with a letter or digit")
    return name
