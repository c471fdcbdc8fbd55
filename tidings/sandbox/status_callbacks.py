"""Twilio's status callbacks, as the sandbox posts them: signed, and to this machine alone.

https://www.twilio.com/docs/usage/security#validating-requests (the signature),
https://www.twilio.com/docs/messaging/guides/track-outbound-message-status (the parameters).
"""

import asyncio
import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp
import structlog

log = structlog.get_logger(__name__)

ENDINGS: dict[str, tuple[str, str | None]] = {
    "0005": ("delivered", None),
    "0006": ("undelivered", "30003"),
    "0007": ("failed", "21610"),
}
"""What becomes of a message to a number that ends so: Twilio's status and code."""

_SECONDS = 10


@dataclass(slots=True)
class StatusCallbacks:
    """Posts callbacks beside the requests that ask for them. To be used while the event loop runs."""

    _session: aiohttp.ClientSession | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def post(self, url: str, secret: str, message: dict[str, str]) -> None:
        """Tell `url` that the message was sent, then what became of it, if its number asks for that.

        `message` are the parameters that stay the same. What is not on this machine is not called.
        """
        ending = ENDINGS.get(message["To"][-4:])
        if ending is None:
            return
        if not is_on_this_machine(url):
            log.warning("sandbox_callback_not_posted", reason="StatusCallback is not on this machine")
            return
        status, code = ending
        forms = [_form(message, "sent", None), _form(message, status, code)]
        task = asyncio.create_task(self._post_all(url, secret, forms))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self, *_application: object) -> None:
        """End what is under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post_all(self, url: str, secret: str, forms: list[dict[str, str]]) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=_SECONDS),
                headers={"User-Agent": "TwilioProxy/1.1"},
            )
        for form in forms:
            headers = {"X-Twilio-Signature": signature(secret, url, form)}
            try:
                answering = self._session.post(url, data=form, headers=headers, allow_redirects=False)
                async with answering as response:
                    answer = response.status
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                log.warning(
                    "sandbox_callback_failed", status=form["MessageStatus"], error=type(error).__name__
                )
            else:
                log.info("sandbox_callback_posted", status=form["MessageStatus"], answer=answer)


def signature(secret: str, url: str, form: dict[str, str]) -> str:
    """What `X-Twilio-Signature` says of this form at this URL."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    return b64encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def is_on_this_machine(url: str) -> bool:
    """Whether it names a loopback address: the sandbox sends nothing on to anybody else."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme in ("http", "https") and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False


def _form(message: dict[str, str], status: str, code: str | None) -> dict[str, str]:
    error = {"ErrorCode": code} if code else {}
    return message | {"MessageStatus": status, "SmsStatus": status, "SmsSid": message["MessageSid"]} | error
