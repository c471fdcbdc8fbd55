"""`tidings send --bulk` against the real API: what it submits, prints and ends with."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.api import EMAIL, Api, make_key, running_api
from tests.integration.command_line import Ended, tidings
from tidings.local.temporal_server import TemporalServer


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key, start_timeout=30) as api:
        yield api


async def over_http(api: Api, *arguments: str, stdin: str = "") -> Ended:
    ended = await tidings(*arguments, stdin=stdin, TIDINGS_URL=api.url, TIDINGS_API_KEY=api.key)
    return ended


async def test_a_file_of_more_than_a_batch_is_submitted_line_by_line(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    # U+2028 ends a line for some, and not for JSON.
    items = [
        EMAIL | {"body": f"Hi {number}\u2028", "idempotency_key": f"cli-{number}"} for number in range(2)
    ]
    first, last = (json.dumps(item, ensure_ascii=False) for item in items)
    file.write_text("\n".join([first, "", *["{}"] * 1_000, last]) + "\n", encoding="utf-8")
    sent = await over_http(api, "send", "--bulk", str(file), "--json")
    assert (sent.status, sent.err) == (1, "")
    data = json.loads(sent.out)["data"]
    assert [item["line"] for item in data] == [1, *range(3, 1_004)]
    assert [item["status"] for item in data] == [201, *[422] * 1_000, 201]
    api.accepted.extend(data[place]["answer"]["notification"]["id"] for place in (0, -1))
    file.write_text(f"{first}\n{last}", encoding="utf-8")
    again = await over_http(api, "send", "--bulk", str(file))
    assert (again.status, again.err) == (0, "")
    assert again.out == "2 of 2 submitted (2 of them before), 0 refused\n"


async def test_what_is_refused_is_named_by_its_line(api: Api) -> None:
    lines = [json.dumps(EMAIL), json.dumps(EMAIL | {"recipient": "nobody"}), "[]", json.dumps(EMAIL)]
    sent = await over_http(api, "send", "--bulk", "-", stdin="\n".join(lines))
    assert (sent.status, sent.err) == (1, "")
    second, third, summary = sent.out.splitlines()
    assert second.startswith("line 2: The request is not valid: /recipient ")
    assert third.startswith("line 3: ")
    assert summary == "2 of 4 submitted, 2 refused"


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ('{"a": 1}\n{', (), "line 2 is not JSON"),
        ("\n \n", (), "holds no notification"),
        ("{}", ("--to", "ada@example.com"), "--to"),
        ("{}", ("--tag", "a"), "--tag"),
        ("{}", ("--idempotency-key", "k"), "--idempotency-key"),
    ],
)
async def test_wrong_usage_submits_nothing_and_says_what_is_wrong(
    text: str, arguments: tuple[str, ...], said: str
) -> None:
    # There is no API there: were one called, it would be a 1.
    ended = await tidings(
        *("send", "--bulk", "-", *arguments),
        stdin=text,
        TIDINGS_URL="http://127.0.0.1:1",
        TIDINGS_API_KEY="td_live_x",
    )
    assert (ended.status, ended.out) == (2, "")
    assert said in " ".join(ended.err.replace("│", " ").split())


async def test_without_a_file_what_is_missing_is_named() -> None:
    ended = await tidings("send", "--channel", "email", "--body", "Hi", TIDINGS_API_KEY="td_live_x")
    assert ended.status == 2
    assert "--to" in ended.err
    missing = await tidings("send", "--bulk", "/nowhere/all.jsonl", TIDINGS_API_KEY="td_live_x")
    assert missing.status == 2
    assert "cannot be read" in missing.err
