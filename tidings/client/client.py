"""`Tidings`: the client."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, Unpack
from uuid import UUID, uuid4

from tidings.client.bulk import BulkResult, bulk_document, bulk_results
from tidings.client.errors import (
    ConflictProblem,
    EndedOtherwise,
    InvalidCall,
    UnavailableProblem,
    WaitTimeout,
)
from tidings.client.fields import ListFilters, MessageFields, document_of, query_of
from tidings.client.models import Health, Notification, NotificationDetails, Page
from tidings.client.resources import page_of, path_of, walk
from tidings.client.retrying import Repeat, Retry, Retrying
from tidings.client.schedules import Schedules
from tidings.client.suppressions import Suppressions
from tidings.client.transport import Transport
from tidings.client.webhook_endpoints import WebhookEndpoints
from tidings.domain.idempotency import checked_key
from tidings.domain.vocabulary import FINAL, Status

_FIRST_LOOK = 0.1
_SLOWEST_LOOK = 2.0
_ENDS = frozenset({Status.FAILED, Status.CANCELLED, Status.EXPIRED})
"""After these, no other status comes by itself."""


class Tidings:
    """A client of the HTTP API, over pooled connections; `async with` closes them.

    Every call raises ApiProblem, NotReachable, UnexpectedAnswer or InvalidCall (`tidings.client.errors`). It
    is made again after a failure that may pass: no connection, one that broke or timed out, 408, 425, 429,
    500, 502, 503, 504. `retry`, `schedules.create`, `webhook_endpoints.add` and `rotate` are made again only
    where the failure shows that the API has not begun with them.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout: float = 30.0,
        retrying: Retrying | None = None,
        max_answer_bytes: int = 64 * 1024 * 1024,
        max_connections: int = 100,
        tls: ssl.SSLContext | bool = True,
        on_retry: Callable[[Retry], None] | None = None,
    ) -> None:
        """`timeout`: seconds for one try; a call lasts at most so long and `retrying.total` together.

        `tls`: the context for https with a private authority. `on_retry` is told before each wait. Raises
        InvalidCall for an address or a key that cannot be one.
        """
        self._transport = Transport(
            url,
            api_key,
            timeout=timeout,
            retrying=retrying or Retrying(),
            max_answer_bytes=max_answer_bytes,
            max_connections=max_connections,
            tls=tls,
            on_retry=on_retry,
        )
        self.schedules = Schedules(self._transport)
        self.suppressions = Suppressions(self._transport)
        self.webhook_endpoints = WebhookEndpoints(self._transport)

    @property
    def url(self) -> str:
        """The API's address, without a slash at its end."""
        return self._transport.url

    def __repr__(self) -> str:
        return f"Tidings({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def send(self, **fields: Unpack[MessageFields]) -> Notification:
        """Submit a notification. When it returns, the notification survives any crash.

        Its `idempotency_key` is made up once for all tries if none is given, so however often a try is made,
        one notification comes of it.
        """
        document = document_of(fields)
        key = _checked_key(document.pop("idempotency_key", None))
        answered = await self._transport.call(
            "POST", path_of("notifications"), document=document, headers={"Idempotency-Key": key}
        )
        return answered.as_model(Notification)

    async def send_many(self, messages: Sequence[MessageFields]) -> list[BulkResult]:
        """Submit up to 1,000 at once: what became of each, in order. A bad one harms no other.

        Raises for the call as a whole; what was refused is a BulkResult with a `problem`.
        """
        document = bulk_document(messages)
        answered = await self._transport.call("POST", path_of("notifications", "bulk"), document=document)
        return bulk_results(document, answered)

    async def call(self, method: str, path: str, *, document: object = None, repeatable: bool = False) -> Any:
        """Any call, for what there is no method here: the JSON of the answer as it came.

        `repeatable`: whether it may be made again although the API may have begun with it. Raises as others.
        """
        repeat = Repeat.ALWAYS if repeatable else Repeat.IF_NOT_BEGUN
        return (await self._transport.call(method, path, document=document, repeat=repeat)).document

    async def get(self, id: str | UUID) -> NotificationDetails:
        """A notification with its body and its attempts."""
        answered = await self._transport.call("GET", path_of("notifications", id))
        return answered.as_model(NotificationDetails)

    async def wait(
        self,
        id: str | UUID,
        *,
        until: Collection[Status] = FINAL,
        timeout: float = 60.0,  # noqa: ASYNC109 (ends in an error with what was last seen)
    ) -> NotificationDetails:
        """Look until its status is one of `until`; what is delivered has been sent, too.

        Raises WaitTimeout after `timeout` seconds, EndedOtherwise as soon as it has failed, or is cancelled
        or expired, and that is not in `until`.
        """
        deadline, pause = time.monotonic() + timeout, _FIRST_LOOK
        while True:
            notification = await self.get(id)
            if _reached(notification, until):
                return notification
            if notification.status in _ENDS:
                raise EndedOtherwise(notification)
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeout(notification, timeout)
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, _SLOWEST_LOOK)

    def list(self, **filters: Unpack[ListFilters]) -> AsyncIterator[Notification]:
        """All notifications that match, newest first; pages are asked for as they are needed."""
        return walk(self._transport, path_of("notifications"), Notification, query_of(filters))

    async def page(
        self,
        *,
        page: int | None = None,
        cursor: str | None = None,
        per_page: int = 20,
        **filters: Unpack[ListFilters],
    ) -> Page[Notification]:
        """One page of them, by number (which counts them all) or by the `next_cursor` of the one before."""
        place = {"page": page, "cursor": cursor, "per_page": per_page}
        query = query_of({**filters, **place})
        return await page_of(self._transport, path_of("notifications"), Notification, query)

    async def cancel(self, id: str | UUID, *, reason: str | None = None) -> Notification:
        """Stop a notification. Its status is `cancelled`, or another one while an attempt is under way: it
        then ends as `cancelled` or `sent`, and nothing more is sent.

        Raises ConflictProblem if it is too late. May be repeated: one that a try before has cancelled is
        given back, not refused.
        """
        document = document_of({"reason": reason})
        try:
            answered = await self._transport.call(
                "POST", path_of("notifications", id, "cancel"), document=document
            )
        except ConflictProblem as problem:
            if problem.repeated and problem.members.get("notification_status") == Status.CANCELLED:
                return await self.get(id)
            raise
        return answered.as_model(Notification)

    async def retry(
        self, id: str | UUID, *, reason: str | None = None, expires_at: datetime | str | None = None
    ) -> Notification:
        """Begin a new attempt now. Raises ConflictProblem if its status does not allow it.

        Not made again where a try may have been carried out: that attempt may be over, and another would
        begin. `get` shows what became of it.
        """
        answered = await self._transport.call(
            "POST",
            path_of("notifications", id, "retry"),
            document=document_of({"reason": reason, "expires_at": expires_at}),
            repeat=Repeat.IF_NOT_BEGUN,
        )
        return answered.as_model(Notification)

    async def health(self) -> Health:
        """Whether the API can reach what it needs. "Not ready" is an answer: it is not asked again."""
        try:
            await self._transport.call("GET", "/health/ready", repeat=Repeat.IF_NOT_BEGUN)
        except UnavailableProblem as problem:
            parts = problem.members.get("parts")
            return Health(ready=False, parts=[str(part) for part in parts] if isinstance(parts, list) else [])
        return Health(ready=True)


def _reached(notification: Notification, until: Collection[Status]) -> bool:
    status = notification.status
    return status in until or (status == Status.DELIVERED and Status.SENT in until)


def _checked_key(given: str | None) -> str:
    if given is None:
        return str(uuid4())
    try:
        return checked_key(given)
    except ValueError as error:
        raise InvalidCall(f"idempotency_key {error}") from None
