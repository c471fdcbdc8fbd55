"""`send --bulk`: submit a file of notifications, a batch at a time."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import uuid4

import typer

from tidings.cli import screen
from tidings.cli.context import api_access

_OPTION = "--bulk"
_MOST_ITEMS = 1_000
_MOST_BYTES = 9_000_000
"""Less than an API takes in one request unless it is told otherwise, by what is around the items."""
_SECONDS = 90
"""How long one batch may take: the API begins no item after a minute."""

if TYPE_CHECKING:
    from tidings.client import Tidings

Access = tuple[str, str]
"""The API's address and the key."""
Line = tuple[int, Any]
"""Its number, and what it holds."""


class Result(TypedDict):
    """What became of a line."""

    line: int
    status: int
    answer: dict[str, Any]


def send_file(file: Path, url: str | None, api_key: str | None, *, retry_for: float, as_json: bool) -> None:
    """Submit each line of a file (JSON, one notification a line); `-` is standard input.

    Ends the command with 1 if any was refused. A line that is no JSON is wrong usage: nothing is submitted.
    """
    lines = list(_lines(file))
    access = api_access(url, api_key)
    results: list[Result] = []
    try:
        for batch in _batches(lines):
            results += _submit(access, batch, retry_for)
    finally:
        # Also if a later batch fails: what was submitted is to be known.
        screen.print_json({"data": results}) if as_json else _print_summary(results, len(lines))
    if any(result["status"] >= 400 for result in results):
        raise typer.Exit(1)


def _lines(file: Path) -> Iterator[Line]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read as text: {error}", param_hint=_OPTION) from None
    found = False
    # Not splitlines(), which ends lines at characters that JSON may hold.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        found = True
        try:
            yield number, json.loads(line)
        except ValueError as error:
            raise typer.BadParameter(f"line {number} is not JSON: {error}", param_hint=_OPTION) from None
    if not found:
        raise typer.BadParameter(f"{file} holds no notification", param_hint=_OPTION)


def _batches(lines: Sequence[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    size = 0
    for line in lines:
        # As it will be written, in which a character may take more bytes than in the file.
        length = len(json.dumps(line[1])) + 2
        if batch and (len(batch) == _MOST_ITEMS or size + length > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += length
    yield batch


def _submit(access: Access, batch: Sequence[Line], retry_for: float) -> list[Result]:
    # With a key in each item the whole may be sent again where an answer was lost.
    documents = [
        {"idempotency_key": str(uuid4())} | document if isinstance(document, dict) else document
        for _, document in batch
    ]
    from tidings.cli.http import ask

    def submit(client: "Tidings") -> "Awaitable[Any]":
        body = {"notifications": documents}
        return client.call("POST", "/v1/notifications/bulk", document=body, repeatable=True)

    answer = asyncio.run(ask(*access, submit, retry_for=retry_for, limit=_SECONDS))
    return [
        Result(line=number, status=item["status"], answer=item)
        for (number, _), item in zip(batch, answer["data"], strict=True)
    ]


def _print_summary(results: Sequence[Result], lines: int) -> None:
    accepted = [result["answer"] for result in results if result["status"] < 400]
    replayed = sum(answer["replayed"] for answer in accepted)
    refused = [result for result in results if result["status"] >= 400]
    for result in refused:
        problem = result["answer"]["problem"]
        faults = "; ".join(f"{fault['pointer']} {fault['detail']}" for fault in problem.get("errors", ()))
        typer.echo(f"line {result['line']}: {problem['title']}: {faults or problem['detail']}")
    said = f"{len(accepted)} of {lines} submitted"
    said += f" ({replayed} of them before)" if replayed else ""
    typer.echo(f"{said}, {len(refused)} refused")
