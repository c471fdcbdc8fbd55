"""The codec server: whom it answers, from which pages, and with what."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from api.codec_access import CodecAccess
from api.codec_payloads import CodecPayloads
from tidings.settings import CodecServerSettings

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class CodecServer:
    """What its routes work with."""

    access: CodecAccess
    payloads: CodecPayloads
    origins: frozenset[str]
    """Pages whose requests may come with a cookie."""
    namespace: str


def codec_server(
    settings: CodecServerSettings, *, ui_url: str, namespace: str, payloads: CodecPayloads
) -> CodecServer | None:
    """The codec server, if there is a token."""
    if settings.codec_token is None:
        return None
    origin = origin_of(ui_url)
    return CodecServer(
        access=CodecAccess(settings.codec_token.get_secret_value()),
        payloads=payloads,
        origins=frozenset(settings.codec_origins) | ({origin} if origin else frozenset()),
        namespace=namespace,
    )


def origin_of(url: str) -> str | None:
    """The origin of a page as browsers name it (RFC 6454, section 6.2); None if it has none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not host:
        return None
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + ("" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}")
