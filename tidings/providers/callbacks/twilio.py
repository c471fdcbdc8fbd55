"""`twilio`: status callbacks of messages, signed with the account's auth token.

https://www.twilio.com/docs/usage/security#validating-requests (the signature),
https://www.twilio.com/docs/messaging/guides/track-outbound-message-status (the parameters),
https://www.twilio.com/docs/api/errors (every code below, each with a page of its own).

A callback carries no time, so one that is sent again is not told by its age: it names the same event, and
what came of that event is there already.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlsplit, urlunsplit

from tidings.domain.notification import DeliveryError
from tidings.domain.receipt import Receipt, ReceiptKind, SuppressionReason
from tidings.domain.vocabulary import KeyMode
from tidings.errors import ForgedCallback, MalformedCallback
from tidings.providers.callbacks.addresses import NOTIFICATION_PARAMETER
from tidings.providers.callbacks.content import json_object, notification_id, reason, word
from tidings.providers.callbacks.protocol import CallbackRequest
from tidings.providers.twilio import TwilioSettings
from tidings.settings import ProviderSettings

SIGNATURE_HEADER = "x-twilio-signature"

STATUSES: dict[str, ReceiptKind] = {
    "delivered": ReceiptKind.DELIVERED,
    "read": ReceiptKind.DELIVERED,
    "undelivered": ReceiptKind.FAILED,
    "failed": ReceiptKind.FAILED,
}
"""What a message's status says. All others (queued, sent, …) say nothing of the recipient."""

REASONS: dict[int, str] = {
    21610: "Attempt to send to unsubscribed recipient",
    21614: "'To' number is not a valid mobile number",
    30001: "Queue overflow",
    30002: "Account suspended",
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30008: "Unknown error",
    30010: "Message price exceeds max price",
    30017: "Carrier network congestion",
    30022: "US A2P 10DLC rate limits exceeded",
    30023: "US A2P 10DLC daily message cap reached",
    30032: "Toll-free number has not been verified",
    30034: "Message from an unregistered number",
    30036: "Validity period expired",
    30410: "Provider timeout",
    30450: "Message delivery blocked",
}
"""Twilio's words for its codes: most callbacks carry the code alone."""

SUPPRESSING: dict[int, SuppressionReason] = {
    21610: SuppressionReason.OPT_OUT,
    21211: SuppressionReason.HARD_BOUNCE,
    21614: SuppressionReason.HARD_BOUNCE,
    30005: SuppressionReason.HARD_BOUNCE,
    30006: SuppressionReason.HARD_BOUNCE,
}
"""The codes that say of the recipient that later messages cannot arrive either."""

_FROM_SHORT_CODE = 30006
"""To a short code, its own carrier may be what cannot be reached: that says nothing of the recipient."""
_MOST_PARAMETERS = 100
_PORTS = {"http": 80, "https": 443}


class TwilioCallbacks:
    """Reads one message's status per request."""

    name = "twilio"

    def __init__(self, own: TwilioSettings, settings: ProviderSettings | None = None) -> None:
        self._signers: list[tuple[bytes, KeyMode | None]] = []
        """Who may sign, and for which notifications: the sandbox for tests, unless it stands in."""
        if own.twilio_auth_token is not None:
            self._signers.append((own.twilio_auth_token.get_secret_value().encode(), None))
        if settings is not None and settings.sandbox_secret is not None:
            held_for = None if settings.sandbox_stands_in else KeyMode.TEST
            self._signers.append((settings.sandbox_secret.get_secret_value().encode(), held_for))

    @classmethod
    def build(cls, settings: ProviderSettings) -> Self:
        """With its own settings from the environment."""
        return cls(TwilioSettings.load(), settings)

    async def read(self, request: CallbackRequest, now: datetime) -> list[Receipt]:
        """The receipt in it, or none. `occurred_at` is `now`."""
        parameters, mode = self._checked(request)
        sid, status = word(parameters.get("MessageSid")), word(parameters.get("MessageStatus"))
        if sid is None or status is None:
            raise MalformedCallback("twilio: MessageSid or MessageStatus is missing")
        given = _query(request.url).get(NOTIFICATION_PARAMETER, [])
        identifier = notification_id(given[0]) if len(given) == 1 else None
        kind = STATUSES.get(status)
        if identifier is None or kind is None:
            return []
        code = _code(parameters.get("ErrorCode"))
        failed = kind is ReceiptKind.FAILED
        return [
            Receipt(
                provider=self.name,
                event_id=f"{sid}-{status}",
                notification_id=identifier,
                provider_reference=sid,
                kind=kind,
                error=_error(status, code, parameters.get("ErrorMessage")) if failed else None,
                suppresses=_suppresses(code, parameters.get("From")) if failed else None,
                occurred_at=now,
                mode=mode,
            )
        ]

    async def aclose(self) -> None:
        """There is nothing to close."""

    def _checked(self, request: CallbackRequest) -> tuple[dict[str, Any], KeyMode | None]:
        """The parameters, once the signature has been found to be over them, and whom they may be about."""
        if not self._signers:
            raise ForgedCallback("twilio: TIDINGS_TWILIO_AUTH_TOKEN is not set")
        # Whether the body is signed as a form or by its hash is what the signed URL says.
        digests = _query(request.url).get("bodySHA256", [])
        form = [] if digests else _form(request.body)
        given = request.headers.get(SIGNATURE_HEADER, "").encode()
        matching = [
            mode
            for token, mode in self._signers
            for url in _spellings(request.url)
            if hmac.compare_digest(signature_of(token, url, form), given)
        ]
        if not matching:
            raise ForgedCallback(f"twilio: {SIGNATURE_HEADER} is missing or wrong")
        if not digests:
            return _single(form), matching[0]
        if digests != [hashlib.sha256(request.body).hexdigest()]:
            raise ForgedCallback("twilio: the body is not the one whose hash is in the URL")
        content = json_object(request.body)
        if content is None:
            raise MalformedCallback("twilio: the body is no JSON object")
        return content, matching[0]


def signature_of(token: bytes, url: str, form: list[tuple[str, str]]) -> bytes:
    """What `X-Twilio-Signature` has to say: the URL, then each name and value, sorted, a value only once."""
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    return b64encode(hmac.new(token, signed.encode("utf-8", "surrogatepass"), hashlib.sha1).digest())


def _query(url: str) -> dict[str, list[str]]:
    try:
        return parse_qs(urlsplit(url).query)
    except ValueError as error:
        raise ForgedCallback("twilio: it came by no URL") from error


def _single(form: list[tuple[str, str]]) -> dict[str, Any]:
    """The parameters that have one value: of several, the signature does not say which is the last."""
    values: dict[str, set[str]] = {}
    for name, value in form:
        values.setdefault(name, set()).add(value)
    return {name: one.pop() for name, one in values.items() if len(one) == 1}


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
        )
    except ValueError as error:
        raise ForgedCallback("twilio: the body is no form") from error


def _spellings(url: str) -> Iterator[str]:
    """The URL as it is, and with and without the scheme's own port, since Twilio signs now this, now that."""
    yield url
    try:
        parts = urlsplit(url)
        port, default = parts.port, _PORTS.get(parts.scheme)
    except ValueError:
        return
    if default is None or port not in (None, default):
        return
    bare = parts.netloc.removesuffix(f":{default}")
    other = f"{bare}:{default}" if port is None else bare
    yield urlunsplit(parts._replace(netloc=other))


def _code(value: Any) -> int | None:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 and int(text) else None


def _error(status: str, code: int | None, said: Any) -> DeliveryError:
    words = said or (REASONS.get(code) if code else None) or f"Twilio says: {status}"
    return reason(f"twilio_{code or status}", words)


def _suppresses(code: int | None, sender: Any) -> SuppressionReason | None:
    if code is None or (code == _FROM_SHORT_CODE and str(sender).isdigit()):
        return None
    return SUPPRESSING.get(code)
