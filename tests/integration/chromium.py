"""A real browser, driven by its DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

import asyncio
import contextlib
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.support import eventually

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome")


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command; what it gives back."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=30)
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    async def run(self, script: str) -> Any:
        """The value of a script on the page, which may be about to be another."""
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return answer["result"].get("value")

    async def open(self, url: str) -> None:
        """Go to a page and wait until it stands."""
        await self.call("Page.navigate", url=url)
        await eventually(lambda: self.is_at(url))

    async def is_at(self, url: str) -> bool:
        """Whether the page is the one of this URL, and whole."""
        return bool(
            await self.run(f"document.readyState === 'complete' && location.href === {json.dumps(url)}")
        )

    async def text(self) -> str:
        """What the page says."""
        return str(await self.run("document.body ? document.body.innerText : ''"))

    async def shows(self, words: str) -> bool:
        """Whether the page says so now."""
        return words in await self.text()


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Page]:
    """Run it for the block with a profile of its own; its one tab."""
    assert PROGRAM is not None
    process = await asyncio.create_subprocess_exec(
        *(PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--disable-dev-shm-usage", "--remote-debugging-port=0", f"--user-data-dir={profile}"),
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port = await eventually(lambda: _port(profile / "DevToolsActivePort"))
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as listed:
                (tab,) = [tab for tab in await listed.json() if tab["type"] == "page"]
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _port(file: Path) -> int | None:
    return int(file.read_text().split()[0]) if file.exists() and file.read_text() else None
