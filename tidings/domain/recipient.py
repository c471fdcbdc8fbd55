"""What a recipient must look like on each channel."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from tidings.domain.vocabulary import Channel

E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
DEVICE_TOKEN = re.compile(r"[A-Za-z0-9_:./+=-]{8,4096}", re.ASCII)


def checked_recipient(channel: Channel, recipient: str) -> str:
    """The recipient in its normal form. Raises ValueError, with a remedy, if the channel cannot reach it."""
    return _CHECKS[channel](recipient)


def _email(recipient: str) -> str:
    try:
        parsed = validate_email(recipient, check_deliverability=False, allow_smtputf8=True)
    except EmailNotValidError as error:
        raise ValueError(f"is not an e-mail address such as ada@example.com: {error}") from None
    return parsed.normalized


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
    if not DEVICE_TOKEN.fullmatch(recipient):
        raise ValueError("is not a device token: 8 to 4096 of the characters A-Z a-z 0-9 _ : . / + = -")
    return recipient


def _url(recipient: str) -> str:
    if len(recipient) > 2048 or not recipient.isascii() or not recipient.isprintable() or " " in recipient:
        raise ValueError("is not a URL of at most 2048 printable ASCII characters: percent-encode the rest")
    try:
        url = urlsplit(recipient)
        port = url.port
    except ValueError as error:
        raise ValueError(f"is not a URL such as https://example.com/hook: {error}") from None
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        raise ValueError("is not an http or https URL with a host, such as https://example.com/hook")
    if url.username is not None or url.password is not None:
        raise ValueError("must not carry a user name or password")
    return recipient


_CHECKS: dict[Channel, Callable[[str], str]] = {
    Channel.EMAIL: _email,
    Channel.SMS: _phone_number,
    Channel.PUSH: _device_token,
    Channel.WEBHOOK: _url,
}
