"""Signatures by Standard Webhooks 1.0."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tidings.errors import SetupError
from tidings.providers.webhook_signature import WebhookSigner

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = datetime.fromtimestamp(1614265330, UTC)
BODY = '{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "zone", [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))]
)
def test_the_vector_of_the_specification(zone: timezone) -> None:
    assert WebhookSigner(SECRET).headers(ID, AT.astimezone(zone), BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }


def test_every_secret_signs_while_one_is_rotated() -> None:
    headers = WebhookSigner(f"whsec_{'A' * 32} {SECRET}").headers(ID, AT, BODY)
    first, second = headers["webhook-signature"].split(" ")
    assert second == SIGNATURE
    assert first.startswith("v1,")
    assert first != second


def test_without_a_secret_nothing_is_signed() -> None:
    assert "webhook-signature" not in WebhookSigner("").headers(ID, AT, BODY)


@pytest.mark.parametrize(
    "secret", ["whsec_", "whsec_!!", "whsec_QUJD", "A" * 32, f"whsec_{'A' * 88}", f"{SECRET} x"]
)
def test_a_bad_secret_stops_the_start_and_is_not_shown(secret: str) -> None:
    with pytest.raises(SetupError, match="TIDINGS_WEBHOOK_SECRET") as raised:
        WebhookSigner(secret)
    assert secret not in str(raised.value) or secret == "whsec_"
