"""How a rate limit is written."""

import pytest

from tidings.domain.rate_limit import RateLimit
from tidings.errors import SetupError
from tidings.settings import ApiSettings


@pytest.mark.parametrize(
    ("text", "amount", "seconds", "written"),
    [
        ("100/second", 100, 1, "100/second"),
        (" 5/minutes ", 5, 60, "5/minute"),
        ("3000/10 seconds", 3000, 10, "3000/10 seconds"),
        ("7/120 seconds", 7, 120, "7/2 minutes"),
        ("1/24 hours", 1, 86_400, "1/day"),
    ],
)
def test_it_is_read_and_written_alike(text: str, amount: int, seconds: int, written: str) -> None:
    limit = RateLimit.parse(text)
    assert (limit.amount, limit.seconds, str(limit)) == (amount, seconds, written)
    assert RateLimit.parse(written) == limit


@pytest.mark.parametrize(
    "text", ["", "100", "/second", "0/second", "-1/second", "1/0 seconds", "1/week", "\u0661/day"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be like|greater than or equal"):
        RateLimit.parse(text)


@pytest.mark.parametrize("name", ["RATE_LIMIT_KEY", "RATE_LIMIT_TENANT"])
def test_the_setting_is_named_and_off_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TIDINGS_{name}", "off")
    assert getattr(ApiSettings.load(), name.lower()) is None
    monkeypatch.setenv(f"TIDINGS_{name}", "fast")
    with pytest.raises(SetupError, match=f"TIDINGS_{name}: .*100/second"):
        ApiSettings.load()
