"""Recipients of the channel `chat`: Apprise URLs (https://github.com/caronc/apprise/wiki), as far as they are
safe to take from a caller.

Apprise also reads files, runs programs, talks to the desktop and to mail servers; and a URL's parameters can
name files to read, switch certificates off or set headers. So both services and parameters are lists of what
is allowed.
"""

import re
from urllib.parse import parse_qsl, urlsplit

from tidings.domain.http_url import OTHER_PROTOCOLS, is_plain_host

HOSTED = frozenset(
    (
        *("discord", "feishu", "gchat", "lark", "revolt", "ryver", "slack", "tgram", "webex", "workflow"),
        *("workflows", "wxteams", "zulip"),
    )
)
"""Services at an address of their own: what follows the scheme is a token, a team or a bot."""

SELF_HOSTED = frozenset(
    name + ending
    for name in ("gotify", "json", "mmost", "nctalk", "ntfy", "rocket", "synology")
    for ending in ("", "s")
)
"""Services at whatever host the URL names; with an `s` at the end over TLS."""

PARAMETERS = frozenset(
    (
        *(
            "avatar",
            "blocks",
            "botname",
            "channel",
            "channels",
            "content",
            "detect",
            "flags",
            "footer",
            "format",
        ),
        *("id", "image", "key", "mdv", "mode", "overflow", "ping", "preview", "priority", "route", "secret"),
        *("sig", "signature", "silent", "tags", "team", "thread", "threadkey", "to", "token", "topic", "tts"),
        *("url_prefix", "ver", "webhook", "workflow", "workspace"),
    )
)
"""What a URL may set. Not among them: `template` and `attach` (files), `verify` and `redirect` (safety),
`cto`, `rto`, `retry` and `wait` (our timeouts), headers (`+name`), what names further addresses."""

LONGEST = 2048

_SHAPE = re.compile(r"([A-Za-z]+)://[!-~]+", re.ASCII)


def checked_chat_url(url: str) -> str:
    """The URL as it is. Raises ValueError, with a remedy; it never repeats the URL, which holds tokens."""
    shape = _SHAPE.fullmatch(url)
    if shape is None or len(url) > LONGEST:
        raise ValueError(
            f"is not an Apprise URL such as slack://T1/B2/x3, of at most {LONGEST} printable ASCII characters"
        )
    scheme = shape[1]
    if scheme not in HOSTED | SELF_HOSTED:
        raise ValueError(f"must begin with one of {', '.join(sorted(HOSTED | SELF_HOSTED))}, and ://")
    try:
        parts = urlsplit(url)
        port = parts.port if scheme in SELF_HOSTED else None
        given = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        raise ValueError("is not a URL that can be taken apart") from None
    refused = sorted({name for name, _ in given if name.lower() not in PARAMETERS})
    # Some read on behind a #, which Slack's channels begin with.
    if refused or (parts.fragment and (parts.query or set(parts.fragment) & set("?&=;"))):
        raise ValueError("must not carry parameters but those that docs/providers/apprise.md allows")
    if scheme in SELF_HOSTED:
        if parts.netloc.count("@") > 1 or "\\" in parts.netloc:
            raise ValueError("must have one @ at most before its host, and no \\: percent-encode them")
        _check_host(parts.netloc.rpartition("@")[2], port)
    return url


def _check_host(host_and_port: str, port: int | None) -> None:
    if port == 0 or port in OTHER_PROTOCOLS:
        raise ValueError(f"must not name port {port}: it belongs to a protocol that is not HTTP")
    parts = urlsplit(f"//{host_and_port}")
    if not parts.hostname or not is_plain_host(parts, parts.hostname):
        raise ValueError(
            "needs a host that can be read one way only: a name, an IPv4 address such as 192.0.2.1 or an IPv6"
            " address such as [2001:db8::1]"
        )
