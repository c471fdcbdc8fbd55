"""Photograph the Temporal Web UI for docs/tracing.md: `make screenshots`.

Starts a whole `tidings up` of its own, in a folder that is thrown away, brings notifications to the states
that an operator meets, and looks at them in headless Chromium.
"""

import argparse
import asyncio
import json
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.chromium import Page, browser
from tests.e2e.local_system import LocalSystem
from tests.pictures.reading import sign_in
from tests.pictures.scenes import CROWD, SETTINGS, Scene, Stage, scenes
from tests.pictures.shrink import shrunk
from tidings.local.temporal_server import NAMESPACE
from tidings.temporal import names

WIDTH = 1280
VIEW = f'{names.NOTIFICATION_STATUS.name} = "failed" AND {names.NOTIFICATION_CHANNEL.name} = "sms"'
# Where the Web UI keeps which columns its list has.
_COLUMNS_KEY = "namespace-workflow-table-columns"
_COLUMNS = (
    "Workflow ID",
    *(key.name for key in (names.NOTIFICATION_STATUS, names.NOTIFICATION_CHANNEL, names.NOTIFICATION_TENANT)),
    "Start",
)


async def take(folder: Path, chromium: str, ports: dict[str, int]) -> None:
    """Take all pictures and put them into `folder`."""
    with tempfile.TemporaryDirectory(prefix="tidings-pictures-") as place:
        system = LocalSystem.fresh(Path(place) / "data")
        system.settings = SETTINGS
        system.ports |= ports
        state = await system.start()
        try:
            await _photograph_all(folder, chromium, state)
        finally:
            await system.stop()


async def _photograph_all(folder: Path, chromium: str, state: dict[str, Any]) -> None:
    played = scenes(datetime.now(UTC))
    async with aiohttp.ClientSession() as session:
        stage = Stage(session, state)
        ids = [await stage.submit(body) for body, _ in CROWD]
        shown = await asyncio.gather(*(stage.play(scene) for scene in played))
        await asyncio.gather(*(stage.reaches(id, step) for id, (_, step) in zip(ids, CROWD, strict=True)))
    async with browser(chromium, WIDTH) as page:
        failed_sms = [id for id, (body, _) in zip(ids, CROWD, strict=True) if body["channel"] == "sms"]
        png = await photographed_list(page, state["ui_url"], VIEW, failed_sms[:3])
        keep(folder / "list-failed-sms.png", png)
        for scene, id in zip(played, shown, strict=True):
            url = names.web_ui_url(state["ui_url"], NAMESPACE, id)
            await _tell(folder, page, scene, url)
        opened = dict(zip((scene.name for scene in played), shown, strict=True))["backoff"]
        await sign_in(page, state["ui_url"], state["api_url"], state["codec_token"])
        await _read(folder, page, names.web_ui_url(state["ui_url"], NAMESPACE, opened))


async def photographed_list(page: Page, ui_url: str, query: str, ids: Sequence[str]) -> bytes:
    """The list of workflows by a query, once it has these notifications."""
    url = f"{ui_url}/namespaces/{NAMESPACE}/workflows?query={quote(query)}"
    await page.resize(560)
    await page.open(url)
    await page.shows("Workflow ID")
    columns = json.dumps({NAMESPACE: [{"label": label} for label in _COLUMNS]})
    await page.evaluate(f"localStorage.setItem({json.dumps(_COLUMNS_KEY)}, {json.dumps(columns)})")
    await page.open("about:blank")
    await page.open(url)
    await page.shows(names.NOTIFICATION_STATUS.name, *(names.workflow_id(id) for id in ids))
    return await page.photograph()


async def _read(folder: Path, page: Page, url: str) -> None:
    """The timeline with the input in clear."""
    await page.resize(1120)
    await page.open(url)
    await page.shows("Event History", "Timeline", '"recipient"')
    await page.settles()
    keep(folder / "signed-in-timeline.png", await page.photograph())


async def _tell(folder: Path, page: Page, scene: Scene, url: str) -> None:
    """The timeline, and the summary with the details, as whoever is not signed in sees them."""
    await page.resize(1220)
    await page.open(url)
    await page.shows("Event History", "Timeline", "Input", "Codec Server could not connect")
    await page.settles()
    keep(folder / f"{scene.name}-timeline.png", await page.photograph())
    keep(folder / f"{scene.name}-details.png", await photographed_details(page, scene.shows))


async def photographed_details(page: Page, shows: str) -> bytes:
    """The summary and details of the workflow whose page is open, once they have this text."""
    # The address has the run's id now, which the page has looked up.
    address = str(await page.evaluate("location.href"))
    await page.resize(1330)
    await page.open(address.split("?")[0].rpartition("/")[0] + "/user-metadata")
    await page.shows("Current Details")
    await page.frames_show(shows)
    await page.settles()
    return await page.photograph()


def keep(file: Path, png: bytes) -> None:
    """Write a picture, small, and say so."""
    small = shrunk(png)
    file.write_bytes(small)
    print(f"{file}: {len(small)} bytes")  # noqa: T201 -- a program's output


def main() -> None:
    """Read the options and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs/images"))
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser's program")
    for name, port in (("api", 8000), ("ui", 8233)):
        parser.add_argument(f"--{name}-port", type=int, help=f"as in the pictures, such as {port}; else free")
    given = parser.parse_args()
    if given.chromium is None:
        parser.error("Chromium is not installed: apt-get install chromium, or name it by --chromium")
    given.folder.mkdir(parents=True, exist_ok=True)
    ports = {name: getattr(given, f"{name}_port") for name in ("api", "ui")}
    asyncio.run(take(given.folder, given.chromium, {name: port for name, port in ports.items() if port}))


if __name__ == "__main__":
    main()
