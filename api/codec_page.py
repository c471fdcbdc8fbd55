"""`/codec`: where a person signs in to read payloads in the Temporal Web UI. It has no script."""

import base64
import hashlib
from html import escape

from starlette.responses import HTMLResponse

from api.codec_access import Session

_STYLE = """
:root{color-scheme:light dark}
body{max-width:38rem;margin:3rem auto;padding:0 1rem;font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
form{display:flex;gap:.5rem;flex-wrap:wrap;margin:1rem 0}
input{flex:1 1 18rem}input,button{font:inherit;padding:.45rem .6rem}
code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
.fault,.good{border-left:4px solid #2e8b57;padding-left:.7rem}.fault{border-color:#c0392b}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def page(
    *, endpoint: str, ui_url: str, session: Session | None = None, fault: str = "", status: int = 200
) -> HTMLResponse:
    """The page. `endpoint`: what the Web UI is to be told; `fault`: why signing in has failed."""
    state = _signed_in(session) if session is not None else _form(fault)
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Reading payloads: Tidings</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Reading payloads in the Temporal Web UI</h1>
{state}
<h2>In the Web UI, once for each browser</h2>
<p>Not needed where the Web UI was started with <code>TEMPORAL_CODEC_INCLUDE_CREDENTIALS=true</code>.</p>
<ol>
<li>Open it by this very address: <a href="{escape(ui_url)}"><code>{escape(ui_url)}</code></a></li>
<li>The glasses at the top right open <b>Codec Server</b>: choose <b>Use my browser setting</b>.</li>
<li>Endpoint: <code>{escape(endpoint)}</code></li>
<li>Switch on <b>Include cross-origin credentials</b>, apply, and load the page again.</li>
</ol>
</body>
</html>
""",
        status_code=status,
        headers={
            "Content-Security-Policy": _POLICY,
            # By no-referrer, browsers would call the form's origin "null".
            "Referrer-Policy": "same-origin",
        },
    )


def _signed_in(session: Session) -> str:
    return (
        f'<p class="good">This browser is signed in until {session.end:%Y-%m-%d %H:%M} UTC.</p>'
        '<form method="post" action="/codec/sign-out"><button>Sign out</button></form>'
    )


def _form(fault: str) -> str:
    said = f'<p class="fault" role="alert">{escape(fault)}</p>' if fault else ""
    return (
        "<p>What notifications say and to whom is sealed in Temporal. Whoever has the codec token "
        "(<code>TIDINGS_CODEC_TOKEN</code>; of <code>tidings up</code>: <code>codec_token</code> in its "
        f"<code>up.json</code>) may read it for 12 hours.</p>{said}"
        '<form method="post" action="/codec"><input name="token" type="password" required autofocus '
        'autocomplete="off" spellcheck="false" placeholder="Codec token" aria-label="Codec token">'
        "<button>Sign in</button></form>"
    )
