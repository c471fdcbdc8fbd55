"""`sns`: sends SMS by Amazon SNS, Publish to a phone number (API version 2010-03-31).

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html (request and errors),
https://docs.aws.amazon.com/sns/latest/dg/sms_sending-overview.html (the message attributes),
https://docs.aws.amazon.com/botocore/latest/reference/services/sns/client/exceptions/OptedOutException.html.

SNS knows no idempotency key for SMS (its deduplication id is for FIFO topics): a repeated request is another
message. Where its answer leaves open whether there is one, the outcome is unknown.
"""

from enum import StrEnum
from typing import Self

from pydantic import Field

from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.aws import AwsClient, AwsSettings
from tidings.providers.aws_outcome import COMMON
from tidings.providers.protocol import Acceptance, OutgoingMessage
from tidings.settings import ProviderSettings


class SmsType(StrEnum):
    """How SNS weighs an SMS: for reliability or for cost."""

    TRANSACTIONAL = "Transactional"
    PROMOTIONAL = "Promotional"


class SnsSettings(AwsSettings):
    """SNS's address and our sender."""

    sns_url: str | None = Field(default=None, pattern=r"^https?://[^/?#]+/?$")
    """Another address than the region's own."""
    sns_sender_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]{1,11}$")
    """An alphanumeric sender, where the recipient's country knows them."""
    sns_origination_number: str | None = Field(default=None, pattern=r"^\+?[0-9]{3,15}$")
    """A number of ours; AWS picks one if empty."""
    sns_sms_type: SmsType = SmsType.TRANSACTIONAL


ERRORS: dict[str, type[SendFailure]] = COMMON | {
    # Our account.
    "AuthorizationError": ProviderMisconfigured,
    "InvalidSecurity": ProviderMisconfigured,
    "NotFound": ProviderMisconfigured,
    "EndpointDisabled": ProviderMisconfigured,
    "PlatformApplicationDisabled": ProviderMisconfigured,
    # The service.
    "Throttled": TransientFailure,
    "ThrottledException": TransientFailure,
    "InternalError": UnknownOutcome,
    # The recipient, or the text.
    "InvalidParameter": PermanentFailure,
    "ParameterValueInvalid": PermanentFailure,
    "OptedOut": PermanentFailure,
}
"""What SNS's codes mean for a message. Others: their status, `aws_outcome.STATUSES`."""


class SnsProvider:
    """Publishes one SMS per notification. Raises SetupError if only half of the credentials are there."""

    name = "sns"

    def __init__(self, settings: ProviderSettings, own: SnsSettings) -> None:
        self._client = AwsClient(self.name, "sns", own.sns_url, ERRORS, settings, own)
        attributes = {
            "AWS.SNS.SMS.SMSType": own.sns_sms_type.value,
            "AWS.SNS.SMS.SenderID": own.sns_sender_id,
            "AWS.MM.SMS.OriginationNumber": own.sns_origination_number,
        }
        self._attributes = {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
        }

    @classmethod
    def build(cls, settings: ProviderSettings) -> Self:
        """With its own settings from the environment."""
        return cls(settings, SnsSettings.load())

    @classmethod
    def sandboxed(cls, settings: ProviderSettings) -> Self:
        """For the sandbox: our own sender, and nobody's credentials."""
        return cls(settings, SnsSettings.load().sandboxed(sns_url=settings.sandbox_url))

    @property
    def missing(self) -> str | None:
        """What has to be there before anything can be sent, as far as settings alone can tell."""
        return self._client.missing

    async def send(self, message: OutgoingMessage) -> Acceptance:
        """Publish the message once; the acceptance's reference is SNS's message id."""
        try:
            message.body.encode()
        except UnicodeEncodeError as error:
            raise PermanentFailure("message_invalid", "the message is not Unicode text") from error
        parameters = {
            "PhoneNumber": message.recipient,
            "Message": message.body,
            "MessageAttributes": self._attributes,
        }
        answer = await self._client.call("publish", message.key, parameters)
        return Acceptance(reference=answer.get("MessageId"))

    async def check(self) -> str:
        """Ask for the account's SMS preferences (`sns:GetSMSAttributes`)."""
        if await self._client.asked("get_sms_attributes") is None:
            return "AWS knows our credentials, which may not ask for preferences (sns:GetSMSAttributes)"
        return "AWS takes our credentials"

    async def aclose(self) -> None:
        """Close pooled connections."""
        await self._client.aclose()
