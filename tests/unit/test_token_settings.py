"""Settings of tokens that do not fit together are refused in one line that names the variable."""

import pytest

from tidings.errors import SetupError
from tidings.settings import TokenSettings

SECRET = "a-secret-of-at-least-thirty-two-bytes"
ISSUED = {"jwt_issuer": "https://login.example.com/", "jwt_audience": "tidings"}
REMOTE = {"jwt_jwks": "https://login.example.com/jwks", **ISSUED}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"jwt_jwks": "jwks.json"}, "TIDINGS_JWT_ISSUER and TIDINGS_JWT_AUDIENCE"),
        ({"jwt_jwks": "jwks.json", "jwt_issuer": "me"}, "TIDINGS_JWT_AUDIENCE"),
        ({"jwt_secret": SECRET}, "TIDINGS_JWT_ISSUER"),
        ({"jwt_secret": "short", **ISSUED}, "TIDINGS_JWT_SECRET must have at least 32 bytes"),
        ({"jwt_secret": SECRET, **REMOTE}, "not both"),
        ({"jwt_secret": SECRET, **ISSUED, "jwt_algorithms": "HS256,RS256"}, "may here be only HS256"),
        ({"jwt_secret": SECRET, **ISSUED, "jwt_algorithms": "HS512"}, "may here be only HS256"),
        ({**REMOTE, "jwt_algorithms": "RS256,HS256"}, "TIDINGS_JWT_ALGORITHMS may here be only"),
        ({**REMOTE, "jwt_algorithms": "none"}, "TIDINGS_JWT_ALGORITHMS"),
        ({**REMOTE, "jwt_algorithms": ","}, "TIDINGS_JWT_ALGORITHMS"),
        ({**REMOTE, "jwt_jwks": "http://login.example.com/jwks"}, "TIDINGS_JWT_JWKS: .*https"),
        ({**REMOTE, "jwt_jwks": "http://127.0.0.1.example.com/jwks"}, "TIDINGS_JWT_JWKS: .*https"),
        ({**REMOTE, "jwt_jwks": "file:///etc/jwks.json"}, "TIDINGS_JWT_JWKS: .*https"),
        ({**REMOTE, "jwt_jwks": "https:///jwks"}, "TIDINGS_JWT_JWKS: .*https"),
    ],
)
def test_what_does_not_fit_together_is_refused(given: dict[str, str], named: str) -> None:
    with pytest.raises(SetupError, match=named) as caught:
        TokenSettings.load(_env_file=None, **given)
    assert "\n" not in str(caught.value)
    assert "thirty-two" not in str(caught.value)


def test_without_a_key_set_or_secret_no_token_is_taken() -> None:
    assert not TokenSettings.load(_env_file=None, **ISSUED).enabled


def test_two_families_are_taken_unless_others_are_named() -> None:
    assert TokenSettings.load(_env_file=None, **REMOTE).algorithms == ("RS256", "ES256")
    assert TokenSettings.load(_env_file=None, **REMOTE, jwt_algorithms="EdDSA").algorithms == ("EdDSA",)
    assert TokenSettings.load(_env_file=None, **ISSUED, jwt_secret=SECRET).algorithms == ("HS256",)
