"""Headless Chromium over its DevTools protocol: one page, looked at until it shows what it should.

The protocol: https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.support import eventually

START_LIMIT = 60
SHOWN_LIMIT = 60
SETTLE_LIMIT = 5

_FRAME_TEXTS = """[...document.querySelectorAll('iframe')].map(
    frame => frame.contentDocument ? frame.contentDocument.body.innerText : '')"""


class Page:
    """A tab of a fixed width."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, width: int) -> None:
        self._socket = socket
        self._width = width
        self._numbers = itertools.count(1)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command of the protocol; its answer. Raises RuntimeError if Chromium refuses it."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise RuntimeError(f"Chromium is gone: {message.type.name}")
            answer = json.loads(message.data)
            if answer.get("id") != number:
                continue  # an event, of which we heed none
            if "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']['message']}")
            result: dict[str, Any] = answer["result"]
            return result

    async def resize(self, height: int) -> None:
        """Make the page's window so many pixels high."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=self._width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def open(self, url: str) -> None:
        """Go to an address."""
        await self.call("Page.navigate", url=url)

    async def evaluate(self, script: str) -> Any:
        """The value of a piece of JavaScript; None if it failed."""
        result = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return result["result"].get("value")

    async def text(self) -> str:
        """The page's visible text."""
        return await self.evaluate("document.body ? document.body.innerText : ''") or ""

    async def shows(self, *texts: str) -> None:
        """Wait until the page's visible text has all of these."""

        async def there() -> bool:
            text = await self.text()
            missing = [wanted for wanted in texts if wanted not in text]
            assert not missing, f"{missing} not in {text[:2_000]!r}"
            return True

        await eventually(there, timeout=SHOWN_LIMIT, interval=0.2)

    async def frames_show(self, text: str) -> None:
        """Wait until one of the page's frames has this text: the Web UI shows Markdown in frames."""

        async def there() -> bool:
            seen = await self.evaluate(_FRAME_TEXTS) or []
            assert any(text in words for words in seen), f"{text!r} not in {seen}"
            return True

        await eventually(there, timeout=SHOWN_LIMIT, interval=0.2)

    async def settles(self) -> None:
        """Wait until the window looks the same twice in a row."""
        last = b""

        async def still() -> bool:
            nonlocal last
            before, last = last, await self.photograph()
            return before == last

        # A clock that runs on the page keeps it from that: then it is shown as it is.
        with contextlib.suppress(AssertionError):
            await eventually(still, timeout=SETTLE_LIMIT, interval=0.5)

    async def photograph(self) -> bytes:
        """The window's content as PNG."""
        answer = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])


@contextlib.asynccontextmanager
async def browser(program: str, width: int) -> AsyncIterator[Page]:
    """Run Chromium for the block, with a profile of its own that is thrown away."""
    # Chromium's own sandbox does not work for root.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(program, "--headless=new", *options, "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
            *("--remote-debugging-address=127.0.0.1", "--remote-debugging-port=0", "--lang=en-US"),
            *(f"--user-data-dir={profile}", f"--window-size={width},900", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "TZ": "UTC"},
        )
        try:
            port = await eventually(lambda: _port(Path(profile) / "DevToolsActivePort"), timeout=START_LIMIT)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                    pages = [target for target in await answer.json() if target["type"] == "page"]
                url = pages[0]["webSocketDebuggerUrl"]
                async with session.ws_connect(url, max_msg_size=0) as socket:
                    page = Page(socket, width)
                    await page.call("Page.enable")
                    yield page
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


def _port(file: Path) -> int | None:
    lines = file.read_text().splitlines() if file.exists() else []
    return int(lines[0]) if len(lines) > 1 else None
