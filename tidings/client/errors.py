"""Every error the client raises.

TidingsClientError
├── InvalidCall            the call cannot be made as it stands: a bad address, key, id or field
├── NotReachable           nobody answered within the time: refused, reset, timed out
├── UnexpectedAnswer       something answered that is not the API: HTML, a redirect, an endless or broken body
├── ApiProblem             the API said no (RFC 9457): `status`, `type`, `title`, `detail`, `errors`
│   ├── InvalidProblem        400, 413, 415, 422: the request is at fault
│   ├── UnauthorizedProblem   401: the key is missing, unknown, expired or revoked
│   ├── ForbiddenProblem      403: the key may not do this
│   ├── NotFoundProblem       404: there is no such thing for this key
│   ├── ConflictProblem       409: the notification's status does not allow it
│   ├── RateLimitedProblem    429: too many requests; `retry_after`
│   └── UnavailableProblem    5xx: a part is away, or a fault of the API's own
├── WaitTimeout            `wait`: the status was not reached in time; `notification` is as last seen
└── EndedOtherwise         `wait`: it ended with another status; `notification` is as it ended

Their texts hold no key, and nothing that could steer a terminal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidings.client.models import Notification
from tidings.errors import TidingsError


class TidingsClientError(TidingsError):
    """Base of every error the client raises on purpose."""


class InvalidCall(TidingsClientError, ValueError):
    """The call cannot be made as it stands. Nothing was sent."""


class NotReachable(TidingsClientError):
    """Nobody answered. `may_have_arrived`: the last request, or one before it, went out, so it may have
    been carried out all the same. `tls`: somebody is there, but no secure connection came about.
    """

    def __init__(self, url: str, reason: str, *, may_have_arrived: bool, tls: bool = False) -> None:
        doubt = "; the request may have been carried out" if may_have_arrived else ""
        super().__init__(f"The API at {url} cannot be reached ({reason}){doubt}.")
        self.url = url
        self.reason = reason
        self.may_have_arrived = may_have_arrived
        self.tls = tls


class UnexpectedAnswer(TidingsClientError):
    """Something answered that is not the API. `status` is that of HTTP. A request that was answered by
    a 2xx has been carried out, whatever came with it.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"HTTP {status}, but not as the API answers: {printable(reason)}")
        self.status = status


@dataclass(frozen=True)
class FieldFault:
    """What is wrong with one field: `pointer` is a JSON pointer (RFC 6901), or `/` and a parameter's name."""

    pointer: str
    detail: str


class ApiProblem(TidingsClientError):
    """The API said no. `members` holds what a kind of problem has beside the usual; `retry_after` is in
    seconds; `request_id` is how the API's own log names the request.
    """

    repeated = False
    """A try before the one that this answers may have been carried out."""

    def __init__(
        self,
        status: int,
        document: Mapping[str, Any],
        *,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        self.status = status
        self.type = _text(document.get("type"), "about:blank")
        self.title = _text(document.get("title"), f"HTTP {status}")
        self.detail = _text(document.get("detail"), "the API gave no reason")
        self.errors = tuple(_faults(document.get("errors")))
        self.members = {name: value for name, value in document.items() if name not in _USUAL}
        self.retry_after = retry_after
        self.request_id = request_id
        lines = [f"{self.title}: {self.detail}"]
        lines += [f"  {fault.pointer}: {fault.detail}" for fault in self.errors]
        super().__init__("\n".join(printable(line) for line in lines))

    @property
    def kind(self) -> str:
        """The last part of `type`, such as `validation`: what to branch on."""
        return self.type.rpartition("/")[2]


class InvalidProblem(ApiProblem):
    """400, 413, 415, 422: the request is at fault; `errors` names each field."""


class UnauthorizedProblem(ApiProblem):
    """401: the key is missing, unknown, expired or revoked."""


class ForbiddenProblem(ApiProblem):
    """403: the key may not do this."""


class NotFoundProblem(ApiProblem):
    """404: there is no such thing for this key."""


class ConflictProblem(ApiProblem):
    """409: the status does not allow it; `members["notification_status"]` is the status."""


class RateLimitedProblem(ApiProblem):
    """429: too many requests."""


class UnavailableProblem(ApiProblem):
    """5xx: a part is away, or a fault of the API's own."""


class WaitTimeout(TidingsClientError):
    """The status waited for was not reached in time."""

    def __init__(self, notification: Notification, timeout: float) -> None:
        super().__init__(f"{notification.id} is still {notification.status} after {timeout:g} s.")
        self.notification = notification


class EndedOtherwise(TidingsClientError):
    """It ended with a status that is not the one waited for."""

    def __init__(self, notification: Notification) -> None:
        error = notification.error
        why = f": {error.code}: {error.message}" if error else ""
        super().__init__(printable(f"{notification.id} is {notification.status}{why}"))
        self.notification = notification


_USUAL = frozenset({"type", "title", "status", "detail", "errors"})

_BY_STATUS: Mapping[int, type[ApiProblem]] = {
    400: InvalidProblem,
    401: UnauthorizedProblem,
    403: ForbiddenProblem,
    404: NotFoundProblem,
    409: ConflictProblem,
    413: InvalidProblem,
    415: InvalidProblem,
    422: InvalidProblem,
    429: RateLimitedProblem,
}


def problem_of(
    status: int,
    document: Mapping[str, Any],
    *,
    retry_after: float | None = None,
    request_id: str | None = None,
) -> ApiProblem:
    """The error for an answer of 400 and above, by its status."""
    kind = _BY_STATUS.get(status, UnavailableProblem if status >= 500 else ApiProblem)
    return kind(status, document, retry_after=retry_after, request_id=request_id)


def printable(text: str) -> str:
    """A stranger's text without what could steer a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _text(value: object, default: str) -> str:
    return value if isinstance(value, str) and value else default


def _faults(errors: object) -> list[FieldFault]:
    entries = [entry for entry in errors if isinstance(entry, dict)] if isinstance(errors, list) else []
    return [FieldFault(_text(each.get("pointer"), "?"), _text(each.get("detail"), "?")) for each in entries]
