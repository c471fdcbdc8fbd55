"""The Temporal Web UI in a real browser: sealed until somebody signs in, readable then."""

import shutil
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from temporalio.client import Client

from tests.chromium import Page, browser
from tests.integration.api import Api
from tests.integration.codec import CANARY, KEYS, TOKEN, codec_api
from tests.pictures.reading import give_token, set_codec_server
from tests.support import eventually
from tidings.local.temporal_server import NAMESPACE, TemporalServer
from tidings.temporal.encryption.converter import data_converter
from tidings.temporal.encryption.keys import Keyring

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


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


async def refused(page: Page) -> bool:
    return bool(
        await page.evaluate("document.querySelector('[data-testid=data-encoder-status-error]') !== null")
    )


async def test_it_reads_payloads_once_somebody_has_signed_in(
    api: Api, temporal_server: TemporalServer, page_of_a_workflow: str
) -> None:
    assert CHROMIUM is not None
    async with browser(CHROMIUM, 1280) as page:
        await set_codec_server(page, temporal_server.ui_url, api.url)
        await page.open(page_of_a_workflow)
        await eventually(lambda: refused(page))
        assert CANARY not in await page.text()

        await give_token(page, api.url, TOKEN[::-1])
        await page.shows("This is not the codec token")
        await give_token(page, api.url, TOKEN)
        await page.shows("This browser is signed in")
        await page.open(page_of_a_workflow)
        await page.shows(CANARY)

        await page.open(f"{api.url}/codec")
        await page.shows("This browser is signed in")
        await page.evaluate("document.querySelector('form').requestSubmit()")
        await page.shows("Sign in")
        await page.open(page_of_a_workflow)
        await eventually(lambda: refused(page))
        assert CANARY not in await page.text()
