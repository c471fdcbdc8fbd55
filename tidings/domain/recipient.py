"""What a recipient must look like on each channel: one form, which nobody can read as another recipient."""

import re
from collections.abc import Callable
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import getaddresses

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from tidings.domain.chat_url import checked_chat_url
from tidings.domain.http_url import checked_url
from tidings.domain.vocabulary import Channel
from tidings.domain.web_push import WebPushSubscription

E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
DEVICE_TOKEN = re.compile(r"[A-Za-z0-9_:./+=-]{8,4096}", re.ASCII)


def checked_recipient(channel: Channel, recipient: str) -> str:
    """The recipient in its normal form. Raises ValueError, with a remedy, if the channel cannot reach it."""
    return _CHECKS[channel](recipient)


def _email(recipient: str) -> str:
    try:
        parsed = validate_email(recipient, check_deliverability=False, allow_smtputf8=True, strict=True)
    except EmailNotValidError as error:
        raise ValueError(f"is not an e-mail address such as ada@example.com: {error}") from None
    if not reads_as_itself(parsed.normalized):
        raise ValueError("is not an e-mail address that every mail program reads alike")
    return parsed.normalized


def reads_as_itself(address: str) -> bool:
    """Whether this is one e-mail address, and comes back unchanged from those who take addresses apart."""
    local, _, domain = address.rpartition("@")
    try:
        # Given apart, an address outside ASCII is taken; the two parsers disagree about that alone.
        whole = Address(addr_spec=address) if address.isascii() else Address(username=local, domain=domain)
    except (MessageError, ValueError, IndexError):
        # IndexError: what the library makes of an address that ends too early.
        return False
    return str(whole) == address and getaddresses([address]) == [("", address)]


def _phone_number(recipient: str) -> str:
    if not E164.fullmatch(recipient):
        raise ValueError("is not an E.164 number: write + and the country code, such as +14155550123")
    try:
        number = phonenumbers.parse(recipient)
    except phonenumbers.NumberParseException as error:
        raise ValueError(f"is not an E.164 number: {error}") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("is not a possible number for its country code: check its length")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _device_token(recipient: str) -> str:
    if recipient.lstrip().startswith("{"):
        return WebPushSubscription.parse(recipient).text
    if not DEVICE_TOKEN.fullmatch(recipient):
        raise ValueError(
            "is not a device token: 8 to 4096 of the characters A-Z a-z 0-9 _ : . / + = -, nor a"
            " Web Push subscription, the JSON object that browsers give"
        )
    return recipient


_CHECKS: dict[Channel, Callable[[str], str]] = {
    Channel.EMAIL: _email,
    Channel.SMS: _phone_number,
    Channel.PUSH: _device_token,
    Channel.WEBHOOK: checked_url,
    Channel.CHAT: checked_chat_url,
}
