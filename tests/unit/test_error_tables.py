"""The tables from providers' codes to outcomes: every row is tested and stands in the provider's page."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.aws import COMMON_ROWS, SES_ROWS, SNS_ROWS
from tests.figures import ERROR_TABLE
from tests.unit import (
    test_provider_apns,
    test_provider_apprise,
    test_provider_fcm,
    test_provider_sendgrid_errors,
    test_provider_twilio_errors,
    test_provider_webpush,
)
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers import apns, apprise_requests, fcm, fcm_token, sendgrid, ses, smtp_outcome, sns, twilio
from tidings.providers import webpush as web_push

KINDS = (PermanentFailure, ProviderMisconfigured, TransientFailure, UnknownOutcome)
"""In the order of the figures' columns."""

DOCS = Path(__file__).parents[2] / "docs"
LEAST_ROWS = 60


@dataclass(frozen=True)
class ErrorTable:
    """One table, the codes of it that the provider's tests meet, and whether its page lists each code."""

    errors: Mapping[str, type[SendFailure]] | Mapping[int, type[SendFailure]]
    tested: set[object]
    listed: bool = True


TABLES = {
    "apns": ErrorTable(apns.ERRORS, {reason for _, reason, _ in test_provider_apns.ROWS}),
    # Pages of HTTP statuses and SMTP's codes name ranges, such as 5xx.
    "apprise": ErrorTable(
        apprise_requests.ERRORS, {status for status, _ in test_provider_apprise.ROWS}, listed=False
    ),
    "fcm": ErrorTable(
        fcm.ERRORS,
        {row[0] for row in test_provider_fcm.FCM_ROWS} | {row[0] for row in test_provider_fcm.CANONICAL_ROWS},
    ),
    # Its tests take their rows from it: tests/integration/test_provider_fcm.py.
    "fcm, tokens": ErrorTable(fcm_token.TOKEN_ERRORS, set(fcm_token.TOKEN_ERRORS), listed=False),
    "sendgrid": ErrorTable(sendgrid.ERRORS, {row[0] for row in test_provider_sendgrid_errors.ROWS}),
    "ses": ErrorTable(ses.ERRORS, {row[0] for row in COMMON_ROWS + SES_ROWS}),
    # As above: tests/unit/test_provider_smtp_outcome.py.
    "smtp": ErrorTable(smtp_outcome.ERRORS, set(smtp_outcome.ERRORS), listed=False),
    "sns": ErrorTable(sns.ERRORS, {row[0] for row in COMMON_ROWS + SNS_ROWS}),
    "twilio": ErrorTable(twilio.ERRORS, {code for _, _, code in test_provider_twilio_errors.ROWS}),
    "webpush": ErrorTable(
        web_push.ERRORS, {status for status, _, _ in test_provider_webpush.ROWS}, listed=False
    ),
}


@pytest.mark.figure("error tables, every row of which is tested")
@pytest.mark.parametrize("name", TABLES)
def test_every_row_is_tested_and_documented(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    table = TABLES[name]
    assert table.tested == set(table.errors)
    page = (DOCS / f"providers/{name.partition(',')[0]}.md").read_text()
    assert [code for code in table.errors if table.listed and not re.search(rf"\b{code}\b", page)] == []
    counts = Counter(table.errors.values())
    assert set(counts) <= set(KINDS)
    row = (name, *(counts[kind] for kind in KINDS))
    record_property(ERROR_TABLE, row)
    assert f"| {' | '.join(map(str, row))} | {len(table.errors)} |" in (DOCS / "figures.md").read_text()


def test_there_are_enough_rows_and_every_provider_of_codes_tells_passing_from_for_good() -> None:
    assert sum(len(table.errors) for table in TABLES.values()) >= LEAST_ROWS
    for table in TABLES.values():
        assert TransientFailure in table.errors.values()
        assert {PermanentFailure, ProviderMisconfigured} & set(table.errors.values())
