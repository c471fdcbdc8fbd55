"""Cron expressions: what is read, and what is refused in which words."""

import pytest

from tidings.domain.cron import CronExpression, Values


def flat(values: Values) -> list[int]:
    return sorted({value for piece in values for value in piece})


@pytest.mark.parametrize(
    ("text", "field", "values"),
    [
        ("5 * * * *", "minutes", [5]),
        ("*/20 * * * *", "minutes", [0, 20, 40]),
        ("50/5 * * * *", "minutes", [50, 55]),
        ("0 9-17/4 * * *", "hours", [9, 13, 17]),
        ("0 0,12 * * *", "hours", [0, 12]),
        ("0 00-02,1 * * *", "hours", [0, 1, 2]),
        ("0 0 1,15-16 * *", "days", [1, 15, 16]),
        ("0 0 1 JAN,jun-Aug *", "months", [1, 6, 7, 8]),
        ("0 0 * * MON-FRI", "weekdays", [1, 2, 3, 4, 5]),
        ("0 0 * * 6-7", "weekdays", [6, 7]),
    ],
)
def test_fields_are_read(text: str, field: str, values: list[int]) -> None:
    assert flat(getattr(CronExpression.parse(text), field)) == values


@pytest.mark.parametrize(
    ("text", "either"),
    [("0 0 13 * 5", True), ("0 0 13 * *", False), ("0 0 * * 5", False), ("0 0 */2 * 5", False)],
)
def test_one_of_two_days_is_enough_if_neither_is_a_star(text: str, either: bool) -> None:
    assert CronExpression.parse(text).either_day is either


def test_blanks_are_of_no_account() -> None:
    assert CronExpression.parse(" 0\t9  * * 1-5 ").text == "0 9 * * 1-5"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("0 0 9 * * 1-5", "five fields"),
        ("0 9 * * 1-5 2027", "five fields"),
        ("0 9 * * 1-5 # daily", "five fields"),
        ("@daily", "five fields"),
        ("@every 1h", "five fields"),
        ("TZ=UTC 0 9 * * *", "five fields"),
        ("0," * 300 + "0 * * * *", "five fields"),
        ("@every 1h * * *", "minute"),
        ("TZ=UTC 9 * * *", "minute"),
        ("60 * * * *", "minute must be from 0 to 59"),
        ("-1 * * * *", "minute"),
        ("1- * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("*/0 * * * *", "minute has a step"),
        ("*/90 * * * *", "minute has a step that is not from 1 to 59"),
        ("99999999999999999999 * * * *", "minute"),
        ("\u0665 * * * *", "minute"),
        ("1.5 * * * *", "minute"),
        ("mon * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* 17-9 * * *", "hour has a range that ends before it begins"),
        ("* * 0 * *", "day of month"),
        ("* * 32 * *", "day of month"),
        ("* * L * *", "day of month"),
        ("* * ? * *", "day of month"),
        ("* * * 0 *", "month"),
        ("* * * 13 *", "month"),
        ("* * * sept *", "month"),
        ("* * * * 8", "day of week"),
        ("* * * * 5#2", "day of week"),
        ("* * * * fri-mon", "day of week has a range that ends before it begins"),
        ("0 0 30 2 *", "names a day that no month it names has"),
        ("0 0 31 2,4,6,9,11 *", "names a day"),
    ],
)
def test_what_crontab_would_not_take_is_refused_by_the_fields_name(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CronExpression.parse(text)


@pytest.mark.parametrize("text", ["0 0 29 2 *", "0 0 31 * *", "0 0 30,28 2 *", "0 0 30 2 1"])
def test_rare_days_are_taken(text: str) -> None:
    CronExpression.parse(text)
