"""Reading sealed payloads in the Temporal Web UI, as docs/codec-server.md has it."""

import json

from tests.chromium import Page


async def give_token(page: Page, api_url: str, token: str) -> None:
    """Open `/codec` and send its form with this token, be it the right one or not."""
    await page.open("about:blank")
    await page.open(f"{api_url}/codec")
    await page.shows("Sign in")
    await page.evaluate(
        f"document.querySelector('input[name=token]').value = {json.dumps(token)};"
        "document.querySelector('form').requestSubmit()"
    )


async def set_codec_server(page: Page, ui_url: str, api_url: str) -> None:
    """What the dialog "Codec Server" of the Web UI writes."""
    await page.open(ui_url)
    await page.shows("Workflows")
    settings = {
        "overrideRemoteCodecConfiguration": "true",
        "includeCredentials": "true",
        "endpoint": json.dumps(f"{api_url}/v1/codec"),
    }
    for key, value in settings.items():
        await page.evaluate(f"localStorage.setItem({json.dumps(key)}, {json.dumps(value)})")


async def sign_in(page: Page, ui_url: str, api_url: str, token: str) -> None:
    """From here on the Web UI shows in this browser what is sealed."""
    await give_token(page, api_url, token)
    await page.shows("This browser is signed in")
    await set_codec_server(page, ui_url, api_url)
