"""A provider that another package brings: the documented example, and packages that are broken."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.api_process import api_process, is_live
from tests.encryption import CODEC_KEYS
from tests.http_server import http_server
from tests.integration.api import make_key, reaches, running_api
from tests.integration.command_line import tidings
from tests.packaged_provider import ROOT, installed, package, written
from tests.support import eventually, free_port
from tests.worker_process import worker_process
from tidings.local.temporal_server import TemporalServer
from tidings.provider_catalogue import catalogue

Received = list[tuple[web.Request, dict[str, Any]]]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def site(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(source, tmp_path_factory.mktemp("site"))


@pytest.fixture
def known_here(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package is installed in this process, too."""
    monkeypatch.syspath_prepend(site)
    catalogue.cache_clear()
    yield
    catalogue.cache_clear()


@pytest.fixture
async def pigeon() -> AsyncIterator[tuple[str, Received]]:
    """Pigeon's gateway, and what it was sent: numbers that end with 9 it does not know."""
    received: Received = []

    async def messages(request: web.Request) -> web.Response:
        body = await request.json()
        received.append((request, body))
        if body["to"].endswith("9"):
            return web.json_response({"error": "no_such_number", "text": "who?"}, status=404)
        return web.json_response({"id": f"p-{len(received)}"}, status=201)

    async with http_server(web.post("/messages", messages)) as url:
        yield url, received


def path_of(*folders: Path) -> str:
    return os.pathsep.join(map(str, (ROOT, *folders)))


def test_the_documents_own_tests_pass(source: Path, site: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "test_tidings_pigeon.py"],
        cwd=source,
        # The module comes from where it was installed, not from beside its test.
        env={**os.environ, "PYTHONPATH": path_of(site), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "8 passed" in ended.stdout


@pytest.mark.usefixtures("known_here")
async def test_it_sends_where_it_is_pinned_and_where_a_route_names_it(
    temporal_server: TemporalServer,
    database_url: str,
    tmp_path: Path,
    site: Path,
    pigeon: tuple[str, Received],
) -> None:
    url, received = pigeon
    key, _ = await make_key(database_url)
    async with (
        running_api(database_url, temporal_server.address, key=key) as api,
        worker_process(
            tmp_path / "worker.log",
            temporal_address=temporal_server.address,
            database_url=database_url,
            smtp_port=1,
            PYTHONPATH=path_of(site),
            TIDINGS_PIGEON_URL=url,
            TIDINGS_PIGEON_TOKEN="secret",
            TIDINGS_ROUTE_SMS='["pigeon", "twilio"]',
        ),
    ):
        sms = {"channel": "sms", "subject": None, "body": "Kód 7"}
        routed = await api.submitted(**sms, recipient="+14155550100")
        [attempt] = (await reaches(api, routed, "sent")).json["attempts"]
        assert (attempt["provider"], attempt["provider_reference"]) == ("pigeon", "p-1")
        [(request, body)] = received
        assert body == {"to": "+14155550100", "text": "Kód 7"}
        assert request.headers["Idempotency-Key"] == routed

        refused = await api.submitted(**sms, recipient="+14155550109", provider="pigeon")
        [attempt] = (await reaches(api, refused, "failed")).json["attempts"]
        assert (attempt["outcome"], attempt["error"]["code"]) == ("permanent", "pigeon_no_such_number")

        mail = await api.submit(provider="pigeon")
        assert (mail.status, mail.pointers) == (422, ["/provider"])


async def test_the_command_shows_where_each_provider_is_from_and_what_it_lacks(site: Path) -> None:
    environment = {
        "PYTHONPATH": path_of(site),
        "TIDINGS_ROUTE_SMS": '[{"pigeon": 3, "twilio": 1}, "sns"]',
        "TIDINGS_DATABASE_URL": "postgresql://tidings@127.0.0.1:1/tidings",
    }
    ended = await tidings("providers", "--json", **environment)
    assert (ended.status, ended.err) == (0, "")
    shown = json.loads(ended.out)
    by_name = {provider["name"]: provider for provider in shown["providers"]}
    assert by_name["pigeon"] == {
        "channel": "sms",
        "name": "pigeon",
        "package": "tidings-pigeon 1.0",
        "set_up": False,
        "missing": "TIDINGS_PIGEON_TOKEN is not set",
        "state": None,
        "alone": False,
        "test_only": False,
        "stood_in_for": False,
    }
    assert (by_name["smtp"]["package"], by_name["smtp"]["set_up"]) == (None, False)
    needs_no_setting = {"sandbox", "webhook"} | ({"apprise"} if find_spec("apprise") else set())
    assert {name for name, provider in by_name.items() if provider["set_up"]} == needs_no_setting
    assert [name for name, provider in by_name.items() if provider["test_only"]] == ["sandbox"]
    assert shown["routes"]["sms"] == [{"pigeon": 3, "twilio": 1}, "sns"]
    assert shown["routes"]["email"] == ["smtp"]

    environment |= {"TIDINGS_SANDBOX_STANDS_IN": "true"}
    ended = await tidings("providers", **environment, TIDINGS_PIGEON_TOKEN="secret")
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert "sms pigeon tidings-pigeon 1.0 yes -" in lines
    assert "email smtp built in no: TIDINGS_SMTP_HOST is not set; stood in for by the sandbox -" in lines
    assert "email sandbox built in yes, for test keys -" in lines
    assert "sms all pigeon 3 : twilio 1, then sns" in lines


@pytest.mark.parametrize(
    ("variable", "value", "missing"),
    [
        ("SENDGRID_API_KEY", "SG.x", "TIDINGS_SENDGRID_API_KEY"),
        ("TWILIO_ACCOUNT_SID", "AC" + "a" * 32, "TIDINGS_TWILIO_AUTH_TOKEN"),
        ("APNS_KEY", "-----BEGIN", "TIDINGS_APNS_KEY_ID"),
        ("FCM_SERVICE_ACCOUNT", "{}", "TIDINGS_FCM_SERVICE_ACCOUNT"),
    ],
)
async def test_settings_that_are_there_in_part_are_named(variable: str, value: str, missing: str) -> None:
    name = variable.split("_")[0].lower()
    ended = await tidings("providers", "--json", **{f"TIDINGS_{variable}": value})
    assert ended.status == 0
    [provider] = [found for found in json.loads(ended.out)["providers"] if found["name"] == name]
    assert provider["set_up"] is (name == "sendgrid")
    assert provider["set_up"] or missing in provider["missing"]


async def test_a_broken_package_stops_the_worker_with_one_line_and_the_api_not_at_all(
    temporal_server: TemporalServer, tmp_path: Path
) -> None:
    site = package(
        tmp_path / "site",
        "tidings-owl",
        {"owl": "tidings_owl:Owl", "smtp": "json:loads"},
        tidings_owl="import no_such_module",
    )
    broken = (
        "provider 'owl' of tidings-owl 2.5 (tidings_owl:Owl): "
        "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"
    )
    taken = "provider 'smtp' of tidings-owl 2.5 (json:loads): the name is taken by Tidings itself"
    environment = {"PYTHONPATH": path_of(site)}

    profile = {
        "TEMPORAL_ADDRESS": temporal_server.address,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "TIDINGS_CODEC_KEYS": CODEC_KEYS,
    }
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker"),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **profile, **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await worker.communicate()
    assert worker.returncode == 1
    [line] = said.decode().splitlines()
    assert line.startswith("tidings worker: ")
    assert f"{broken}; {taken}" in line

    port = free_port()
    async with api_process(port, **environment) as process:
        await eventually(lambda: is_live(port))
        process.terminate()
        _, log = await process.communicate()
    lines = [json.loads(line) for line in log.splitlines()]
    reasons = [line["reason"] for line in lines if line["message"] == "provider_unusable"]
    assert reasons == [broken, taken]

    ended = await tidings("providers", **environment)
    assert ended.status == 1
    assert ended.err.splitlines() == [
        f"tidings: {fault}. No worker starts with it." for fault in (broken, taken)
    ]
    assert "email    smtp" in ended.out
