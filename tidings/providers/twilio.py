"""`twilio`: sends SMS by Twilio's Messages resource (API version 2010-04-01).

https://www.twilio.com/docs/messaging/api/message-resource (requests),
https://www.twilio.com/docs/api/errors (every code below, each with a page of its own).

Twilio knows no idempotency key for messages: a repeated request is another message. Where its answer
leaves open whether there is one, the outcome is unknown and the notification's `guarantee` decides.
"""

import base64
from typing import Self
from urllib.parse import urlencode

import aiohttp
from pydantic import Field, SecretStr

from tidings.domain.providers import NOTIFICATION_HEADER
from tidings.domain.receipt import SuppressionReason
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    SetupError,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.api_answer import ANSWER_BYTES, bare, failure, json_object, kind_of
from tidings.providers.callbacks.addresses import callback_url
from tidings.providers.http_call import HttpAnswer, call, open_session, post
from tidings.providers.http_outcome import TOO_SOON, retry_after
from tidings.providers.protocol import Acceptance, OutgoingMessage
from tidings.providers.wording import shown
from tidings.settings import ProviderSettings, Settings

_OK = 200
_CREATED = 201


class TwilioSettings(Settings):
    """Twilio's address and credentials. An API key, if there is one, logs in instead of the auth token."""

    twilio_url: str = Field(default="https://api.twilio.com", pattern=r"^https?://[^/?#]+/?$")
    twilio_account_sid: str | None = Field(default=None, pattern=r"^AC[0-9a-fA-F]{32}$")
    twilio_auth_token: SecretStr | None = None
    """Of the account or subaccount that sends. It signs the callbacks, also where an API key logs in."""
    twilio_api_key: str | None = Field(default=None, pattern=r"^SK[0-9a-fA-F]{32}$")
    twilio_api_secret: SecretStr | None = None
    twilio_from: str | None = None
    """A number of ours in E.164, a short code or an alphanumeric sender."""
    twilio_messaging_service_sid: str | None = Field(default=None, pattern=r"^MG[0-9a-fA-F]{32}$")
    """Picks the sender; with `twilio_from` as well, the service sends from that one."""


ERRORS: dict[int, type[SendFailure]] = {
    # The account and its credentials.
    10001: ProviderMisconfigured,  # account is not active
    20003: ProviderMisconfigured,  # permission denied: wrong credentials
    20004: ProviderMisconfigured,  # method not allowed
    20005: ProviderMisconfigured,  # account not active
    20006: ProviderMisconfigured,  # access denied
    20008: ProviderMisconfigured,  # test credentials where live ones are needed
    20404: ProviderMisconfigured,  # not found: no such account at this address
    # The service.
    20429: TransientFailure,  # too many requests
    20500: UnknownOutcome,  # internal error: "it is possible for a customer to receive multiple messages"
    20503: TransientFailure,  # service unavailable
    21611: TransientFailure,  # the sender's queue is full
    # The recipient.
    21211: PermanentFailure,  # invalid To
    21217: PermanentFailure,  # does not appear to be a phone number
    21265: PermanentFailure,  # To is a short code
    21266: PermanentFailure,  # To and From are the same
    21604: PermanentFailure,  # To is missing
    21610: PermanentFailure,  # the recipient has opted out
    21614: PermanentFailure,  # To is not a mobile number
    21635: PermanentFailure,  # To is a landline
    # The text.
    21602: PermanentFailure,  # no body
    21605: PermanentFailure,  # body over 160 characters, on an old endpoint
    21617: PermanentFailure,  # body over 1,600 characters
    21618: PermanentFailure,  # the body cannot be sent
    21619: PermanentFailure,  # neither body nor media
    # Our sender, and where it may send to.
    21212: ProviderMisconfigured,  # invalid From
    21408: ProviderMisconfigured,  # sending to this region is not enabled
    21601: ProviderMisconfigured,  # From is not a number of ours that can send SMS
    21603: ProviderMisconfigured,  # neither From nor a messaging service
    21606: ProviderMisconfigured,  # From cannot send messages
    21607: ProviderMisconfigured,  # From must be the trial account's number
    21608: ProviderMisconfigured,  # a trial account sends to verified numbers only
    21609: ProviderMisconfigured,  # invalid status callback
    21612: ProviderMisconfigured,  # this From cannot reach this To
    21616: ProviderMisconfigured,  # From matches several numbers
    21657: ProviderMisconfigured,  # invalid sender id
    21659: ProviderMisconfigured,  # From is not Twilio's, or a short code of another country
    21660: ProviderMisconfigured,  # From belongs to another account
    21661: ProviderMisconfigured,  # From cannot send SMS
    21662: ProviderMisconfigured,  # From and To cannot be combined in the Ireland region
    21663: ProviderMisconfigured,  # From is routed to another region
    21701: ProviderMisconfigured,  # no such messaging service
    21702: ProviderMisconfigured,  # the messaging service sends nothing now
    21703: ProviderMisconfigured,  # the messaging service has no number for this recipient
    21704: ProviderMisconfigured,  # the messaging service has no numbers
    21705: ProviderMisconfigured,  # invalid messaging service
    21709: ProviderMisconfigured,  # alphanumeric sender not authorized for the messaging service
}
"""What Twilio's own codes mean for a message."""

SUPPRESSES = {21610: SuppressionReason.OPT_OUT}
"""What rules the recipient out for later messages too."""

STATUSES: dict[int, type[SendFailure]] = {
    500: UnknownOutcome,
    502: UnknownOutcome,
    504: UnknownOutcome,
}
"""What a status means without a code of Twilio's: see 20500. Others: `api_answer.kind_of`."""


class TwilioProvider:
    """Posts one message per notification. Raises SetupError if the settings are there only in part."""

    name = "twilio"

    def __init__(self, settings: ProviderSettings, own: TwilioSettings) -> None:
        self._settings = settings
        account = f"{own.twilio_url.rstrip('/')}/2010-04-01/Accounts/{own.twilio_account_sid}"
        self._url = f"{account}/Messages.json"
        # An API key may read all but the account itself.
        self._check_url = (
            f"{account}{'/IncomingPhoneNumbers.json?PageSize=1' if own.twilio_api_key else '.json'}"
        )
        self._sender = {
            name: value
            for name, value in (
                ("From", own.twilio_from),
                ("MessagingServiceSid", own.twilio_messaging_service_sid),
            )
            if value
        }
        self._authorization = _authorization(own)
        self._missing = _missing(own)
        if self._missing and own.model_fields_set - {"twilio_url"}:
            raise SetupError(f"{self._missing} is not set, but other TIDINGS_TWILIO_… are. Set it as well.")
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def build(cls, settings: ProviderSettings) -> Self:
        """With its own settings from the environment."""
        return cls(settings, TwilioSettings.load())

    @classmethod
    def sandboxed(cls, settings: ProviderSettings) -> Self:
        """For the sandbox: our own sender, if there is one, and nobody's credentials."""
        own = TwilioSettings.load()
        there = {
            "twilio_url": settings.sandbox_url,
            "twilio_account_sid": f"AC{0:032}",
            # The sandbox signs its callbacks with what it was logged in by, as Twilio does.
            "twilio_auth_token": settings.sandbox_secret or SecretStr("sandbox"),
            "twilio_api_key": None,
            "twilio_api_secret": None,
            "twilio_from": own.twilio_from or "Tidings",
        }
        return cls(settings, own.model_copy(update=there))

    @property
    def missing(self) -> str | None:
        """The setting without which nothing can be sent."""
        return self._missing

    async def send(self, message: OutgoingMessage) -> Acceptance:
        """POST the message once; the acceptance's reference is the message's SID."""
        if self._missing:
            raise ProviderMisconfigured("twilio_not_set_up", f"{self._missing} is not set")
        try:
            form = {"To": message.recipient, "Body": message.body, **self._sender}
            callback = callback_url(self._settings, self.name, message.notification_id)
            if callback is not None:
                form["StatusCallback"] = callback
            body = urlencode(form).encode()
        except UnicodeEncodeError as error:
            raise PermanentFailure("message_invalid", "the message is not Unicode text") from error
        headers = {
            "Authorization": self._authorization,
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            # No deduplication: it lets a log between us and Twilio name the notification.
            NOTIFICATION_HEADER: message.key,
        }
        answer = await post(self._opened(), self._url, body, headers, answer_bytes=ANSWER_BYTES)
        if answer.status != _CREATED:
            raise failure_for(answer)
        sid = json_object(answer.text).get("sid")
        return Acceptance(reference=sid if isinstance(sid, str) else None)

    async def check(self) -> str:
        """Read the account, or with an API key its numbers."""
        headers = {"Authorization": self._authorization, "Accept": "application/json"}
        answer = await call(self._opened(), "GET", self._check_url, None, headers, answer_bytes=ANSWER_BYTES)
        if answer.status != _OK:
            raise failure_for(answer)
        status = json_object(answer.text).get("status")
        if isinstance(status, str) and status != "active":
            raise ProviderMisconfigured("twilio_account", shown(f"the account is {status}"))
        return "the account takes our credentials"

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session(self._settings)
        return self._session

    async def aclose(self) -> None:
        """Close pooled connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def failure_for(answer: HttpAnswer) -> SendFailure:
    """The failure that an answer other than 201 stands for."""
    content = json_object(answer.text)
    wait = retry_after(answer.headers.get("Retry-After"))
    by_status = STATUSES.get(answer.status) or kind_of(answer.status)
    too_soon = answer.status in TOO_SOON
    code = content.get("code")
    if isinstance(code, int) and not isinstance(code, bool) and 0 < code < 1_000_000:
        kind = ERRORS.get(code, by_status)
        text = str(content.get("message") or "no text")
        if code in SUPPRESSES:
            return PermanentFailure(f"twilio_{code}", shown(text), suppresses=SUPPRESSES[code])
        return failure(kind, f"twilio_{code}", text, wait, of_message=too_soon)
    text = bare(answer.status, answer.text)
    return failure(by_status, f"http_{answer.status}", text, wait, of_message=too_soon)


def _missing(own: TwilioSettings) -> str | None:
    """The setting without which nothing can be sent."""
    if not own.twilio_account_sid:
        return "TIDINGS_TWILIO_ACCOUNT_SID"
    if own.twilio_api_key and not own.twilio_api_secret:
        return "TIDINGS_TWILIO_API_SECRET"
    if not own.twilio_api_key and not own.twilio_auth_token:
        return "TIDINGS_TWILIO_AUTH_TOKEN (or TIDINGS_TWILIO_API_KEY)"
    if not own.twilio_from and not own.twilio_messaging_service_sid:
        return "TIDINGS_TWILIO_FROM (or TIDINGS_TWILIO_MESSAGING_SERVICE_SID)"
    return None


def _authorization(own: TwilioSettings) -> str:
    username, secret = (
        (own.twilio_api_key, own.twilio_api_secret)
        if own.twilio_api_key
        else (own.twilio_account_sid, own.twilio_auth_token)
    )
    credentials = f"{username}:{secret.get_secret_value() if secret else ''}"
    return f"Basic {base64.b64encode(credentials.encode()).decode()}"
