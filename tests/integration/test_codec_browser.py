"""The Temporal Web UI in a real browser: sealed until somebody signs in, readable then."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client

from tests.integration import chromium
from tests.integration.api import Api
from tests.integration.chromium import Page, browser
from tests.integration.codec import CANARY, KEYS, TOKEN, codec_api
from tests.support import eventually
from tidings.local.temporal_server import NAMESPACE, TemporalServer
from tidings.temporal.encryption.converter import data_converter
from tidings.temporal.encryption.keys import Keyring

pytestmark = pytest.mark.skipif(chromium.PROGRAM is None, reason="there is no Chromium on this machine")


@pytest.fixture
async def api(temporal_server: TemporalServer) -> AsyncIterator[Api]:
    async with codec_api(temporal_server, temporal_ui_url=temporal_server.ui_url) as running:
        yield running


@pytest.fixture
async def page_of_a_workflow(temporal_server: TemporalServer) -> AsyncIterator[str]:
    """The Web UI's page of a workflow whose input is sealed."""
    client = await Client.connect(
        temporal_server.address, namespace=NAMESPACE, data_converter=data_converter(Keyring.parse(KEYS))
    )
    workflow = await client.start_workflow(
        "Nothing", {"recipient": CANARY}, id=f"codec-{uuid4()}", task_queue="nobody"
    )
    workflows = f"{temporal_server.ui_url}/namespaces/{NAMESPACE}/workflows"
    yield f"{workflows}/{workflow.id}/{workflow.result_run_id}/timeline"
    await workflow.terminate()


async def sign_in(page: Page, api: Api, token: str) -> None:
    await page.open(f"{api.url}/codec")
    await page.run(
        f"document.querySelector('input[name=token]').value = {token!r};"
        "document.querySelector('form').requestSubmit()"
    )


def refused(page: Page) -> object:
    return page.run("document.querySelector('[data-testid=data-encoder-status-error]') !== null")


async def test_it_reads_payloads_once_somebody_has_signed_in(
    api: Api, page_of_a_workflow: str, tmp_path: Path
) -> None:
    async with browser(tmp_path / "profile") as page:
        # What the dialog "Codec Server" of the Web UI writes: docs/codec-server.md.
        await page.open(page_of_a_workflow)
        await page.run(
            "localStorage.setItem('overrideRemoteCodecConfiguration', 'true');"
            "localStorage.setItem('includeCredentials', 'true');"
            f"localStorage.setItem('endpoint', JSON.stringify('{api.url}/v1/codec'))"
        )
        await page.open(page_of_a_workflow)
        await eventually(lambda: refused(page))
        assert not await page.shows(CANARY)

        await sign_in(page, api, TOKEN[::-1])
        await eventually(lambda: page.shows("This is not the codec token"))
        await sign_in(page, api, TOKEN)
        await eventually(lambda: page.shows("This browser is signed in"))
        await page.open(page_of_a_workflow)
        await eventually(lambda: page.shows(CANARY))

        await page.open(f"{api.url}/codec")
        await page.run("document.querySelector('form').requestSubmit()")
        await eventually(lambda: page.run("document.querySelector('input[name=token]') !== null"))
        await page.open(page_of_a_workflow)
        await eventually(lambda: refused(page))
        assert not await page.shows(CANARY)
