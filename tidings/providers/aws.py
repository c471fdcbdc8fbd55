"""A client of one AWS service, by aiobotocore (extra `aws`): credentials, signature, the service's protocol.

The requests themselves go through `http_call` as everybody's do: pooled, once, with no redirect, and with
knowledge of whether they had gone out.
"""

import asyncio
import importlib
import importlib.util
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from pydantic import Field, SecretStr

from tidings.domain.providers import NOTIFICATION_HEADER
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    SetupError,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.api_answer import ANSWER_BYTES
from tidings.providers.aws_outcome import failure_for, failure_of_status
from tidings.providers.http_call import call, open_session
from tidings.providers.wording import shown
from tidings.settings import ProviderSettings, Settings


@dataclass(slots=True)
class _Exchange:
    """One call: what it is about, and the text and status of the answer once that is there."""

    notification: str
    status: int = 0
    text: str = ""


_exchange: ContextVar[_Exchange] = ContextVar("exchange")


_OK = 200
_NOT_OURS_TO_ASK = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError"})
"""What AWS answers credentials that it knows, and that may send and nothing else."""


class AwsSettings(Settings):
    """Where and as whom AWS is called. What is empty is found where AWS's own tools look: their variables,
    a profile, the role of the container or machine.
    """

    aws_region: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,40}$")
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None

    def sandboxed(self, **there: str) -> Self:
        """The same for the sandbox, at the address in `there`: in no region, with nobody's credentials."""
        as_nobody = {
            "aws_region": "sandbox",
            "aws_access_key_id": "sandbox",
            "aws_secret_access_key": SecretStr("sandbox"),
            "aws_session_token": None,
        }
        return self.model_copy(update=as_nobody | there)


@dataclass(slots=True)
class AwsClient:
    """Calls one service for the provider `name`. `url`: another address than the region's.

    `errors` are the codes of the service. To be made anywhere, used while the event loop runs.
    """

    name: str
    service: str
    url: str | None
    errors: Mapping[str, type[SendFailure]]
    settings: ProviderSettings
    own: AwsSettings
    _client: Any = None
    _credentials: Any = None
    _opening: asyncio.Task[None] | None = None
    _session: aiohttp.ClientSession | None = None

    def __post_init__(self) -> None:
        """Raises SetupError if the credentials are there only in part."""
        given = bool(self.own.aws_access_key_id), bool(self.own.aws_secret_access_key)
        if any(given) and not all(given):
            raise SetupError(
                "TIDINGS_AWS_ACCESS_KEY_ID and TIDINGS_AWS_SECRET_ACCESS_KEY: only one is set. Set both."
            )

    async def call(self, operation: str, notification: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """One request, once; the answer as botocore gives it, or nothing if all that came is a success.

        `operation` is the client's method.

        Raises TransientFailure, PermanentFailure, ProviderMisconfigured or UnknownOutcome.
        """
        await self._ready()
        exchange = _Exchange(notification)
        _exchange.set(exchange)
        with self._translated():
            try:
                answer: dict[str, Any] = await getattr(self._client, operation)(**parameters)
            except importlib.import_module("botocore.exceptions").ClientError:
                raise
            except Exception:
                if not exchange.status:
                    raise
                # Not in AWS's form, over which botocore falls in many ways: the status decides.
                answer = {}
        if exchange.status != _OK:
            raise failure_of_status(exchange.status, exchange.text)
        return answer

    async def asked(self, operation: str) -> dict[str, Any] | None:
        """The answer to a question that sends nothing; None if AWS knows us, but we may not ask it.

        Raises as `call` does.
        """
        try:
            return await self.call(operation, "check", {})
        except ProviderMisconfigured as failure:
            if failure.code.partition("_")[2] in _NOT_OURS_TO_ASK:
                return None
            raise

    async def aclose(self) -> None:
        """Close pooled connections, and end an opening that is under way."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
            self._client = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ready(self) -> None:
        """A client, and credentials that are good now. Nothing has gone out when this fails."""
        limit = self.settings.provider_connect_timeout
        try:
            async with asyncio.timeout(limit):
                if self._client is None:
                    if self._opening is None:
                        self._opening = asyncio.create_task(self._open())
                        self._opening.add_done_callback(self._opened)
                    # One who gives up waiting does not take the client from the others.
                    await asyncio.shield(self._opening)
                if self._credentials is not None:
                    with self._translated():
                        await self._credentials.get_frozen_credentials()
        except TimeoutError as error:
            raise TransientFailure(
                "credentials_unavailable", f"no AWS credentials within {limit:g} s"
            ) from error
        except UnknownOutcome as error:
            # AWS's answer when it was asked for credentials: no message went out.
            raise TransientFailure(error.code, error.message) from error

    @property
    def missing(self) -> str | None:
        """The setting that is missing. AWS's own chain may hold credentials: that takes a call to know."""
        if importlib.util.find_spec("aiobotocore") is None:
            return "tidings[aws]"
        region = self.own.aws_region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        return None if region or os.environ.get("AWS_PROFILE") else "TIDINGS_AWS_REGION"

    async def _open(self) -> None:
        try:
            # It takes a while, and every other send of this process would wait for it.
            library = await asyncio.to_thread(importlib.import_module, "aiobotocore.session")
            configuration = await asyncio.to_thread(importlib.import_module, "aiobotocore.config")
        except ImportError as error:
            raise self._not_set_up("the extra is not installed: pip install 'tidings[aws]'") from error
        with self._translated():
            session = library.get_session()
            region = self.own.aws_region or session.get_config_variable("region")
            if not region:
                raise self._not_set_up("TIDINGS_AWS_REGION is not set")
            if not self.own.aws_access_key_id:
                self._credentials = await session.get_credentials()
                if self._credentials is None:
                    raise self._not_set_up(
                        "TIDINGS_AWS_ACCESS_KEY_ID is not set, and AWS knows no credentials here"
                    )
            if self._session is None:
                self._session = open_session(self.settings)
            creating = session.create_client(
                self.service,
                region_name=region,
                endpoint_url=self.url,
                aws_access_key_id=self.own.aws_access_key_id,
                aws_secret_access_key=_secret(self.own.aws_secret_access_key),
                aws_session_token=_secret(self.own.aws_session_token) if self.own.aws_access_key_id else None,
                config=configuration.AioConfig(
                    retries={"total_max_attempts": 1},
                    proxies={},
                    warm_up_loader_caches=True,
                    http_session_cls=_Line.over(self._session),
                ),
            )
            client = await creating.__aenter__()
            client.meta.events.register("before-call", _name_notification)
            self._client = client

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening = None
        if not task.cancelled():
            # Looked at, so that asyncio does not complain where all who waited have gone.
            task.exception()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of botocore, which is there by now, as ours. Those of the line are ours already."""
        exceptions = importlib.import_module("botocore.exceptions")
        try:
            yield
        except exceptions.ClientError as error:
            raise failure_for(error.response, self.name, self.errors) from error
        except exceptions.ParamValidationError as error:
            raise PermanentFailure("message_invalid", shown(str(error))) from error
        except (exceptions.CredentialRetrievalError, exceptions.MetadataRetrievalError) as error:
            raise TransientFailure("credentials_unavailable", shown(str(error))) from error
        except exceptions.HTTPClientError as error:
            # Not the message's own request: AWS was asked for credentials.
            raise TransientFailure("credentials_unavailable", shown(str(error))) from error
        except exceptions.BotoCoreError as error:
            raise self._not_set_up(str(error)) from error

    def _not_set_up(self, why: str) -> ProviderMisconfigured:
        return ProviderMisconfigured(f"{self.name}_not_set_up", shown(why))


@dataclass(slots=True)
class _Line:
    """What botocore sends its requests through: the part of its HTTP session that a client uses."""

    session: aiohttp.ClientSession

    @staticmethod
    def over(session: aiohttp.ClientSession) -> Any:
        """What botocore calls to make one; it offers timeouts, proxies and more, all of which are settled."""
        return lambda **_offered: _Line(session)

    async def __aenter__(self) -> "_Line":
        return self

    async def __aexit__(self, *_error: object) -> None:
        """The session is closed by its owner."""

    async def close(self) -> None:
        """The same."""

    async def send(self, request: Any) -> Any:
        """The answer to a signed request. Raises what `http_call.post` does."""
        body = request.body or b""
        answer = await call(
            self.session,
            request.method,
            request.url,
            body if isinstance(body, bytes) else body.encode(),
            {name: _text(value) for name, value in request.headers.items()},
            answer_bytes=ANSWER_BYTES,
        )
        exchange = _exchange.get()
        exchange.status, exchange.text = answer.status, answer.text
        kind = importlib.import_module("aiobotocore.awsrequest").AioAWSResponse
        return kind(request.url, answer.status, dict(answer.headers), _Body(answer.text.encode()))


@dataclass(frozen=True, slots=True)
class _Body:
    content: bytes

    async def read(self) -> bytes:
        return self.content


def _name_notification(params: dict[str, Any], **_more: Any) -> None:
    """No deduplication: it lets a log between us and AWS name the notification."""
    params["headers"][NOTIFICATION_HEADER] = _exchange.get().notification


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None
