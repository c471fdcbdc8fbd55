"""What commands print for people."""

from typing import Any

import pytest

from tidings.cli import screen

ITEM = {
    "id": "01a1fcb7-b18c-7066-a470-a96aeb1369b3",
    "status": "sent",
    "channel": "email",
    "recipient": "ada@example.com",
    "attempt_count": 1,
    "created_at": "2026-11-21T06:07:39.404247Z",
    "error": None,
}
FAILED = ITEM | {"status": "failed", "error": {"code": "smtp_connect_failed", "message": "nobody listens"}}


def lines(capsys: pytest.CaptureFixture[str], *items: dict[str, Any]) -> list[str]:
    screen.print_list({"data": list(items), "total": len(items), "page": 1})
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_list_has_the_reasons_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    heading, first, second = lines(capsys, FAILED, ITEM)
    assert heading.endswith("created              reason")
    assert first.endswith("2026-11-21 06:07:39  smtp_connect_failed")
    assert second.endswith("2026-11-21 06:07:39")


def test_a_list_without_reasons_has_no_place_for_them(capsys: pytest.CaptureFixture[str]) -> None:
    heading, _ = lines(capsys, ITEM)
    assert heading.endswith("created")
