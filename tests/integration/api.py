"""What the tests of the API share: the real application on a real port, and a caller with a key."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import aiohttp
import uvicorn
from pydantic import PostgresDsn
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from api.app import create_app
from api.composition import ApiConfiguration, Parts, compose
from api.connection import server_config
from tests.support import eventually, free_port
from tidings.database.api_keys import ApiKeyRepository
from tidings.database.engine import create_engine
from tidings.domain.api_key import ApiKey, new_secret
from tidings.domain.vocabulary import Scope
from tidings.settings import (
    ApiSettings,
    CodecServerSettings,
    DatabaseSettings,
    ProviderSettings,
    TokenSettings,
)
from tidings.temporal import names

EMAIL = {"channel": "email", "recipient": "ada@example.com", "subject": "Hello", "body": "Hello, Ada."}


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are pytest's."""
        yield


@dataclass(frozen=True)
class Answer:
    """An answer, its body read."""

    status: int
    headers: Any
    text: str
    json: Any

    @property
    def kind(self) -> str:
        """The last part of a problem's type."""
        assert self.headers["Content-Type"] == "application/problem+json", self.text
        assert self.json["status"] == self.status
        kind: str = self.json["type"].removeprefix("/problems/")
        return kind

    @property
    def pointers(self) -> list[str]:
        """The fields that a validation problem names."""
        assert self.kind == "validation"
        return [error["pointer"] for error in self.json["errors"]]


@dataclass(frozen=True)
class Api:
    """A running API, and the key its calls are made with unless they say otherwise."""

    url: str
    parts: Parts
    key: str
    session: aiohttp.ClientSession
    accepted: list[str] = field(default_factory=list)
    """The ids of all notifications that were answered with 201."""

    async def call(self, method: str, path: str, *, key: str | None = "", **request: Any) -> Answer:
        """One call. `key` None: no Authorization header."""
        headers = dict(request.pop("headers", {}))
        if key is not None:
            headers.setdefault("Authorization", f"Bearer {key or self.key}")
        async with self.session.request(
            method, self.url + path, headers=headers, allow_redirects=False, **request
        ) as response:
            text = await response.text()
            is_json = bool(text) and "json" in response.headers.get("Content-Type", "")
            answer = Answer(response.status, response.headers, text, json.loads(text) if is_json else None)
        if answer.status == 201:
            self.accepted.append(answer.json["id"])
        return answer

    async def get(self, path: str, **request: Any) -> Answer:
        """GET."""
        return await self.call("GET", path, **request)

    async def post(self, path: str, **request: Any) -> Answer:
        """POST."""
        return await self.call("POST", path, **request)

    async def submit(self, **fields: Any) -> Answer:
        """Submit an e-mail with these fields changed."""
        return await self.post("/v1/notifications", json=EMAIL | fields)

    async def submitted(self, **fields: Any) -> str:
        """The id of a notification that was accepted."""
        answer = await self.submit(**fields)
        assert answer.status == 201, answer.text
        id: str = answer.json["id"]
        return id


async def reaches(api: Api, id: str, status: str) -> Answer:
    """Wait until the notification has that status; the answer then."""

    async def there() -> Answer:
        answer = await api.get(f"/v1/notifications/{id}")
        assert answer.json["status"] == status, answer.text
        return answer

    return await eventually(there)


async def attempted(api: Api, id: str, status: str) -> Answer:
    """The same, once the row has it: a workflow that answers in its place lists no attempts."""

    async def there() -> Answer:
        answer = await reaches(api, id, status)
        assert answer.json["attempts"]
        return answer

    return await eventually(there)


async def signals(client: Client, id: str) -> list[str]:
    """The signals that the notification's workflow has taken."""
    history = client.get_workflow_handle(names.workflow_id(id)).fetch_history_events()
    return [
        event.workflow_execution_signaled_event_attributes.signal_name
        async for event in history
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]


async def forgotten(client: Client, id: str) -> None:
    """Have Temporal forget a closed workflow, as it does by itself when its retention is over."""
    execution = WorkflowExecution(workflow_id=names.workflow_id(id))
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
    )

    async def gone() -> bool:
        try:
            await client.get_workflow_handle(names.workflow_id(id)).describe()
        except RPCError as error:
            return error.status == RPCStatusCode.NOT_FOUND
        return False

    await eventually(gone)


PUBLIC_URL = "https://notify.example.com"
"""Where providers are told to call back."""


async def make_key(
    database_url: str, tenant: str = "acme", secret: str | None = None, scopes: Iterable[Scope] = Scope
) -> tuple[str, ApiKey]:
    """A key in the database: its secret and what is stored of it."""
    secret = secret or new_secret()
    engine = create_engine(DatabaseSettings(database_url=PostgresDsn(database_url)))
    try:
        return secret, await ApiKeyRepository(engine).create(tenant, "test", secret, scopes=scopes)
    finally:
        await engine.dispose()


@asynccontextmanager
async def running_api(
    database_url: str,
    temporal_address: str,
    *,
    key: str,
    environment: Mapping[str, str] | None = None,
    port: int | None = None,
    tokens: TokenSettings | None = None,
    codec_server: CodecServerSettings | None = None,
    command_timeout: float = 30,
    **settings: Any,
) -> AsyncIterator[Api]:
    """Run the API for the block, on a port of its own or this one. The key is known when it begins.

    `environment`: variables for what reads its own settings while the API is put together.
    `command_timeout`: seconds that Postgres has for a statement. What is waited for is waited for long, as a
    machine that tests share may stand still for a while: only a test of an outage wants to be told soon.
    """
    configuration = ApiConfiguration(
        api=ApiSettings(**{"start_timeout": 30, "cancel_wait": 30} | settings),
        database=DatabaseSettings(
            database_url=PostgresDsn(database_url),
            database_connect_timeout=2,
            database_pool_timeout=30,
            database_command_timeout=command_timeout,
        ),
        providers=ProviderSettings(public_url=PUBLIC_URL),
        tokens=tokens or TokenSettings(),
        codec_server=codec_server or CodecServerSettings(),
    )
    profile = {"TEMPORAL_ADDRESS": temporal_address, "TEMPORAL_CONFIG_FILE": os.devnull}
    profile |= environment or {}
    async with contextlib.AsyncExitStack() as stack:
        with mock.patch.dict(os.environ, profile):
            parts = await stack.enter_async_context(compose(configuration))
        port = port or free_port()
        server = _Server(server_config(create_app(parts), configuration.api, port=port))
        serving = asyncio.create_task(server.serve())
        try:
            await eventually(lambda: server.started)
            async with aiohttp.ClientSession() as session:
                api = Api(f"http://127.0.0.1:{port}", parts, key, session)
                yield api
                await _end_workflows(temporal_address, api.accepted)
        finally:
            server.should_exit = True
            await serving


async def _end_workflows(temporal_address: str, ids: list[str]) -> None:
    """End what a test leaves open, so that no later test's worker picks it up."""
    if not ids:
        return
    with contextlib.suppress(RuntimeError):  # the test has stopped its server
        client = await Client.connect(temporal_address)
        for id in ids:
            with contextlib.suppress(RPCError):
                await client.get_workflow_handle(names.workflow_id(id)).terminate()
