"""The `temporal` command against a real server: it reads payloads and seals its input by the codec server."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowHandle

from tests.integration.api import Api
from tests.integration.codec import CANARY, KEYS, TOKEN, codec_api
from tidings.domain.api_key import new_secret
from tidings.local.temporal_server import NAMESPACE, TemporalServer, temporal_program
from tidings.temporal.encryption.converter import data_converter
from tidings.temporal.encryption.keys import Keyring

_JSON = base64.b64encode(b"json/plain").decode()


@dataclass(frozen=True)
class Command:
    """`temporal workflow …` on one workflow that nobody works on, with a codec server."""

    server: TemporalServer
    api: Api
    workflow: WorkflowHandle[object, object]

    async def run(self, *arguments: str, token: str = TOKEN) -> tuple[int, str]:
        """Its exit status, and all that it printed."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
        process = await asyncio.create_subprocess_exec(
            *(temporal_program(), "workflow", *arguments, "--workflow-id", self.workflow.id),
            *("--address", self.server.address, "--codec-endpoint", f"{self.api.url}/v1/codec"),
            *("--codec-auth", f"Bearer {token}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
        )
        out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode()

    async def shown(self) -> list[Any]:
        """What it shows of the payloads in the workflow's history."""
        status, out = await self.run("show", "--output", "json")
        assert status == 0, out
        payloads = [
            payload
            for event in json.loads(out)["events"]
            for attributes in event.values()
            if isinstance(attributes, dict)
            for payload in attributes.get("input", {}).get("payloads", [])
        ]
        assert all(payload["metadata"]["encoding"] == _JSON for payload in payloads)
        return [json.loads(base64.b64decode(payload["data"])) for payload in payloads]


@pytest.fixture
async def command(temporal_server: TemporalServer) -> AsyncIterator[Command]:
    client = await Client.connect(
        temporal_server.address, namespace=NAMESPACE, data_converter=data_converter(Keyring.parse(KEYS))
    )
    async with codec_api(temporal_server) as api:
        workflow = await client.start_workflow(
            "Nothing", {"recipient": CANARY}, id=f"codec-{uuid4()}", task_queue="nobody"
        )
        yield Command(temporal_server, api, workflow)
        await workflow.terminate()


async def test_it_shows_what_is_sealed_to_who_has_the_token(command: Command) -> None:
    assert await command.shown() == [{"recipient": CANARY}]


@pytest.mark.parametrize("token", [TOKEN[:-1], new_secret()], ids=["cut", "API key"])
async def test_it_shows_nothing_to_who_has_another(command: Command, token: str) -> None:
    # It asks again until its time is over.
    status, out = await command.run("show", "--output", "json", "--command-timeout", "1s", token=token)
    assert status != 0
    assert "recipient" not in out
    assert '"payloads"' not in out


async def test_a_signal_works_as_without_a_codec_server_and_its_input_is_sealed(command: Command) -> None:
    assert (await command.run("signal", "--name", "cancel"))[0] == 0
    status, out = await command.run("signal", "--name", "cancel", "--input", f'{{"reason": "{CANARY}"}}')
    assert status == 0, out
    history = await command.workflow.fetch_history()
    assert CANARY.encode() not in b"".join(event.SerializeToString() for event in history.events)
    assert await command.shown() == [{"recipient": CANARY}, {"reason": CANARY}]
