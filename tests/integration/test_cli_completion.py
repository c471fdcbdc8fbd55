"""Completion as bash, zsh and fish ask for it, and that every command that prints data prints JSON, too."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from tests.integration.command_line import Ended, tidings
from tests.integration.scripted_api import ID, NOTIFICATION, says, scripted_api
from tests.support import eventually, free_port
from tidings.cli.main import app

NOWHERE = {"TIDINGS_URL": f"http://127.0.0.1:{free_port()}", "TIDINGS_API_KEY": "td_live_x"}
RETRYABLE = ["failed", "unknown", "expired", "retrying"]


async def asked(shell: str, line: str, **environment: str) -> Ended:
    """What the shell's function gets for a line with the cursor at its end."""
    words = line.split(" ")
    protocol = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    return await tidings(_TIDINGS_COMPLETE=f"complete_{shell}", **protocol, **environment)


def offered(shell: str, out: str) -> list[str]:
    """The words that are offered, without what is said of them."""
    if shell == "zsh":
        return [part.split('"')[1] for part in out.splitlines() if '"' in part]
    return [line.partition("\t")[0] for line in out.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tidings ret", ["retry"]),
        ("tidings retry --status ", RETRYABLE),
        ("tidings cancel --status ", ["pending", "scheduled", "retrying"]),
        ("tidings list --status s", ["scheduled", "sending", "sent"]),
        ("tidings watch --channel ", ["email", "sms", "push", "webhook", "chat"]),
        ("tidings send --channel e", ["email"]),
        ("tidings send --provider tw", ["twilio"]),
        ("tidings send --priority ", ["critical", "high", "normal", "low", "bulk"]),
        ("tidings schedules create --guarantee at_m", ["at_most_once"]),
        ("tidings retry --status lost", []),
        ("tidings bogus --status ", []),
    ],
)
async def test_values_are_offered(shell: str, line: str, words: list[str]) -> None:
    ended = await asked(shell, line)
    found = offered(shell, ended.out)
    if line.startswith("tidings bogus"):
        assert "sent" not in found
    else:
        assert found == words
    assert ended.err == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("command", ["show", "watch", "cancel", "retry"])
async def test_ids_of_the_newest_notifications_are_offered(shell: str, command: str) -> None:
    async with scripted_api(says(200, {"data": [NOTIFICATION]})) as api:
        environment = {"TIDINGS_URL": api.url, "TIDINGS_API_KEY": "td_live_x"}

        async def has_answered() -> bool:
            ended = await asked(shell, f"tidings {command} {ID[:4]}", **environment)
            return offered(shell, ended.out) == [ID]

        # Within the time that it is given, which a busy machine may exceed.
        await eventually(has_answered)
    path = api.seen[0].path
    # A list counts what matches: a day's, not all there are.
    assert path.startswith("/v1/notifications?per_page=20&created_after=20")


async def never(_: Any) -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "step",
    [
        says(401, {"detail": "no"}),
        says(200, text="<html>"),
        says(200, {"data": [{"id": '"; touch /tmp/pwned; "', "status": "sent", "channel": "email"}]}),
        says(200, {"data": [{**NOTIFICATION, "status": "$(id)"}]}),
        says(302, text="", Location="http://127.0.0.1:1/"),
        never,
    ],
    ids=["refused", "html", "no id", "no status", "redirect", "hangs"],
)
async def test_what_is_no_list_of_notifications_offers_nothing(step: Any) -> None:
    async with scripted_api(step) as api:
        environment = {"TIDINGS_URL": api.url, "TIDINGS_API_KEY": "td_live_x"}
        ended = await asked("bash", "tidings show ", **environment)
    assert (ended.out.strip(), ended.err) == ("", "")
    assert len(api.seen) == 1


@pytest.mark.parametrize(
    "environment", [NOWHERE, {}, {"TIDINGS_URL": "file:///etc"}], ids=["away", "no key", "no api"]
)
async def test_without_an_api_there_are_no_ids_and_no_error(environment: Mapping[str, str]) -> None:
    ended = await asked("bash", "tidings show ", **environment)
    assert (ended.out.strip(), ended.err) == ("", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_the_script_to_install_names_the_command(shell: str) -> None:
    ended = await tidings(_TIDINGS_COMPLETE=f"source_{shell}")
    assert (ended.status, ended.err) == (0, "")
    assert f"_TIDINGS_COMPLETE=complete_{shell}" in ended.out.replace("\n", " ")


def test_completion_imports_neither_the_sdk_nor_what_talks_to_servers() -> None:
    program = """
import sys
from tidings.cli.main import run
run([])
print(*sorted({"temporalio", "aiohttp", "sqlalchemy", "asyncpg", "rich.live"} & set(sys.modules)), "end")
"""
    environment = {"_TIDINGS_COMPLETE": "complete_bash", "COMP_WORDS": "tidings show ", "COMP_CWORD": "2"}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert ran.stdout.splitlines()[-1:] == ["end"], ran


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    if not hasattr(command, "commands"):
        yield " ".join(path), {option for parameter in command.params for option in parameter.opts}
        return
    for name, each in command.commands.items():
        yield from commands(each, (*path, name))


RUNS = {"up", "api", "worker", "sandbox", "codec new-key"}
"""They run a part until they are told to stop, or print one word that is ready for a setting: no data."""


def test_lists_of_commands_are_not_cut_short() -> None:
    for group in ((), *((group.name,) for group in app.registered_groups)):
        said = CliRunner().invoke(app, [*filter(None, group), "--help"], env={"COLUMNS": "80"}).output
        listed = said.partition("Commands:\n")[2].strip()
        assert listed
        assert "..." not in listed, listed


def test_every_command_that_prints_data_has_json() -> None:
    all_of_them = dict(commands(get_command(app)))
    assert len(all_of_them) > len(RUNS)
    assert {name for name, options in all_of_them.items() if "--json" not in options} <= RUNS
