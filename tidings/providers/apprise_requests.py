"""What stands where Apprise's services reach for `requests`: an attempt's calls, made by our own client.

So the rules for targets, the timeouts and the reading of broken lines are those of every other provider. No
redirect is followed, no proxy variable obeyed, no certificate let through, whatever a service asks for; only
POST is there; and after a failure nothing more goes out, so that Apprise retries nothing.
"""

import asyncio
import re
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import aiohttp

from tidings.domain.providers import NOTIFICATION_HEADER
from tidings.domain.receipt import SuppressionReason
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.api_answer import json_object
from tidings.providers.http_call import HttpAnswer, post
from tidings.providers.http_outcome import TOO_SOON, failure_for
from tidings.providers.wording import shown

ERRORS: dict[int, type[SendFailure]] = {
    400: PermanentFailure,
    401: PermanentFailure,  # the token is in the recipient: not ours
    403: PermanentFailure,  # the same; Slack: the webhook is switched off; Telegram: the bot was blocked
    404: PermanentFailure,  # no such webhook, channel or bot
    410: PermanentFailure,  # the webhook was taken away
    413: PermanentFailure,
    422: PermanentFailure,
    429: TransientFailure,
    500: TransientFailure,
    502: TransientFailure,
    503: TransientFailure,
    504: TransientFailure,
}
"""What each status means; the others mean what they mean to a webhook (`http_outcome`)."""

PASSING_WORDS = frozenset(
    {"fatal_error", "internal_error", "ratelimited", "rate_limited", "request_timeout", "service_unavailable"}
)
"""`error` in an answer that is 2xx and no success all the same (Slack's Web API): https://docs.slack.dev."""

_ANSWER_BYTES = 65_536
_MOST_REQUESTS = 10
_SHORTEST_SECRET = 5
_GRACE = 1.0


@dataclass(slots=True)
class Call:
    """One attempt. `recipient` holds the tokens that no message may repeat."""

    loop: asyncio.AbstractEventLoop
    session: aiohttp.ClientSession
    recipient: str
    key: str
    within: float
    """Seconds for each request."""
    answers: list[HttpAnswer] = field(default_factory=list)
    failure: SendFailure | None = None
    closed: bool = False
    """The attempt is over: nothing more may go out."""
    under_way: "Future[HttpAnswer] | None" = None

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """From a thread: one request. Raises SendFailure; from then on every one does."""
        if self.failure is None and (self.closed or len(self.answers) >= _MOST_REQUESTS):
            self.failure = PermanentFailure("apprise_refused", "the URL asks for too many requests")
        if self.failure is None and method.upper() != "POST":
            self.failure = PermanentFailure(
                "apprise_refused", f"the URL asks for a {method.upper()}: only POST"
            )
        if self.failure is not None:
            raise self.failure
        sent = {**headers, NOTIFICATION_HEADER: self.key}
        making = asyncio.run_coroutine_threadsafe(
            post(self.session, url, body, sent, answer_bytes=_ANSWER_BYTES), self.loop
        )
        self.under_way = making
        if self.closed:
            # It was closed after the look above.
            making.cancel()
        try:
            answer = making.result(self.within + _GRACE)
        except (CancelledError, TimeoutError):
            self.failure = UnknownOutcome("no_answer", "given up before the answer was there")
            raise self.failure from None
        except SendFailure as failure:
            self.failure = self._without_tokens(failure)
            raise self.failure from None
        self.answers.append(answer)
        self.failure = failure_in(answer, self.recipient)
        return answer

    def _without_tokens(self, failure: SendFailure) -> SendFailure:
        if isinstance(failure, TransientFailure):
            return TransientFailure(
                failure.code, redacted(failure.message, self.recipient), failure.retry_after
            )
        return type(failure)(failure.code, redacted(failure.message, self.recipient))

    def close(self) -> None:
        """End the attempt, and the request that is under way."""
        self.closed = True
        if self.under_way is not None:
            self.under_way.cancel()

    def refusal(self) -> SendFailure:
        """Why Apprise says that it was not delivered."""
        if self.failure is not None:
            return self.failure
        if not self.answers:
            return PermanentFailure("apprise_refused", "Apprise cannot send with this URL")
        answer = self.answers[-1]
        said = json_object(answer.text)
        text = redacted(answer.text, self.recipient)
        message = shown(f"HTTP {answer.status}, but Apprise misses success: {text}")
        if str(said.get("error")) in PASSING_WORDS:
            return TransientFailure("apprise_refused", message)
        if said.get("ok") is False or said.get("success") is False or said.get("error"):
            return PermanentFailure("apprise_refused", message)
        return UnknownOutcome("apprise_unclear", message)


CURRENT: ContextVar[Call] = ContextVar("apprise_call")
"""The attempt that this thread works for; without one nothing goes out."""


def failure_in(answer: HttpAnswer, recipient: str) -> SendFailure | None:
    """The failure that a service's answer stands for, or None for 2xx."""
    # First of all: cut short, a token could no longer be told.
    plain = failure_for(answer.status, answer.headers, redacted(answer.text, recipient))
    if plain is None:
        return None
    code, message = f"apprise_{answer.status}", plain.message
    kind = ERRORS.get(answer.status) or type(plain)
    if kind is TransientFailure:
        wait: timedelta | None = getattr(plain, "retry_after", None)
        return TransientFailure(code, message, wait, of_message=answer.status in TOO_SOON)
    if kind is ProviderMisconfigured:
        # A proxy's word, and none of ours is set: whoever asked is on the way to the recipient.
        return PermanentFailure(code, message)
    if answer.status == 410:
        return PermanentFailure(code, message, suppresses=SuppressionReason.GONE)
    return kind(code, message)


def redacted(text: str, recipient: str) -> str:
    """The text without whatever of the recipient could be a secret: all that follows its scheme."""
    rest = recipient.partition("://")[2]
    pieces = {piece for given in (rest, unquote(rest)) for piece in re.split(r"[/:@?&=#,;\s]+", given)}
    for piece in sorted(pieces, key=len, reverse=True):
        if len(piece) >= _SHORTEST_SECRET:
            text = text.replace(piece, "…")
    return text


class Requests:
    """As much of the module `requests` as Apprise's chat services use."""

    def __init__(self) -> None:
        import requests

        self._real = requests
        self.codes = requests.codes
        self.exceptions = requests.exceptions
        self.RequestException = requests.RequestException

    def post(self, url: str, **given: Any) -> Any:
        """A `requests.Response`. Raises `requests.RequestException`, without a cause that could be logged."""
        return self.request("POST", url, **given)

    def get(self, url: str, **given: Any) -> Any:
        """Refused, in the way of a broken line."""
        return self.request("GET", url, **given)

    def request(self, method: str, url: str, **given: Any) -> Any:
        """As `post`. What is given about redirects, certificates and timeouts is not followed."""
        wanted = {
            name: given.get(name)
            for name in ("headers", "files", "data", "json", "params", "auth", "cookies")
        }
        call = CURRENT.get()
        prepared: Any = self._real.Request(method, url, **wanted).prepare()
        body = prepared.body or b""
        headers = {
            name: value for name, value in prepared.headers.items() if name.lower() != "content-length"
        }
        try:
            answer = call.request(
                method, str(prepared.url), headers, body.encode() if isinstance(body, str) else body
            )
        except SendFailure:
            raise self.RequestException("not sent") from None
        response = self._real.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response.encoding = "utf-8"
        response.url = prepared.url or ""
        # Its body is here already: there is nothing left to read from a line.
        response._content = answer.text.encode()
        return response
