"""The usual mistakes: each ends with 1, in a line that names what is wrong and what to do next."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import PostgresDsn

from tests.integration.api import Api, make_key, running_api
from tests.integration.command_line import Ended, tidings
from tests.integration.scripted_api import ID, NOTIFICATION, Step, says, scripted_api
from tests.provider_support import certificate
from tests.support import free_port
from tidings.database.api_keys import ApiKeyRepository
from tidings.database.engine import create_engine
from tidings.domain.api_key import new_secret
from tidings.domain.identifiers import new_id
from tidings.domain.vocabulary import Scope
from tidings.local.temporal_server import TemporalServer
from tidings.settings import DatabaseSettings

UNKNOWN = str(new_id())
SEND = ("send", "--channel", "email", "--to", "ada@example.com", "--subject", "Hi", "--body", "Hi")


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        yield api


def one_line(ended: Ended, *words: str) -> None:
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1), ended
    assert ended.err.startswith("tidings: ")
    for word in words:
        assert word in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", [("list",), ("show", ID), ("schedules", "list"), ("watch",), SEND])
async def test_no_key(command: tuple[str, ...]) -> None:
    one_line(await tidings(*command), "no API key", "TIDINGS_API_KEY", "tidings keys create")


@pytest.mark.parametrize("command", [("list",), ("show", ID), ("schedules", "list"), ("watch",), SEND])
async def test_a_wrong_key(api: Api, command: tuple[str, ...]) -> None:
    wrong = new_secret()
    ended = await tidings(*command, TIDINGS_URL=api.url, TIDINGS_API_KEY=wrong)
    one_line(ended, "API key", "TIDINGS_API_KEY", "tidings keys list")
    assert wrong not in ended.err


async def test_an_expired_key(api: Api, database_url: str) -> None:
    secret, engine = new_secret(), create_engine(DatabaseSettings(database_url=PostgresDsn(database_url)))
    over = datetime.now(UTC) - timedelta(seconds=1)
    await ApiKeyRepository(engine).create("acme", "old", secret, scopes=Scope, expires_at=over)
    await engine.dispose()
    ended = await tidings("list", TIDINGS_URL=api.url, TIDINGS_API_KEY=secret)
    one_line(ended, "API key", "tidings keys create")


async def test_a_key_without_the_scope(api: Api, database_url: str) -> None:
    secret, _ = await make_key(database_url, scopes=[Scope.READ])
    ended = await tidings(*SEND, TIDINGS_URL=api.url, TIDINGS_API_KEY=secret)
    one_line(ended, "send", "tidings keys create --scope")


@pytest.mark.parametrize("id", [UNKNOWN, "nonsense", "ünïcode"], ids=["unknown", "none", "ünïcode"])
@pytest.mark.parametrize("command", ["show", "watch"])
async def test_an_id_of_nothing(api: Api, command: str, id: str) -> None:
    ended = await tidings(command, id, TIDINGS_URL=api.url, TIDINGS_API_KEY=api.key)
    one_line(ended, "no notification with this id", "tidings list")


@pytest.mark.parametrize("command", ["cancel", "retry"])
async def test_an_id_that_is_none_is_wrong_usage_where_it_must_be_one(command: str) -> None:
    ended = await tidings(command, "nonsense")
    assert (ended.status, ended.out) == (2, "")
    assert "valid UUID" in ended.err


@pytest.mark.parametrize(
    "command",
    [("list",), ("show", ID), ("schedules", "list"), ("webhooks", "list"), (*SEND, "--retry-for", "0")],
)
async def test_the_api_is_away(command: tuple[str, ...]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ended = await tidings(*command, TIDINGS_URL=url, TIDINGS_API_KEY="td_live_x")
    assert (ended.status, ended.out) == (1, "")
    assert "Traceback" not in ended.err
    last = ended.err.splitlines()[-1]
    for words in (url, "nobody listens there", "tidings up", "TIDINGS_URL"):
        assert words in last


@pytest.mark.parametrize(
    "step",
    [says(404, text="404 page not found", kind="text/plain"), says(200, text="<html>", kind="text/html")],
    ids=["another server", "web page"],
)
async def test_the_port_of_something_else(step: Step) -> None:
    async with scripted_api(step) as other:
        ended = await tidings("list", TIDINGS_URL=other.url, TIDINGS_API_KEY="td_live_x")
    one_line(ended, "Check TIDINGS_URL", "the API's own address")


async def test_the_port_of_temporal(temporal_server: TemporalServer) -> None:
    url = f"http://{temporal_server.address}"
    ended = await tidings("list", TIDINGS_URL=url, TIDINGS_API_KEY="td_live_x")
    assert (ended.status, ended.out) == (1, "")
    assert "TIDINGS_URL" in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err


async def test_a_certificate_of_ones_own_authority(tmp_path: Path) -> None:
    tls, file = certificate(tmp_path)
    async with scripted_api(says(200, {**NOTIFICATION, "body": "Hi"}), tls=tls) as api:
        access = {"TIDINGS_URL": api.url, "TIDINGS_API_KEY": "td_live_x"}
        one_line(await tidings("show", ID, "--json", **access), "TLS: ", "SSL_CERT_FILE")
        assert api.seen == []
        trusted = await tidings("show", ID, "--json", **access, SSL_CERT_FILE=str(file))
        assert (trusted.status, trusted.err) == (0, "")


async def test_https_where_http_is_spoken() -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        raise AssertionError

    async with scripted_api(never) as api:
        url = api.url.replace("http:", "https:")
        ended = await tidings("show", ID, TIDINGS_URL=url, TIDINGS_API_KEY="td_live_x")
    one_line(ended, "TLS: ", "the right one of http:// and https://")


@pytest.mark.parametrize(
    "command",
    [
        *(("keys", "list"), ("tenants", "list"), ("tokens", "list"), ("suppressions", "list")),
        *(("keys", "revoke", ID), ("migrate", "--database-only")),
    ],
)
async def test_postgres_is_away(command: tuple[str, ...]) -> None:
    secret = "geheim"
    port = free_port()
    dsn = f"postgresql://tidings:{secret}@127.0.0.1:{port}/tidings"
    ended = await tidings(*command, TIDINGS_DATABASE_URL=dsn)
    one_line(ended, "TIDINGS_DATABASE_URL", "tidings up")
    assert secret not in ended.err


@pytest.mark.parametrize(
    "command", [("keys", "list"), ("tenants", "list"), ("tokens", "list"), ("suppressions", "list")]
)
async def test_a_database_without_tables(empty_database_url: str, command: tuple[str, ...]) -> None:
    ended = await tidings(*command, TIDINGS_DATABASE_URL=empty_database_url)
    one_line(ended, "tidings migrate")


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
async def test_what_a_terminals_encoding_lacks_is_escaped(api: Api, encoding: str) -> None:
    subject = "Gr\u00fc\u00dfe \N{PARTY POPPER}\N{HORIZONTAL ELLIPSIS}"
    id = await api.submitted(subject=subject)
    place = {"TIDINGS_URL": api.url, "TIDINGS_API_KEY": api.key, "PYTHONIOENCODING": encoding}
    shown = await tidings("show", id, **place, encoding=encoding)
    assert (shown.status, shown.err) == (0, "")
    assert "e \\U0001f389\\u2026" in shown.out
    data = await tidings("show", id, "--json", **place, encoding=encoding)
    assert json.loads(data.out)["subject"] == subject


FAULT = """
import sys
from tidings.cli import main, keys
def broken(*_, **__):
    password = "geheim"
    raise ZeroDivisionError("of the\\nuniverse")
keys._run = broken
sys.exit(main.run(["keys", "list"]))
"""


def test_a_fault_of_our_own_is_one_line_and_the_details_are_in_a_file_of_the_users(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", FAULT], capture_output=True, text=True, env=environment)
    (file,) = tmp_path.iterdir()
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
    assert "ZeroDivisionError" in ran.stderr
    assert str(file) in ran.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    details = file.read_text()
    assert "in broken" in details
    assert "of the\nuniverse" in details
    assert 'geheim' not in details.replace('password = "geheim"', "")  # fmt: skip


def test_where_no_file_can_be_written_the_details_are_printed() -> None:
    broken = FAULT + "\n"
    program = broken.replace("import sys\n", "import sys, tempfile\ntempfile.tempdir = '/nowhere'\n", 1)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "ZeroDivisionError: of the" in ran.stderr
