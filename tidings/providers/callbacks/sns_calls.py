"""The two calls that messages of SNS ask for: its certificate, and the confirmation of a subscription."""

from dataclasses import dataclass
from typing import Protocol

import aiohttp

from tidings.errors import CallbackPostponed, ForgedCallback
from tidings.providers.http_call import open_session
from tidings.providers.wording import shown
from tidings.settings import ProviderSettings

_MOST_BYTES = 65_536
_OK = 200


class SnsCalls(Protocol):
    """How SNS is called. Which addresses may be called at all is the caller's to check."""

    async def get(self, url: str) -> bytes:
        """The body of a `200`, at most 64 KiB of it.

        Raises ForgedCallback if there is no such thing at that address, CallbackPostponed if it may be
        had later.
        """
        ...

    async def aclose(self) -> None:
        """Close pooled connections."""
        ...


@dataclass(slots=True)
class HttpSnsCalls:
    """Over the network, with the providers' time limits; follows no redirect."""

    settings: ProviderSettings
    _session: aiohttp.ClientSession | None = None

    async def get(self, url: str) -> bytes:
        """See SnsCalls."""
        if self._session is None:
            self._session = open_session(self.settings)
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                body = await _start(response)
                status = response.status
        except aiohttp.InvalidURL as error:
            raise ForgedCallback("sns: an address that cannot be called") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            what = shown(str(error) or type(error).__name__)
            raise CallbackPostponed(f"sns: its address does not answer: {what}") from error
        if status == _OK:
            return body
        if 400 <= status < 500 and status != 429:
            raise ForgedCallback(f"sns: nothing at the address that it names (HTTP {status})")
        raise CallbackPostponed(f"sns: its address answers HTTP {status}")

    async def aclose(self) -> None:
        """Close pooled connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _start(response: aiohttp.ClientResponse) -> bytes:
    received = bytearray()
    while len(received) < _MOST_BYTES and not response.content.at_eof():
        received += await response.content.read(_MOST_BYTES - len(received))
    return bytes(received)
