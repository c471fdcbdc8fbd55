"""`apprise`: posts to chat services by Apprise 2 (https://github.com/caronc/apprise).

Apprise knows the services' forms; each recipient is an Apprise URL, with its tokens in it. It is synchronous,
and says of a failure no more than that it was one: so it runs in threads of its own, and its requests are
made by `apprise_requests`, which knows what became of them.
"""

import asyncio
import contextvars
import importlib
import importlib.util
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import aiohttp
from pydantic import Field

from tidings.domain.chat_url import PARAMETERS
from tidings.domain.recipient import checked_recipient
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, ProviderMisconfigured, TransientFailure, UnknownOutcome
from tidings.providers.apprise_requests import CURRENT, Call, Requests
from tidings.providers.http_call import open_connector, open_session
from tidings.providers.protocol import Acceptance, OutgoingMessage
from tidings.providers.webhook_target import CheckedResolver, CheckedSockets, Lookup, TargetPolicy
from tidings.providers.wording import shown
from tidings.settings import ProviderSettings, Settings

SERVICES: dict[tuple[str, ...], str] = {
    ("discord",): "discord:NotifyDiscord",
    ("feishu",): "feishu:NotifyFeishu",
    ("gchat",): "google_chat:NotifyGoogleChat",
    ("gotify", "gotifys"): "gotify:NotifyGotify",
    ("json", "jsons"): "custom_json:NotifyJSON",
    ("lark",): "lark:NotifyLark",
    ("mmost", "mmosts"): "mattermost:NotifyMattermost",
    ("nctalk", "nctalks"): "nextcloudtalk:NotifyNextcloudTalk",
    ("ntfy", "ntfys"): "ntfy:NotifyNtfy",
    ("revolt",): "revolt:NotifyRevolt",
    ("rocket", "rockets"): "rocketchat:NotifyRocketChat",
    ("ryver",): "ryver:NotifyRyver",
    ("slack",): "slack:NotifySlack",
    ("synology", "synologys"): "synology:NotifySynology",
    ("tgram",): "telegram:NotifyTelegram",
    ("webex", "wxteams"): "webexteams:NotifyWebexTeams",
    ("workflow", "workflows"): "workflows:NotifyWorkflows",
    ("zulip",): "zulip:NotifyZulip",
}
"""Module and class of each scheme. All of these speak by `requests` and nothing else; a test looks."""

_GRACE = 1.0
"""Requests end by their own timeouts before this: they know more of what became of them."""

TARGETS = {scheme: target for schemes, target in SERVICES.items() for scheme in schemes}


class AppriseSettings(Settings):
    """Apprise."""

    apprise_threads: int = Field(default=20, ge=1, le=1_000)
    """How many chat messages one process sends at once."""


class AppriseProvider:
    """Calls chat services on public networks and on those the settings allow.

    `lookup` and `sockets` stand in for name resolution and for the connection's socket.
    """

    name = "apprise"

    def __init__(
        self,
        settings: ProviderSettings,
        own: AppriseSettings,
        *,
        lookup: Lookup | None = None,
        sockets: aiohttp.SocketFactoryType | None = None,
    ) -> None:
        self._settings = settings
        self._threads = own.apprise_threads
        policy = TargetPolicy(settings.webhook_allowed_networks)
        self._resolver = CheckedResolver(policy, lookup)
        self._sockets = sockets or CheckedSockets(policy)
        self._session: aiohttp.ClientSession | None = None
        self._executor: ThreadPoolExecutor | None = None

    @classmethod
    def build(cls, settings: ProviderSettings) -> Self:
        """With its own settings from the environment."""
        return cls(settings, AppriseSettings.load())

    @property
    def missing(self) -> str | None:
        """The extra without which nothing can be sent."""
        return None if importlib.util.find_spec("apprise") else "tidings[apprise]"

    async def send(self, message: OutgoingMessage) -> Acceptance:
        """Have Apprise post once to what the URL names. There is no reference: Apprise gives none."""
        if self.missing is not None:
            raise ProviderMisconfigured("apprise_not_installed", "needs: pip install 'tidings[apprise]'")
        try:
            # Accepted long ago, perhaps, and by other rules.
            url = checked_recipient(Channel.CHAT, message.recipient)
        except ValueError as error:
            raise PermanentFailure("target_invalid", shown(f"the Apprise URL {error}")) from error
        within = self._settings.provider_connect_timeout + self._settings.provider_response_timeout
        call = Call(asyncio.get_running_loop(), self._opened(), url, message.key, within)
        context = contextvars.copy_context()
        context.run(CURRENT.set, call)
        begun = False

        def work() -> bool:
            nonlocal begun
            begun = True
            return not call.closed and delivered(url, message)

        try:
            async with asyncio.timeout(within + _GRACE):
                accepted = await call.loop.run_in_executor(self._pool(), context.run, work)
        except TimeoutError:
            if begun:
                raise UnknownOutcome("no_answer", f"Apprise had not ended after {within:g} s") from None
            raise TransientFailure("apprise_busy", "no thread was free in time") from None
        finally:
            call.close()
        if not accepted:
            raise call.refusal()
        return Acceptance()

    async def check(self) -> str:
        """Whom to call, and as whom, each notification says."""
        return "installed"

    async def aclose(self) -> None:
        """Close pooled connections; threads end with what they are at."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _pool(self) -> ThreadPoolExecutor:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="apprise")
        return self._executor

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session(self._settings, open_connector(self._resolver, self._sockets))
        return self._session


def delivered(url: str, message: OutgoingMessage) -> bool:
    """Whether Apprise says that the message was delivered. For a thread that works for a call.

    Raises PermanentFailure on a URL that its service does not understand.
    """
    import apprise

    # It logs URLs, and answers that may repeat them.
    logging.getLogger("apprise").disabled = True
    asset = apprise.AppriseAsset(async_mode=False, http_redirects=False, service_timeout=0)
    service = _service(url, asset)
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    return bool(
        sender.notify(body=message.body, title=message.subject or "", body_format=apprise.NotifyFormat.TEXT)
    )


def _service(url: str, asset: Any) -> Any:
    """Apprise's own object for the URL, speaking by our requests and at once."""
    module_name, _, class_name = TARGETS[url.partition("://")[0]].partition(":")
    module = importlib.import_module(f"apprise.plugins.{module_name}")
    if not isinstance(module.requests, Requests):
        module.requests = Requests()  # type: ignore[attr-defined]
    kind = getattr(module, class_name)
    invalid = PermanentFailure("target_invalid", "the service does not understand this Apprise URL")
    try:
        found = kind.parse_url(url)
        if not found or not _is_plain(found):
            raise invalid
        service = kind(**{**found, "asset": asset})
    except PermanentFailure:
        raise
    except Exception:
        # Apprise raises TypeError and more, with the URL's parts in its words.
        raise invalid from None
    service.request_rate_per_sec = 0
    return service


def _is_plain(found: dict[str, Any]) -> bool:
    """Whether Apprise, too, reads no other parameters than those that are allowed."""
    extra = any(found.get(name) for name in ("qsd+", "qsd-", "qsd:"))
    return not extra and set(found.get("qsd") or {}) <= PARAMETERS
