"""`ses`: sends mail by Amazon SES, API v2, SendEmail with the mail written by ourselves (`Raw`).

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html (request and errors),
https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html (what is behind MessageRejected),
https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html (throttling).

SES knows no idempotency key: a repeated request is another mail. The `Date` and `Message-ID` that we write
are the same for every attempt, but SES puts a `Message-ID` of its own in place of ours. Our key goes as a
tag, which SES's events give back, and as a header of the mail.
"""

from typing import Annotated, Any, Self

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
)
from tidings.providers.aws import AwsClient, AwsSettings
from tidings.providers.aws_outcome import COMMON
from tidings.providers.mail import composed, parse_sender
from tidings.providers.protocol import Acceptance, OutgoingMessage
from tidings.settings import ProviderSettings

NOTIFICATION_TAG = "tidings_notification"
"""The tag that carries the notification's id."""


_Topic = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$")]


class SesSettings(AwsSettings):
    """SES's address and our sender."""

    ses_url: str | None = Field(default=None, pattern=r"^https?://[^/?#]+/?$")
    """Another address than the region's own."""
    ses_from: str | None = None
    """A verified sender, `Name <address>`; `TIDINGS_SMTP_FROM` if empty."""
    ses_configuration_set: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    ses_topics: Annotated[frozenset[_Topic], NoDecode] = frozenset()
    """The ARNs of the SNS topics that SES's events come by, separated by commas."""

    @field_validator("ses_topics", mode="before")
    @classmethod
    def _split_topics(cls, value: Any) -> Any:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )


ERRORS: dict[str, type[SendFailure]] = COMMON | {
    # Our account and its sender.
    "AccountSuspendedException": ProviderMisconfigured,
    "SendingPausedException": ProviderMisconfigured,
    "MailFromDomainNotVerifiedException": ProviderMisconfigured,
    "MessageRejected": ProviderMisconfigured,  # an address is not verified; rarely: a virus in the mail
    "NotFoundException": ProviderMisconfigured,  # no such configuration set
    # The service.
    "TooManyRequestsException": TransientFailure,
    "LimitExceededException": TransientFailure,
    # The message.
    "BadRequestException": PermanentFailure,
}
"""What SES's codes mean for a message. Others: their status, `aws_outcome.STATUSES`."""


class SesProvider:
    """Posts one mail per notification. Raises SetupError if the sender is no address, or a key is missing."""

    name = "ses"

    def __init__(self, settings: ProviderSettings, own: SesSettings) -> None:
        self._client = AwsClient(self.name, "sesv2", own.ses_url, ERRORS, settings, own)
        self._sender = (
            parse_sender(own.ses_from, "TIDINGS_SES_FROM")
            if own.ses_from
            else parse_sender(settings.smtp_from)
        )
        self._more = {"ConfigurationSetName": own.ses_configuration_set} if own.ses_configuration_set else {}

    @classmethod
    def build(cls, settings: ProviderSettings) -> Self:
        """With its own settings from the environment."""
        return cls(settings, SesSettings.load())

    @classmethod
    def sandboxed(cls, settings: ProviderSettings) -> Self:
        """For the sandbox: our own sender, and nobody's credentials."""
        return cls(settings, SesSettings.load().sandboxed(ses_url=settings.sandbox_url))

    @property
    def missing(self) -> str | None:
        """What has to be there before anything can be sent, as far as settings alone can tell."""
        return self._client.missing

    async def send(self, message: OutgoingMessage) -> Acceptance:
        """POST the mail once; the acceptance's reference is SES's message id."""
        mail = await composed(message, self._sender)
        if mail.smtputf8:
            raise PermanentFailure("recipient_invalid", "SES takes only ASCII before the @ (no SMTPUTF8)")
        parameters = {
            "FromEmailAddress": self._sender.address,
            # The envelope: without it SES would read the mail's own headers.
            "Destination": {"ToAddresses": [mail.recipient]},
            "Content": {"Raw": {"Data": mail.content}},
            "EmailTags": [{"Name": NOTIFICATION_TAG, "Value": message.key}],
            **self._more,
        }
        answer = await self._client.call("send_email", message.key, parameters)
        return Acceptance(reference=answer.get("MessageId"))

    async def check(self) -> str:
        """Ask for the account's state (`ses:GetAccount`)."""
        answer = await self._client.asked("get_account")
        if answer is None:
            return "AWS knows our credentials, which may not ask for the account's state (ses:GetAccount)"
        if answer.get("SendingEnabled") is False:
            raise ProviderMisconfigured("ses_sending", "sending is paused for this account and region")
        if answer.get("ProductionAccessEnabled") is False:
            return "AWS takes our credentials; the account is in SES's own sandbox: verified recipients alone"
        return "AWS takes our credentials, and the account may send"

    async def aclose(self) -> None:
        """Close pooled connections."""
        await self._client.aclose()
