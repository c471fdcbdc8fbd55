"""One port for HTTP/1.1 and HTTP/2: the first bytes of a connection say which it is (RFC 9113, 3.4)."""

import asyncio
from collections.abc import Callable

_PREFACE = b"PRI"
"""How every HTTP/2 connection without negotiation begins, and no HTTP/1.1 request does."""


class FirstBytes(asyncio.Protocol):
    """Waits for the first bytes and hands the connection to whom it is for.

    `open_ones` holds the connections that live.
    """

    def __init__(
        self,
        http1: Callable[[], asyncio.BaseProtocol],
        http2: Callable[[], asyncio.BaseProtocol],
        open_ones: set[asyncio.Transport],
    ) -> None:
        self._http1 = http1
        self._http2 = http2
        self._open = open_ones
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._chosen: asyncio.Protocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is said until the other side has spoken."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("HTTP needs a stream")
        self._transport = transport
        self._open.add(transport)

    def data_received(self, data: bytes) -> None:
        """Pass it on, once it is clear to whom."""
        if self._chosen is None:
            self._received += data
            if len(self._received) < len(_PREFACE) and _PREFACE.startswith(self._received):
                return
            data = self._received
            self._chosen = self._choose()
        self._chosen.data_received(data)

    def eof_received(self) -> bool | None:
        """The other side will say no more."""
        return self._chosen.eof_received() if self._chosen is not None else None

    def pause_writing(self) -> None:
        """The other side reads too slowly."""
        if self._chosen is not None:
            self._chosen.pause_writing()

    def resume_writing(self) -> None:
        """The other side has caught up."""
        if self._chosen is not None:
            self._chosen.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""
        if self._transport is not None:
            self._open.discard(self._transport)
        if self._chosen is not None:
            self._chosen.connection_lost(error)

    def _choose(self) -> asyncio.Protocol:
        make = self._http2 if self._received.startswith(_PREFACE) else self._http1
        chosen = make()
        if self._transport is None or not isinstance(chosen, asyncio.Protocol):
            raise TypeError("HTTP needs a stream")
        chosen.connection_made(self._transport)
        return chosen
