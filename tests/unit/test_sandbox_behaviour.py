"""Recipients that fail on purpose."""

import pytest

from tidings.domain.vocabulary import Channel
from tidings.domain.web_push import WebPushSubscription
from tidings.sandbox.behaviour import Behaviour, FailureCount, Plan, plan_for

E, S, P, W, C = Channel.EMAIL, Channel.SMS, Channel.PUSH, Channel.WEBHOOK, Channel.CHAT


def subscription(endpoint: str) -> str:
    return WebPushSubscription(endpoint, b"\x04" + bytes(64), bytes(16)).text


@pytest.mark.parametrize(
    ("channel", "recipient", "plan"),
    [
        (E, "temporary-failure@example.com", Plan(Behaviour.TEMPORARY_FAILURE)),
        (E, "Temporary-Failure+x@example.com", Plan(Behaviour.TEMPORARY_FAILURE)),
        (E, "temporary-failure-2@example.com", Plan(Behaviour.TEMPORARY_FAILURE, 2)),
        (E, "temporary-failure-12-b@example.com", Plan(Behaviour.TEMPORARY_FAILURE, 12)),
        (E, "temporary-failure-2nd@example.com", Plan(Behaviour.TEMPORARY_FAILURE)),
        (E, "permanent-failure-7@example.com", Plan(Behaviour.PERMANENT_FAILURE)),
        (E, "slow@example.com", Plan(Behaviour.SLOW)),
        (E, "hang@example.com", Plan(Behaviour.HANG)),
        (E, "ada@slow.example", Plan()),
        (E, "not-slow@example.com", Plan()),
        (S, "+14155550001", Plan(Behaviour.TEMPORARY_FAILURE)),
        (S, "+14155550002", Plan(Behaviour.PERMANENT_FAILURE)),
        (S, "+14155550003", Plan(Behaviour.SLOW)),
        (S, "+14155550004", Plan(Behaviour.HANG)),
        (S, "+14155550005", Plan()),
        (P, "hang-token-1", Plan(Behaviour.HANG)),
        (P, "token-hang", Plan()),
        (
            P,
            subscription("https://push.example/wpush/temporary-failure-1"),
            Plan(Behaviour.TEMPORARY_FAILURE, 1),
        ),
        (P, subscription("https://hang.example/wpush/a"), Plan()),
        (P, '{"endpoint": "https://push.example/hang"}', Plan()),
        (W, "http://127.0.0.1:8025/hooks/slow", Plan(Behaviour.SLOW)),
        (
            W,
            "http://127.0.0.1:8025/hooks/a/temporary-failure-1/?x=hang",
            Plan(Behaviour.TEMPORARY_FAILURE, 1),
        ),
        (W, "http://slow.example/hooks/a", Plan()),
        (C, "mmost://chat.example/permanent-failure", Plan(Behaviour.PERMANENT_FAILURE)),
        (C, "slack://slow/B2/x3", Plan()),
    ],
)
def test_the_recipient_says_what_happens(channel: Channel, recipient: str, plan: Plan) -> None:
    assert plan_for(channel, recipient) == plan


def test_failures_are_counted_for_each_notification() -> None:
    count, plan = FailureCount(), Plan(Behaviour.TEMPORARY_FAILURE, 2)
    assert [count.fails(plan, "a") for _ in range(4)] == [True, True, False, False]
    assert count.fails(plan, "b")


def test_without_a_number_every_attempt_fails() -> None:
    count, plan = FailureCount(), Plan(Behaviour.TEMPORARY_FAILURE)
    assert all(count.fails(plan, "a") for _ in range(20))
