"""What a callback reader is: it checks that a request comes from the provider, and reads its receipts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tidings.domain.receipt import Receipt


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """A request as it came. Signatures are made over the raw bytes and over the URL the provider was told."""

    url: str
    """The whole URL: `TIDINGS_PUBLIC_URL`, path and query, not what a proxy made of it."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class CallbackReader(Protocol):
    """Reads one provider's callbacks."""

    @property
    def name(self) -> str:
        """The provider's name, as in the callback's path."""
        ...

    async def read(self, request: CallbackRequest, now: datetime) -> list[Receipt]:
        """The receipts in it, in the order they came; events that are none of ours are left out.

        Raises ForgedCallback if the signature is missing, wrong, or older than the provider's own limit, or
        if no key to check it with is set; MalformedCallback if what was signed cannot be read;
        CallbackPostponed if what it takes to check it cannot be had now.
        """
        ...

    async def aclose(self) -> None:
        """Close pooled connections."""
        ...
