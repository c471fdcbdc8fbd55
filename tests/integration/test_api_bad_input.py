"""Bad input is refused with the right problem, named to the field, and leaves nothing behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs
from temporalio.client import Client

from tests.integration.api import EMAIL, Answer, Api, make_key, running_api
from tests.support import eventually
from tidings.local.temporal_server import TemporalServer

UNKNOWN = UUID("4b402ba4-ef91-4c35-8976-13d27a2f396a")

JSON = {"Content-Type": "application/json"}
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Bad:
    """One bad submission and what it must be answered with."""

    name: str
    status: int
    kind: str
    pointers: list[str] | None = None
    document: Any = None
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """What is sent."""
        return json.dumps(self.document).encode() if self.raw is None else self.raw


def email(name: str, pointer: str, **fields: Any) -> Bad:
    """An e-mail that one field spoils."""
    document = {key: value for key, value in (EMAIL | fields).items() if value is not ...}
    return Bad(name, 422, "validation", [pointer], document)


def to(channel: str, name: str, pointer: str, recipient: Any, **fields: Any) -> Bad:
    """A notification by another channel."""
    document = {"channel": channel, "recipient": recipient, "body": "Hi", **fields}
    return Bad(name, 422, "validation", [pointer], document)


def later(**delta: float) -> str:
    return (NOW + timedelta(**delta)).isoformat()


def nested(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(levels - 1):
        document = {"a": document}
    return document


BAD = [
    # Not a submission at all.
    Bad("no body", 400, "invalid-json", raw=b""),
    Bad("no JSON", 400, "invalid-json", raw=b"channel=email"),
    Bad("cut short", 400, "invalid-json", raw=b'{"channel": "email"'),
    Bad("two documents", 400, "invalid-json", raw=b"{} {}"),
    Bad("NaN", 400, "invalid-json", raw=b'{"metadata": {"a": NaN}}'),
    Bad("Infinity", 400, "invalid-json", raw=b'{"metadata": {"a": -Infinity}}'),
    Bad("lone surrogate", 400, "invalid-json", raw=b'{"body": "\\ud800"}'),
    Bad("not UTF-8", 400, "invalid-json", raw=b'{"body": "\xff"}'),
    Bad("UTF-16", 400, "invalid-json", raw=json.dumps(EMAIL).encode("utf-16")),
    Bad("nested without end", 400, "invalid-json", raw=b"[" * 100_000),
    Bad("number without end", 400, "invalid-json", raw=b"1" * 100_000),
    Bad("an array", 422, "validation", [""], [EMAIL]),
    Bad("a string", 422, "validation", [""], "email"),
    Bad("null", 422, "validation", [""], raw=b"null"),
    Bad("an empty object", 422, "validation", ["/channel", "/recipient", "/body"], {}),
    Bad("a form", 415, "unsupported-media-type", None, EMAIL, None, {"Content-Type": "text/plain"}),
    Bad("no content type", 415, "unsupported-media-type", None, EMAIL, None, {"Content-Type": ""}),
    Bad(
        "latin-1",
        415,
        "unsupported-media-type",
        document=EMAIL,
        headers={"Content-Type": "application/json; charset=iso-8859-1"},
    ),
    Bad("compressed", 415, "unsupported-media-type", None, EMAIL, None, {"Content-Encoding": "gzip"}),
    Bad("too large", 413, "too-large", raw=b" " * 1_000_001),
    # Fields.
    email("unknown channel", "/channel", channel="pigeon"),
    email("channel null", "/channel", channel=None),
    email("channel in capitals", "/channel", channel="EMAIL"),
    email("unknown field", "/bogus", bogus=1),
    email("field with odd name", "/a~1b~0c", **{"a/b~c": 1}),
    email("field of ours", "/tenant", tenant="other"),
    email("id given", "/id", id=str(uuid4())),
    email("no recipient", "/recipient", recipient=...),
    email("recipient a list", "/recipient", recipient=["ada@example.com"]),
    email("recipient empty", "/recipient", recipient=""),
    email("recipient without @", "/recipient", recipient="ada.example.com"),
    email("two recipients", "/recipient", recipient="ada@example.com,eve@example.com"),
    email("recipient with a line break", "/recipient", recipient="ada@example.com\r\nBcc: eve@example.com"),
    email("recipient with NUL", "/recipient", recipient="ada\x00@example.com"),
    email("no subject", "/subject", subject=...),
    email("subject null", "/subject", subject=None),
    email("subject empty", "/subject", subject=""),
    email("subject blank", "/subject", subject="  "),
    email("subject too long", "/subject", subject="s" * 201),
    email("subject with a line break", "/subject", subject="Hi\r\nBcc: eve@example.com"),
    email("subject with a Unicode line break", "/subject", subject="Hi\u2028there"),
    email("subject with NUL", "/subject", subject="Hi\x00"),
    email("subject with an escape", "/subject", subject="\x1b[31mHi"),
    email("body missing", "/body", body=...),
    email("body a number", "/body", body=5),
    email("body empty", "/body", body=""),
    email("body too long", "/body", body="b" * 10_001),
    email("body with NUL", "/body", body="a\x00b"),
    email("html too long", "/html", html="h" * 500_001),
    email("html a boolean", "/html", html=True),
    email("metadata a list", "/metadata", metadata=[1]),
    email("metadata too large", "/metadata", metadata={"a": "x" * 16_384}),
    email("metadata too deep", "/metadata", metadata=nested(33)),
    email("metadata with NUL", "/metadata", metadata={"a": [{"b": "\x00"}]}),
    email("metadata with NUL in a name", "/metadata", metadata={"a": {"\x00": 1}}),
    Bad(
        "metadata beyond double",
        422,
        "validation",
        ["/metadata"],
        raw=json.dumps(EMAIL)[:-1].encode() + b', "metadata": {"a": 1e999}}',
    ),
    email("tags a string", "/tags", tags="orders"),
    email("tags null", "/tags", tags=None),
    email("too many tags", "/tags", tags=[str(number) for number in range(11)]),
    email("tag empty", "/tags/1", tags=["a", ""]),
    email("tag too long", "/tags/0", tags=["t" * 51]),
    email("tag a number", "/tags/0", tags=[7]),
    email("unknown priority", "/priority", priority="urgent"),
    email("unknown guarantee", "/guarantee", guarantee="exactly_once"),
    email("unknown provider", "/provider", provider="pigeon"),
    email("provider of another channel", "/provider", provider="webhook"),
    email("send_at without offset", "/send_at", send_at="2027-01-01T00:00:00"),
    email("send_at a number", "/send_at", send_at=1_800_000_000),
    email("send_at a date", "/send_at", send_at="2027-01-01"),
    email("send_at no time that exists", "/send_at", send_at="2027-02-30T00:00:00Z"),
    email("send_at beyond the calendar", "/send_at", send_at="0001-01-01T00:00:00+14:00"),
    email("send_at too far ahead", "/send_at", send_at=later(days=400)),
    email("expires_at without offset", "/expires_at", expires_at="2027-01-01T00:00:00"),
    email("expires_at past", "/expires_at", expires_at=later(hours=-1)),
    email("expires_at before send_at", "/expires_at", send_at=later(hours=2), expires_at=later(hours=1)),
    # Other channels.
    to("sms", "number not E.164", "/recipient", "0301234567"),
    to("sms", "number with blanks", "/recipient", "+1 415 555 0123"),
    to("sms", "number in other digits", "/recipient", "+١٤١٥٥٥٥٠١٢٣"),
    to("sms", "number too short", "/recipient", "+4912"),
    to("sms", "number a number", "/recipient", 14155550123),
    to("sms", "sms with subject", "/subject", "+14155550123", subject="Hi"),
    to("sms", "sms with html", "/html", "+14155550123", html="<p>Hi</p>"),
    to("push", "token too short", "/recipient", "abc"),
    to("push", "token with blanks", "/recipient", "not a device token"),
    to("webhook", "no URL", "/recipient", "example.com/hook"),
    to("webhook", "file URL", "/recipient", "file:///etc/passwd"),
    to("webhook", "URL with password", "/recipient", "https://ada:secret@example.com/"),
    to("push", "Web Push subscription without keys", "/recipient", '{"endpoint": "https://push.example/a"}'),
    to("chat", "service that reads files", "/recipient", "file:///etc/passwd"),
    to("chat", "parameter that reads files", "/recipient", "slack://T1/B2/x3?template=/etc/passwd"),
    to("chat", "chat with html", "/html", "slack://T1/B2/x3", html="<p>Hi</p>"),
    to("webhook", "URL with a line break", "/recipient", "https://example.com/\r\nX: 1"),
    Bad(
        "several at once",
        422,
        "validation",
        ["/recipient", "/subject", "/expires_at"],
        {"channel": "email", "recipient": "ada", "body": "Hi", "expires_at": later(days=-1)},
    ),
]


@pytest.fixture(scope="module")
def tenant() -> str:
    """A tenant that has no notifications yet."""
    return f"tenant-{uuid4().hex}"


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer, tenant: str) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url, tenant)
    async with running_api(
        database_url, temporal_server.address, key=key, max_submission_bytes=1_000_000
    ) as api:
        yield api


async def send(api: Api, bad: Bad) -> Answer:
    # An empty value stands for no header at all.
    headers = {name: value for name, value in (JSON | bad.headers).items() if value}
    skipped = [] if "Content-Type" in headers else ["Content-Type"]
    return await api.post("/v1/notifications", data=bad.body, headers=headers, skip_auto_headers=skipped)


async def test_every_bad_submission_is_refused_and_starts_nothing(
    api: Api, temporal_client: Client, tenant: str
) -> None:
    for bad in BAD:
        answer = await send(api, bad)
        said = (bad.name, answer.status, answer.kind, answer.pointers if answer.status == 422 else None)
        assert said == (bad.name, bad.status, bad.kind, bad.pointers), answer.text
        assert answer.json["instance"] == "/v1/notifications"
        assert answer.json["title"]
        assert answer.json["detail"]
        assert "Traceback" not in answer.text
        assert "secret" not in answer.text

    # Temporal's list lags behind; a good submission that shows in it proves that a bad one would.
    await api.submitted()
    query = f'NotificationTenant = "{tenant}"'

    async def count() -> int:
        return (await temporal_client.count_workflows(query)).count

    assert await eventually(count) == 1
    assert (await api.get("/v1/notifications")).json["total"] == 0


@pytest.mark.parametrize(
    ("query", "kind", "pointers"),
    [
        ("page=0", "validation", ["/page"]),
        ("page=two", "validation", ["/page"]),
        ("page=9999999999999999999999", "validation", ["/page"]),
        ("per_page=0", "validation", ["/per_page"]),
        ("per_page=101", "validation", ["/per_page"]),
        ("status=lost", "validation", ["/status"]),
        ("channel=pigeon", "validation", ["/channel"]),
        ("statsu=failed", "validation", ["/statsu"]),
        ("tag=%00", "validation", ["/tag"]),
        ("recipient=%00", "validation", ["/recipient"]),
        ("created_after=yesterday", "validation", ["/created_after"]),
        ("created_before=2027-01-01T00:00:00", "validation", ["/created_before"]),
        ("page=2&cursor=AAAA", "validation", ["/cursor"]),
        ("cursor=", "invalid-cursor", None),
        ("cursor=AAAA", "invalid-cursor", None),
        ("cursor=%C3%A9", "invalid-cursor", None),
        ("cursor=" + "A" * 27, "invalid-cursor", None),
        ("cursor=" + "A" * 38, "invalid-cursor", None),
    ],
)
async def test_bad_query_parameters_are_named(
    api: Api, query: str, kind: str, pointers: list[str] | None
) -> None:
    answer = await api.get(f"/v1/notifications?{query}")
    assert (answer.status, answer.kind) == (400 if kind == "invalid-cursor" else 422, kind)
    if pointers is not None:
        assert answer.pointers == pointers


@pytest.mark.parametrize(
    "id",
    [
        "nonsense",
        "1",
        f"{UNKNOWN}",
        f"{{{UNKNOWN}}}",
        UNKNOWN.hex,
        "%00",
        "..%2F..",
        f"urn:uuid:{UNKNOWN}",
        "é",
    ],
)
async def test_an_unknown_id_is_not_found_whatever_it_looks_like(api: Api, id: str) -> None:
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
        answer = await api.call(method, f"/v1/notifications/{id}{path}")
        assert (answer.status, answer.kind) == (404, "not-found")


async def test_paths_and_methods_that_are_not_there(api: Api) -> None:
    answer = await api.get("/v2/notifications")
    assert (answer.status, answer.kind) == (404, "not-found")
    answer = await api.call("DELETE", "/v1/notifications")
    assert (answer.status, answer.kind) == (405, "method-not-allowed")
    assert answer.headers["Allow"] == "GET, HEAD, POST"
    answer = await api.get(f"/v1/notifications/{uuid4()}/cancel")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_a_chunked_body_without_a_length_is_cut_off_at_the_limit(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    answer = await api.post("/v1/notifications", data=chunks(), headers=JSON)
    assert (answer.status, answer.kind) == (413, "too-large")


async def test_a_caller_who_goes_away_is_no_fault_of_ours(api: Api) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    with capture_logs() as lines:
        _, writer = await asyncio.open_connection(host, int(port))
        head = (
            "POST /v1/notifications HTTP/1.1",
            f"Host: {host}",
            f"Authorization: Bearer {api.key}",
            "Content-Type: application/json",
            "Content-Length: 100",
        )
        writer.write("\r\n".join([*head, "", "{"]).encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        await eventually(lambda: [line for line in lines if line["event"] == "request"])
    assert [(line["event"], line["status"]) for line in lines] == [("request", 499)]


async def test_a_thousand_unknown_fields_are_not_all_listed(api: Api) -> None:
    answer = await api.submit(**{f"field{number}": number for number in range(1_000)})
    assert answer.status == 422
    assert len(answer.pointers) == 50
    answer = await api.submit(**{"x" * 10_000: 1})
    assert len(answer.text) < 1_000
