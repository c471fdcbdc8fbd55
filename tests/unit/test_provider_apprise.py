"""Chat services' answers, and which of Apprise's services are used; without a server."""

import asyncio
import importlib
import importlib.util
import inspect
import re
from datetime import timedelta
from typing import Any, cast

import aiohttp
import pytest

from tests.provider_support import outgoing, provider_settings
from tidings.domain.chat_url import HOSTED, SELF_HOSTED
from tidings.domain.vocabulary import Channel
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.apprise import TARGETS, AppriseProvider, AppriseSettings
from tidings.providers.apprise_requests import PASSING_WORDS, Call, failure_in, redacted
from tidings.providers.http_call import HttpAnswer

URL = "slack://Bot@T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/%23general?token=s3cr3tw0rd"
ROWS: list[tuple[int, type[SendFailure]]] = [
    (400, PermanentFailure),
    (401, PermanentFailure),
    (403, PermanentFailure),
    (404, PermanentFailure),
    (410, PermanentFailure),
    (413, PermanentFailure),
    (422, PermanentFailure),
    (429, TransientFailure),
    (500, TransientFailure),
    (502, TransientFailure),
    (503, TransientFailure),
    (504, TransientFailure),
]
MORE: list[tuple[int, type[SendFailure]]] = [
    (302, PermanentFailure),
    (407, PermanentFailure),
    (408, TransientFailure),
    (418, PermanentFailure),
    (599, TransientFailure),
]


@pytest.mark.parametrize(("status", "kind"), ROWS + MORE)
def test_the_status_decides(status: int, kind: type[SendFailure]) -> None:
    text = "no such hook A1BRTD4JD for TIiajkdnlazkcOXrIdevi7FQ in #general"
    found = failure_in(HttpAnswer(status, {"Retry-After": "7"}, text), URL)
    assert found is not None
    assert (type(found), found.code) == (kind, f"apprise_{status}")
    assert found.message.endswith("no such hook … for … in #…")
    assert getattr(found, "retry_after", None) == (timedelta(seconds=7) if kind is TransientFailure else None)
    assert getattr(found, "suppresses", None) == ("gone" if status == 410 else None)
    assert getattr(found, "of_message", False) == (status == 429), "our rate is no fault of the service"


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        *(
            ('{"ok": false, "error": "' + word + '"}', TransientFailure, "apprise_refused")
            for word in sorted(PASSING_WORDS)
        ),
        ('{"ok": false, "error": "channel_not_found"}', PermanentFailure, "apprise_refused"),
        ('{"success": false}', PermanentFailure, "apprise_refused"),
        ('{"ok": false, "error": ["ratelimited"]}', PermanentFailure, "apprise_refused"),
        ("accepted", UnknownOutcome, "apprise_unclear"),
        ("[" * 100_000, UnknownOutcome, "apprise_unclear"),
    ],
)
async def test_an_answer_that_is_2xx_and_no_success_all_the_same(
    text: str, kind: type[SendFailure], code: str
) -> None:
    call = a_call()
    call.answers.append(HttpAnswer(200, {}, text))
    found = call.refusal()
    assert (type(found), found.code) == (kind, code)


async def test_without_any_request_the_url_is_at_fault() -> None:
    assert type(a_call().refusal()) is PermanentFailure


@pytest.mark.parametrize("method", ["GET", "put", "DELETE"])
async def test_nothing_but_post_goes_out_and_nothing_after_a_failure(method: str) -> None:
    call = a_call()
    for tried in (method, "POST"):
        with pytest.raises(PermanentFailure, match="only POST"):
            call.request(tried, "http://127.0.0.1:1/", {}, b"")
    assert call.answers == []


async def test_after_the_attempt_nothing_goes_out() -> None:
    call = a_call()
    call.close()
    with pytest.raises(PermanentFailure):
        call.request("POST", "http://127.0.0.1:1/", {}, b"")


def a_call() -> Call:
    session = cast(aiohttp.ClientSession, None)
    return Call(asyncio.get_running_loop(), session, URL, "key", 1)


@pytest.mark.parametrize("secret", ["T1JJ3T3L2", "TIiajkdnlazkcOXrIdevi7FQ", "s3cr3tw0rd"])
def test_what_could_be_a_token_is_not_shown(secret: str) -> None:
    assert secret not in redacted(f"https://hooks.example/{secret}/x?{secret}: {URL}", URL)


def test_a_token_that_is_cut_short_is_not_shown_either() -> None:
    found = failure_in(HttpAnswer(400, {}, "-" * 470 + "TIiajkdnlazkcOXrIdevi7FQ"), URL)
    assert found is not None
    assert "TIia" not in found.message


def test_every_service_that_is_allowed_is_there_and_no_other() -> None:
    assert set(TARGETS) == HOSTED | SELF_HOSTED


@pytest.mark.parametrize(("scheme", "target"), TARGETS.items())
@pytest.mark.peer(
    provider="apprise",
    peer="apprise (PyPI)",
    exercises="every service forms its request by `requests` alone",
)
def test_a_service_speaks_by_requests_and_nothing_else(scheme: str, target: str) -> None:
    pytest.importorskip("apprise", reason="needs apprise: the extra 'apprise' is not installed")
    name, _, kind = target.partition(":")
    module = importlib.import_module(f"apprise.plugins.{name}")
    service: Any = getattr(module, kind)
    schemes = [*_all(service.protocol), *_all(service.secure_protocol)]
    assert scheme in schemes
    source = inspect.getsource(module)
    imported = set(re.findall(r"^\s*(?:import|from) ([\w.]+)", source, re.MULTILINE))
    outward = {
        "socket",
        "ssl",
        "http",
        "urllib3",
        "httpx",
        "aiohttp",
        "subprocess",
        "smtplib",
        "ftplib",
        "asyncio",
    }
    assert not {part.split(".")[0] for part in imported} & outward
    assert "urllib.request" not in source
    # What Apprise's services use of it is what we stand in for.
    used = set(re.findall(r"\brequests\.(\w+)", source))
    assert used <= {"post", "get", "request", "codes", "RequestException"}
    assert not re.search(r"^\s*from requests|import requests as", source, re.MULTILINE)


def _all(protocol: Any) -> tuple[str, ...]:
    return (protocol,) if isinstance(protocol, str) else tuple(protocol or ())


async def test_without_apprise_it_is_our_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    provider = AppriseProvider(provider_settings(), AppriseSettings(_env_file=None))
    assert provider.missing == "tidings[apprise]"
    with pytest.raises(ProviderMisconfigured) as raised:
        await provider.send(outgoing(Channel.CHAT, URL))
    assert raised.value.code == "apprise_not_installed"
