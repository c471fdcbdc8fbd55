"""Every line of a process in one form, on standard error."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from tidings.logging import configure
from tidings.settings import LogFormat, LogSettings


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    """Logging is the process's; the other tests shall find it as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    hook = sys.excepthook
    yield
    sys.excepthook = hook
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in logging.root.manager.loggerDict:
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def fail_with(secret: str) -> None:
    raise ValueError("it failed")


def test_off_a_terminal_every_line_is_a_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(log_format=LogFormat.AUTO))
    structlog.contextvars.bind_contextvars(request_id="r-1")
    structlog.get_logger("api").info("submitted", channel="email")
    logging.getLogger("some.library").warning("of %s", "theirs")
    ours, theirs = map(json.loads, capsys.readouterr().err.splitlines())
    assert ours.pop("timestamp").endswith("Z")
    assert ours == {
        "message": "submitted",
        "level": "info",
        "logger": "api",
        "channel": "email",
        "request_id": "r-1",
    }
    assert (theirs["message"], theirs["level"], theirs["logger"]) == ("of theirs", "warning", "some.library")


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_tracebacks_are_shown_without_local_variables(
    capsys: pytest.CaptureFixture[str], form: LogFormat
) -> None:
    configure(LogSettings(log_format=form))
    try:
        fail_with("".join(["hid", "den"]))
    except ValueError:
        structlog.get_logger("api").exception("request_failed")
    written = capsys.readouterr().err
    assert "ValueError: it failed" in written
    assert "fail_with" in written
    assert "hidden" not in written


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(log_level="WARNING"))
    structlog.get_logger("api").info("request")
    logging.getLogger("uvicorn.error").info("Started server process")
    structlog.get_logger("api").warning("part_unavailable")
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == [
        "part_unavailable"
    ]
