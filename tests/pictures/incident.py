"""Play the incident of docs/incident.md, and write down what the operator sees: `make incident`.

A whole `tidings up` of its own, whose mail server goes away under it: 200 mails get stuck. Found and resolved
by `tidings` and the Temporal Web UI alone; at the end the mail server counts what it got.
"""

import argparse
import asyncio
import json
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

from tests.chromium import browser
from tests.e2e.local_system import LocalSystem
from tests.held_mail import HeldMail
from tests.integration.terminal import running
from tests.pictures.reading import sign_in
from tests.pictures.take import WIDTH, keep, photographed_details, photographed_list
from tests.pictures.terminal import Terminal
from tests.support import eventually
from tidings.local.temporal_server import NAMESPACE
from tidings.sandbox.smtp_server import SmtpServer
from tidings.temporal import names

BEFORE, STUCK_FIRST, STUCK_LATER, TEXTS = 40, 150, 50, 60
STUCK = STUCK_FIRST + STUCK_LATER
SETTINGS = {
    "TIDINGS_SMTP_HOST": "127.0.0.1",
    "TIDINGS_SMTP_TLS": "none",
    # The default schedule of mail lasts half a day.
    "TIDINGS_RETRY_EMAIL": '{"attempts": 4, "first": 2, "factor": 4, "cap": 3600, "jitter": 0.2}',
}
VIEW = (
    f'{names.NOTIFICATION_STATUS.name} IN ("failed", "retrying")'
    f' AND {names.NOTIFICATION_CHANNEL.name} = "email"'
)
_REASON = "the mail server is back"
_SELECTED = ("--status", "failed", "--status", "retrying", "--channel", "email", "--since", "1h")
_LIMIT = 180
_SOME = 20


class MailServer:
    """One that can go away and come back; it remembers what it took."""

    def __init__(self) -> None:
        self._handler = HeldMail()
        self._server: SmtpServer | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._handler.port

    async def start(self) -> None:
        """Listen."""
        self._server = SmtpServer(self._handler)
        await self._server.start("127.0.0.1", self.port)

    async def stop(self) -> None:
        """Hang up, and listen no more."""
        if self._server is not None:
            await self._server.stop()
            self._server = None

    def counted(self) -> Counter[str | None]:
        """How often each notification came."""
        return Counter(message.notification_id for message in self._handler.inbox)


class Incident:
    """The story, step by step."""

    def __init__(self, mail: MailServer, terminal: Terminal, state: dict[str, Any], folder: Path) -> None:
        self._mail = mail
        self._terminal = terminal
        self._state = state
        self._folder = folder
        self._before: Counter[str | None] = Counter()

    async def happens(self) -> None:
        """Some mail goes out, the mail server goes away, and more is submitted."""
        await self._submit("early", BEFORE, "email")
        await self._stands("email", "sent", BEFORE)
        await self._mail.stop()
        self._before = self._mail.counted()
        self._terminal.note(f"The mail server is gone. It has got {self._before.total()} mails.")
        await self._submit("first", STUCK_FIRST, "email")
        await self._submit("text", TEXTS, "sms")
        await self._stands("email", "failed", STUCK_FIRST)
        await self._submit("later", STUCK_LATER, "email")
        await self._stands("email", "retrying", STUCK_LATER)

    async def is_found(self, pictures: Path, chromium: str) -> str:
        """What is stuck and why; the id of one that is."""
        run = self._terminal.run
        self._terminal.note("Somebody calls: no order confirmations for a while. The operator looks.")
        await run("doctor")
        await run("providers")
        await run("list", "--status", "failed", "--per-page", "3")
        await run("list", "--status", "retrying", "--per-page", "3")
        id = str((await self._page("email", "failed"))["data"][0]["id"])
        async with browser(chromium, WIDTH) as page:
            # The Web UI says in red what it cannot open.
            await sign_in(page, self._state["ui_url"], self._state["api_url"], self._state["codec_token"])
            keep(
                pictures / "incident-list.png",
                await photographed_list(page, self._state["ui_url"], VIEW, [id]),
            )
            self._terminal.note(f"Web UI, list: {VIEW}")
            await page.open(names.web_ui_url(self._state["ui_url"], NAMESPACE, id))
            await page.shows("Event History", "Timeline", "Input")
            await page.settles()
            keep(pictures / "incident-details.png", await photographed_details(page, "out of attempts"))
            self._terminal.note("Web UI, the workflow of one of them")
        await run("show", id)
        return id

    async def is_resolved(self, one: str) -> None:
        """The mail server comes back; one is tried, then all others."""
        run = self._terminal.run
        await self._stands("email", "failed", STUCK)
        await self._mail.start()
        self._terminal.note("Whoever runs the mail server has started it again, and says so.")
        await run("doctor")
        await run("retry", one, "--reason", _REASON)
        await run("watch", one)
        await run("providers")
        await run("retry", *_SELECTED, "--dry-run")
        size = (110, 16)
        environment = {**self._terminal.environment, "TIDINGS_UP_DATA": str(self._folder / ".tidings")}
        environment.pop("COLUMNS")
        async with running("watch", "--channel", "email", environment=environment, size=size) as watch:
            await eventually(lambda: "newest: " in watch.text, timeout=_LIMIT)
            retried = asyncio.create_task(
                run("retry", *_SELECTED, "--reason", _REASON, answer=("[y/N]: ", "y"))
            )
            try:
                seen = await eventually(lambda: _under_way(watch.text), timeout=_LIMIT)
            finally:
                await asyncio.gather(retried, return_exceptions=True)
            self._terminal.show("tidings watch --channel email   # in another terminal, meanwhile", seen)
            await watch.interrupted()

    async def is_over(self) -> None:
        """Nothing is left, and nothing came twice."""
        await self._stands("email", "sent", BEFORE + STUCK)
        run = self._terminal.run
        await run("retry", *_SELECTED)
        await run("list", "--status", "failed")
        await run("doctor")
        got = self._mail.counted()
        since = got - self._before
        twice = sum(count > 1 for count in got.values())
        self._terminal.note(
            f"The mail server has got {since.total()} mails of {len(since)} notifications since it is back; "
            f"with those before, {twice} came twice."
        )
        assert (self._before.total(), len(self._before)) == (BEFORE, BEFORE)
        assert (since.total(), len(since), len(got)) == (STUCK, STUCK, BEFORE + STUCK), got

    async def _submit(self, name: str, count: int, channel: str) -> None:
        file = self._folder / f"{name}.jsonl"
        items = [
            {
                "channel": channel,
                "body": f"Order {n} is on its way.",
                "idempotency_key": f"{name}-{n}",
                **_to(channel, name, n),
            }
            for n in range(count)
        ]
        file.write_text("".join(f"{json.dumps(item)}\n" for item in items))
        printed = await self._terminal.run("send", "--bulk", file.name)
        assert f"{count} of {count} submitted, 0 refused" in printed, printed

    async def _stands(self, channel: str, status: str, count: int) -> None:
        async def there() -> bool:
            total = (await self._page(channel, status))["total"]
            assert total == count, f"{total} {status}"
            return True

        await eventually(there, timeout=_LIMIT, interval=0.5)

    async def _page(self, channel: str, status: str) -> dict[str, Any]:
        url = f"{self._state['api_url']}/v1/notifications"
        headers = {"Authorization": f"Bearer {self._state['api_key']}"}
        wanted = {"channel": channel, "status": status, "per_page": "1"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, params=wanted, headers=headers) as answer,
        ):
            found: dict[str, Any] = await answer.json()
            return found


def _to(channel: str, name: str, number: int) -> dict[str, str]:
    if channel == "email":
        return {"recipient": f"{name}.{number}@example.com", "subject": f"Your order {number}"}
    return {"recipient": f"+1415555{number:03}9"}


def _under_way(screen: str) -> str | None:
    """The screen, if it is whole and shows some of either kind."""
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (failed|sent)", screen)}
    both = all(counts.get(word, 0) >= _SOME for word in ("failed", "sent"))
    return screen if both and "Ctrl-C ends" in screen else None


async def play(
    folder: Path, terminal: Terminal, pictures: Path, chromium: str, ports: dict[str, int]
) -> None:
    """Play it in `folder`. Raises AssertionError if it does not end well."""
    mail = MailServer()
    settings = SETTINGS | {"TIDINGS_SMTP_PORT": str(mail.port)}
    terminal.environment |= settings
    system = LocalSystem.fresh(folder / ".tidings")
    system.settings = settings
    system.ports |= ports
    await mail.start()
    try:
        incident = Incident(mail, terminal, await system.start(), folder)
        await incident.happens()
        one = await incident.is_found(pictures, chromium)
        await incident.is_resolved(one)
        await incident.is_over()
    finally:
        await system.clean_up()
        await mail.stop()


def main() -> None:
    """Read the options and play."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transcript", type=Path, default=Path("docs/incident-transcript.txt"))
    parser.add_argument("--pictures", type=Path, default=Path("docs/images"))
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser's program")
    for name, port in (("api", 8000), ("ui", 8233)):
        parser.add_argument(
            f"--{name}-port", type=int, help=f"as in the transcript, such as {port}; else free"
        )
    given = parser.parse_args()
    if given.chromium is None:
        parser.error("Chromium is not installed: apt-get install chromium, or name it by --chromium")
    ports = {name: getattr(given, f"{name}_port") for name in ("api", "ui")}
    chosen = {name: port for name, port in ports.items() if port}
    with tempfile.TemporaryDirectory(prefix="tidings-incident-") as place:
        terminal = Terminal(Path(place))
        try:
            asyncio.run(play(Path(place), terminal, given.pictures, given.chromium, chosen))
        finally:
            given.transcript.write_text("\n".join(terminal.lines).replace(place, "…"))


if __name__ == "__main__":
    main()
