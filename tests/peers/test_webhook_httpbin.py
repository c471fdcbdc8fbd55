"""`webhook` against httpbin: statuses, waits, redirects and slow answers of a server we did not write."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.cache import exclusively, peers_folder
from tests.peers.server import server_process
from tests.provider_support import outgoing, provider_settings
from tests.support import free_port
from tidings.domain.vocabulary import Channel
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.webhook import WebhookProvider

PACKAGE = "httpbin==0.10.4"

pytestmark = pytest.mark.peer(provider="webhook", peer=PACKAGE)


async def httpbin_python() -> Path:
    """The Python of a virtual environment that has httpbin; skips where it cannot be had."""
    folder = peers_folder() / PACKAGE
    python = folder / "bin" / "python"
    async with exclusively(folder):
        if not (folder / "installed").exists():
            for command in (
                (sys.executable, "-m", "venv", str(folder)),
                (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE),
            ):
                process = await asyncio.create_subprocess_exec(
                    *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
                )
                output, _ = await process.communicate()
                if process.returncode != 0:
                    pytest.skip(f"{PACKAGE} cannot be installed: {output.decode()[-300:]}")
            (folder / "installed").touch()
    return python


@pytest.fixture(scope="module")
async def httpbin(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    python, port = await httpbin_python(), free_port()
    log = tmp_path_factory.mktemp("httpbin") / "output.log"
    serve = f"from httpbin import app; app.run('127.0.0.1', {port}, threaded=True)"
    async with server_process(python, "-c", serve, port=port, log=log):
        yield f"http://127.0.0.1:{port}"


async def call(url: str, **given: Any) -> None:
    provider = WebhookProvider(provider_settings(webhook_allowed_networks="127.0.0.0/8", **given))
    try:
        await provider.send(outgoing(Channel.WEBHOOK, url))
    finally:
        await provider.aclose()


async def failure(url: str, **given: Any) -> SendFailure:
    with pytest.raises(SendFailure) as raised:
        await call(url, **given)
    return raised.value


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.peer(exercises="2xx")
async def test_every_success_is_acceptance(httpbin: str, status: int) -> None:
    await call(f"{httpbin}/status/{status}")


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (301, PermanentFailure, "http_301"),
        (302, PermanentFailure, "http_302"),
        (307, PermanentFailure, "http_307"),
        (400, PermanentFailure, "http_400"),
        (401, ProviderMisconfigured, "http_401"),
        (403, ProviderMisconfigured, "http_403"),
        (404, PermanentFailure, "http_404"),
        (405, PermanentFailure, "http_405"),
        (408, TransientFailure, "http_408"),
        (410, PermanentFailure, "webhook_gone"),
        (413, PermanentFailure, "http_413"),
        (415, PermanentFailure, "http_415"),
        (422, PermanentFailure, "http_422"),
        (425, TransientFailure, "http_425"),
        (429, TransientFailure, "http_429"),
        (500, TransientFailure, "http_500"),
        (502, TransientFailure, "http_502"),
        (503, TransientFailure, "http_503"),
        (504, TransientFailure, "http_504"),
    ],
)
@pytest.mark.peer(exercises="every other status: passing, for good or our set-up")
async def test_every_other_status(httpbin: str, status: int, kind: type[SendFailure], code: str) -> None:
    error = await failure(f"{httpbin}/status/{status}")
    assert (type(error), error.code) == (kind, code)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.peer(exercises="no redirect is followed")
async def test_no_redirect_is_followed(httpbin: str, status: int) -> None:
    error = await failure(f"{httpbin}/redirect-to?url=%2Fstatus%2F200&status_code={status}")
    assert (type(error), error.code) == (PermanentFailure, f"http_{status}")


@pytest.mark.peer(exercises="slow answers")
async def test_a_late_answer_is_waited_for_and_a_later_one_is_not(httpbin: str) -> None:
    await call(f"{httpbin}/delay/1")
    limits = {"provider_connect_timeout": 0.5, "provider_response_timeout": 0.5}
    error = await failure(f"{httpbin}/delay/5", **limits)
    assert (type(error), error.code) == (UnknownOutcome, "no_answer")


@pytest.mark.peer(exercises="headers of a success mean nothing")
async def test_the_response_headers_of_a_success_mean_nothing(httpbin: str) -> None:
    await call(f"{httpbin}/response-headers?Retry-After=7")
