"""Calls of the HTTP API, for commands: an answer or one clear error."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer

from tidings.client import NotReachable, Retry, Retrying, Tidings
from tidings.errors import TidingsError

Answer = TypeVar("Answer")

_TLS = (
    "see that TIDINGS_URL begins with the right one of http:// and https://; for a certificate by an"
    " authority of your own, set SSL_CERT_FILE"
)


class CallFailed(TidingsError):
    """The API could not be reached. The message is for a person."""


async def ask(
    url: str,
    api_key: str,
    call: Callable[[Tidings], Awaitable[Answer]],
    *,
    retry_for: float,
    limit: float = 30.0,
) -> Answer:
    """What the call answers, tried again for `retry_for` seconds; says so once, on standard error. One try
    may take `limit` seconds.

    Raises CallFailed, TidingsClientError.
    """

    def say(retry: Retry) -> None:
        if retry.failures == 1:
            typer.echo(
                f"tidings: The API at {url} does not serve now ({retry.reason}): trying again for up to"
                f" {retry.total:g} s.",
                err=True,
            )

    try:
        retrying = Retrying(total=retry_for)
        async with Tidings(url, api_key, timeout=limit, retrying=retrying, on_retry=say) as client:
            return await call(client)
    except NotReachable as error:
        doubt = " The request may have been carried out." if error.may_have_arrived else ""
        step = _TLS if error.tls else "start it by `tidings up`, or set TIDINGS_URL"
        raise CallFailed(f"The API at {url} cannot be reached ({error.reason}): {step}.{doubt}") from None
