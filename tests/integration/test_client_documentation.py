"""The programs of docs/client.md run, print what it says, and pass the type checker."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.integration.api import Api, make_key, running_api
from tests.integration.schedules import schedule_worker
from tidings.local.temporal_server import TemporalServer

ROOT = Path(__file__).parents[2]
EXAMPLES = re.findall(
    r"```python\n(.*?)```\n\n```\n(.*?)```", (ROOT / "docs" / "client.md").read_text(), re.DOTALL
)


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        yield api


def test_there_are_programs() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize(("program", "printed"), EXAMPLES)
async def test_a_program_prints_what_it_says(
    program: str, printed: str, api: Api, temporal_client: Client, database_url: str
) -> None:
    async with schedule_worker(temporal_client, database_url):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"TIDINGS_URL": api.url, "TIDINGS_API_KEY": api.key, "PYTHONPATH": str(ROOT)},
        )
        out, err = await process.communicate()
    assert (process.returncode, out.decode(), err.decode()) == (0, printed, "")


WRONG = """
from tidings.client import Tidings

async def main(client: Tidings) -> None:
    await client.send(channel="email", recipient="ada@example.com")
    await client.send(channel="email", recipient="ada@example.com", body="Hi", recipent="ada@example.com")
    print((await client.get("1")).stats)
"""


def test_the_programs_pass_the_type_checker_and_mistakes_do_not(tmp_path: Path) -> None:
    programs = {f"right_{number}.py": program for number, (program, _) in enumerate(EXAMPLES)}
    for name, program in (programs | {"wrong.py": WRONG}).items():
        (tmp_path / name).write_text(program)
    command = (sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache"))
    ran = subprocess.run(
        [*command, *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    *found, summary = ran.stdout.splitlines()
    assert "3 errors in 1 file" in summary, ran.stdout
    for mistake in ('Missing named argument "body"', 'Unexpected keyword argument "recipent"', '"stats"'):
        assert any("wrong.py" in line and mistake in line for line in found), ran.stdout
