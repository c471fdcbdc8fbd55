"""What `tidings doctor` asks of providers: whether they would let us in. Nothing is ever sent."""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from aiohttp import web

from tests.aws import ses, sns
from tests.http2_server import ScriptedHttp2, answer
from tests.http_server import http_server
from tests.integration.test_provider_twilio_sendgrid import ACCOUNT, KEY, sendgrid, twilio
from tests.provider_support import ScriptedSmtp, certificate, provider_settings, serving
from tests.push_keys import apns_settings, fcm_settings
from tests.support import free_port
from tidings.doctor.finding import Finding, State, examine
from tidings.doctor.providers import checks
from tidings.domain.providers import ProviderEntry
from tidings.domain.vocabulary import Channel
from tidings.errors import ProviderMisconfigured, SendFailure, TransientFailure
from tidings.provider_catalogue import Catalogue, EntryFault
from tidings.providers.apns import ApnsProvider
from tidings.providers.fcm import FcmProvider
from tidings.providers.protocol import Acceptance, Checkable, OutgoingMessage, Provider
from tidings.providers.smtp import SmtpProvider
from tidings.settings import DeliverySettings, ProviderSettings

QUICK: dict[str, Any] = {"provider_connect_timeout": 2, "provider_response_timeout": 2}


async def found(provider: Provider) -> str:
    """What the check says."""
    assert isinstance(provider, Checkable)
    try:
        return await provider.check()
    finally:
        await provider.aclose()


async def refused(provider: Provider) -> SendFailure:
    """The failure of a check that must fail."""
    with pytest.raises(SendFailure) as raised:
        await found(provider)
    return raised.value


@asynccontextmanager
async def vendor(*answers: tuple[str, str, int, Any]) -> AsyncIterator[tuple[str, list[str]]]:
    """A vendor's HTTP API: for path and credentials a status and an object, else 401; what it was asked."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path_qs}")
        for path, credentials, status, content in answers:
            if request.path_qs == path and credentials in request.headers.get("Authorization", ""):
                return web.json_response(content, status=status)
        return web.json_response({"code": 20003, "message": "Authenticate"}, status=401)

    async with http_server(web.route("*", "/{path:.*}", handle)) as url:
        yield url, asked


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def smtp(port: int, **given: Any) -> SmtpProvider:
    log_in = {"smtp_tls": "none", "smtp_username": "ada", "smtp_password": "a-password"}
    return SmtpProvider(provider_settings(smtp_port=port, **{**QUICK, **log_in, **given}))


async def test_smtp_logs_in_and_writes_no_mail() -> None:
    script = ScriptedSmtp()
    async with serving(script) as port:
        assert await found(smtp(port)) == f"127.0.0.1:{port} greets us, logged in as ada"
    verbs = [command.split()[0] for command in script.commands]
    assert verbs in (["EHLO", "AUTH"], ["EHLO", "AUTH", "QUIT"])


async def test_smtp_says_whose_fault_it_is() -> None:
    async with serving(ScriptedSmtp({"AUTH": "535 5.7.8 no"})) as port:
        wrong = await refused(smtp(port))
        open_to_all = await found(smtp(port, smtp_username=None))
    assert isinstance(wrong, ProviderMisconfigured)
    assert "a-password" not in str(wrong)
    assert open_to_all.endswith("without a log-in")
    assert isinstance(await refused(smtp(free_port())), TransientFailure)
    async with serving(ScriptedSmtp({"connect": "hang"})) as port:
        silent = smtp(port, provider_connect_timeout=0.2)
        assert (await refused(silent)).code == "smtp_timeout"


async def test_sendgrid_asks_what_the_key_may_do() -> None:
    scopes = {"scopes": ["alerts.read", "mail.send"]}
    async with vendor(
        ("/v3/scopes", "Bearer SG.key", 200, scopes), ("/v3/scopes", "Bearer SG.other", 200, {"scopes": []})
    ) as (url, asked):
        assert await found(sendgrid(url)) == "the API key may send (mail.send)"
        other = await refused(sendgrid(url, sendgrid_api_key="SG.other"))
        wrong = await refused(sendgrid(url, sendgrid_api_key="SG.wrong"))
    assert (other.code, type(other)) == ("sendgrid_scope", ProviderMisconfigured)
    assert (wrong.code, type(wrong)) == ("sendgrid_401", ProviderMisconfigured)
    assert asked == ["GET /v3/scopes"] * 3


async def test_twilio_reads_the_account_or_with_an_api_key_its_numbers() -> None:
    account = f"/2010-04-01/Accounts/{ACCOUNT}"
    numbers = f"{account}/IncomingPhoneNumbers.json?PageSize=1"
    async with vendor(
        (f"{account}.json", basic(ACCOUNT, "token"), 200, {"status": "active"}),
        (f"{account}.json", basic(ACCOUNT, "closed"), 200, {"status": "suspended"}),
        (numbers, basic(KEY, "secret"), 200, {"incoming_phone_numbers": []}),
    ) as (url, asked):
        assert await found(twilio(url)) == "the account takes our credentials"
        by_key = twilio(url, twilio_api_key=KEY, twilio_api_secret="secret")
        assert await found(by_key) == "the account takes our credentials"
        suspended = await refused(twilio(url, twilio_auth_token="closed"))
        wrong = await refused(twilio(url, twilio_auth_token="wrong"))
    assert (suspended.code, suspended.message) == ("twilio_account", "the account is suspended")
    assert (wrong.code, type(wrong)) == ("twilio_20003", ProviderMisconfigured)
    assert all(line.startswith("GET ") for line in asked)


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (200, {"SendingEnabled": True, "ProductionAccessEnabled": True}, "the account may send"),
        (200, {"SendingEnabled": True, "ProductionAccessEnabled": False}, "SES's own sandbox"),
        (200, {"SendingEnabled": False}, "sending is paused"),
        (403, {"__type": "AccessDeniedException", "message": "no"}, "ses:GetAccount"),
        (403, {"__type": "UnrecognizedClientException", "message": "bad token"}, "bad token"),
    ],
    ids=["well", "sandbox", "paused", "may only send", "unknown"],
)
async def test_ses_asks_for_the_account(status: int, content: dict[str, Any], said: str) -> None:
    pytest.importorskip("aiobotocore")
    async with vendor(("/v2/email/account", "AWS4-HMAC-SHA256", status, content)) as (url, asked):
        provider = ses(url)
        try:
            text = await found(provider)
        except ProviderMisconfigured as failure:
            text = failure.message
    assert said in text
    assert asked == ["GET /v2/email/account"]


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [(200, None, "AWS takes our credentials"), (403, "AuthorizationError", "sns:GetSMSAttributes")],
    ids=["well", "may only send"],
)
async def test_sns_asks_for_preferences(status: int, code: str | None, said: str) -> None:
    pytest.importorskip("aiobotocore")
    empty = "<GetSMSAttributesResponse><GetSMSAttributesResult/></GetSMSAttributesResponse>"
    error = f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    bodies: list[bytes] = []

    async def handle(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response(status=status, text=error if code else empty, content_type="text/xml")

    async with http_server(web.post("/", handle)) as url:
        assert said in await found(sns(url))
    assert len(bodies) == 1
    assert b"Action=GetSMSAttributes" in bodies[0]


async def test_fcm_fetches_a_token_and_says_why_not() -> None:
    pytest.importorskip("jwt")
    good, bad = {"access_token": "t", "expires_in": 3599}, {"error": "invalid_grant"}
    for status, content in ((200, good), (400, bad)):
        asked: list[str] = []

        async def handle(
            request: web.Request, status: int = status, content: Any = content, asked: list[str] = asked
        ) -> web.Response:
            asked.append(request.path)
            return web.json_response(content, status=status)

        async with http_server(web.route("*", "/{path:.*}", handle)) as url:
            provider = FcmProvider(provider_settings(**QUICK), fcm_settings(url))
            if status == 200:
                assert "access token" in await found(provider)
            else:
                assert (await refused(provider)).code == "fcm_token_invalid_grant"
        assert asked == ["/token"]


async def test_apns_signs_and_opens_a_connection() -> None:
    pytest.importorskip("h2")
    pytest.importorskip("jwt")
    script = ScriptedHttp2([answer(404)])
    async with serving(script.handler) as port:
        own = apns_settings(f"http://127.0.0.1:{port}")
        assert "the key signs" in await found(ApnsProvider(provider_settings(**QUICK), own))
    assert len(script.streams) == 1
    nobody = apns_settings(f"http://127.0.0.1:{free_port()}")
    assert isinstance(await refused(ApnsProvider(provider_settings(**QUICK), nobody)), TransientFailure)


async def test_a_certificate_that_nobody_vouches_for_is_said(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    async with serving(ScriptedSmtp(), context) as port:
        failure = await refused(smtp(port, smtp_tls="implicit"))
    assert (failure.code, type(failure)) == ("smtp_certificate", ProviderMisconfigured)


class Bare:
    """A package's provider without a check."""

    name = "bare"
    channels = (Channel.SMS,)

    @classmethod
    def build(cls, settings: ProviderSettings) -> Self:
        return cls()

    async def send(self, message: OutgoingMessage) -> Acceptance:
        raise AssertionError

    async def aclose(self) -> None:
        """Nothing is open."""


class Wild(Bare):
    """One whose check fails in a way that nobody foresaw, with a secret in the error."""

    name = "wild"

    async def check(self) -> str:
        raise LookupError("a-secret")


async def looked_at(*entries: ProviderEntry, **given: Any) -> Sequence[Finding]:
    known = Catalogue(entries, (EntryFault("torn", "provider 'torn' of a package 1.0: no `build`"),))
    delivery = DeliverySettings(_env_file=None)
    return await examine(checks(known, provider_settings(**given), delivery), 10)


async def test_what_has_no_check_is_unchecked_and_what_breaks_breaks_nothing_else() -> None:
    here = "tests.integration.test_provider_checks"
    findings = await looked_at(
        ProviderEntry("bare", f"{here}:Bare", (Channel.SMS,), "a package 1.0"),
        ProviderEntry("wild", f"{here}:Wild", (Channel.SMS,), "a package 1.0"),
    )
    states = {finding.check: finding.state for finding in findings}
    assert states == {
        "provider bare": State.UNCHECKED,
        "provider wild": State.FAILED,
        "provider torn": State.FAILED,
    }
    assert "a-secret" not in str(findings)


@pytest.mark.parametrize(("stands_in", "state"), [(False, State.WARNING), (True, State.OK)])
async def test_a_route_to_what_is_not_set_up_is_said(stands_in: bool, state: State) -> None:
    entry = ProviderEntry("smtp", "tidings.providers.smtp:SmtpProvider", (Channel.EMAIL,))
    first, _ = await looked_at(entry, smtp_host="", sandbox_stands_in=stands_in)
    assert (first.check, first.state) == ("provider smtp", state)
    assert "TIDINGS_SMTP_HOST is not set" in first.found
