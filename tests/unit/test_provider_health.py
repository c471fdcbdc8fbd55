"""Providers that keep failing: when one is skipped, who sends in its place, and how it comes back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from activities.memory_health import InMemoryProviderHealth
from activities.provider_calls import NothingCounted
from activities.provider_watch import READ_EVERY, Choice, ProviderWatch
from tidings.domain.decision import Terms, state_after
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Attempt, DeliveryState
from tidings.domain.provider_health import SkipRule, is_failing, provider_instead
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.vocabulary import Channel, Guarantee, Outcome, Status
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.messages.delivery import SendRequest
from tidings.providers import apns, aws_outcome, fcm, http_outcome, sendgrid, smtp_outcome, twilio
from tidings.providers.http_call import HttpAnswer
from tidings.providers.smtp_outcome import Stage

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROUTE = ["a", "b", "c"]
THROTTLING = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
DOWN = TransientFailure("connect_failed", "nobody there")


def test_each_skip_in_a_row_lasts_twice_as_long_up_to_ten_minutes() -> None:
    pauses = [SkipRule(5, 30).pause(skips) for skips in (*range(1, 8), 1_000)]
    assert pauses == [30, 60, 120, 240, 480, 600, 600, 600]
    assert SkipRule(5, 900).pause(3) == 900


@pytest.mark.parametrize(
    ("failure", "failing"),
    [
        (None, False),
        (DOWN, True),
        (TransientFailure("busy", "", of_message=True), False),
        (PermanentFailure("smtp_550", "no"), False),
        (ProviderMisconfigured("http_401", "no"), True),
        (UnknownOutcome("no_answer", "?"), True),
        (http_outcome.failure_for(503, {}, ""), True),
        (http_outcome.failure_for(429, {}, ""), False),
        (twilio.failure_for(HttpAnswer(429, {}, '{"code": 20429}')), False),
        (twilio.failure_for(HttpAnswer(503, {}, "")), True),
        (sendgrid.failure_for(HttpAnswer(429, {}, "")), False),
        (aws_outcome.failure_for(THROTTLING, "ses", {}), False),
        (apns.failure_in(HttpAnswer(429, {}, '{"reason": "TooManyRequests"}')), False),
        (apns.failure_in(HttpAnswer(503, {}, '{"reason": "ServiceUnavailable"}')), True),
        (fcm.failure_in(HttpAnswer(429, {}, '{"error": {"status": "RESOURCE_EXHAUSTED"}}')), False),
        (smtp_outcome.failure_for(421, "4.7.0 busy", Stage.RECIPIENT), True),
        (smtp_outcome.failure_for(451, "4.7.1 greylisted", Stage.RECIPIENT), False),
        (smtp_outcome.failure_for(452, "4.2.2 mailbox full", Stage.RECIPIENT), False),
        (smtp_outcome.failure_for(451, "4.3.0 out of order", Stage.CONTENT), True),
        (smtp_outcome.failure_for(451, "4.7.1 later", Stage.CONTENT), False),
        (smtp_outcome.failure_for(454, "4.7.0 log-in fails", Stage.SESSION), True),
    ],
)
def test_what_speaks_against_a_provider(failure: SendFailure | None, failing: bool) -> None:
    assert is_failing(failure) is failing


def an_attempt(provider: str, outcome: Outcome, number: int = 1, *, misconfigured: bool = False) -> Attempt:
    return Attempt(
        number=number,
        provider=provider,
        outcome=outcome,
        misconfigured=misconfigured,
        started_at=NOW,
        finished_at=NOW,
    )


LATER = an_attempt("b", Outcome.TRANSIENT)
LOST = an_attempt("a", Outcome.UNKNOWN)
BAD_KEY = an_attempt("b", Outcome.PERMANENT, misconfigured=True)


@pytest.mark.parametrize(
    ("asked", "route", "last", "skipped", "instead"),
    [
        ("a", ROUTE, None, {"a"}, "b"),
        ("a", ROUTE, None, {"a", "b"}, "c"),
        ("c", ROUTE, LATER, {"c"}, "a"),
        # After an `unknown` the same provider alone may recognise the message.
        ("a", ROUTE, LOST, {"a"}, "a"),
        # A pinned one has a route of its own; a route that has changed since has no say.
        ("a", ["a"], None, {"a"}, "a"),
        ("x", ROUTE, None, {"x"}, "x"),
        # Who has just failed is asked again only if all others are skipped, and not for a bad key.
        ("a", ROUTE, LATER, {"a"}, "c"),
        ("a", ROUTE, LATER, {"a", "c"}, "b"),
        ("a", ROUTE, BAD_KEY, {"a", "c"}, "a"),
        ("a", ["a", "b"], BAD_KEY, {"a"}, "a"),
    ],
)
def test_who_sends_in_place_of_one_that_is_skipped(
    asked: str, route: list[str], last: Attempt | None, skipped: set[str], instead: str
) -> None:
    assert provider_instead(asked, route, last, skipped) == instead


AT_ONCE, WAITS, FAILED = "at once", "waits", "failed"


@pytest.mark.parametrize(
    ("provider", "passed_over", "number", "bad_key", "follows"),
    [
        # Nobody skipped: as ever.
        ("a", [], 1, True, AT_ONCE),
        ("c", [], 3, True, FAILED),
        ("a", [], 1, False, AT_ONCE),
        ("c", [], 3, False, WAITS),
        # The last one's key is bad, but another was skipped, or had been: it is not over.
        ("c", ["a"], 2, True, WAITS),
        ("c", ["a", "b"], 1, True, WAITS),
        ("c", [], 1, True, WAITS),
        # After the last that is not skipped comes a round's delay, not the first once more.
        ("b", ["c"], 2, False, WAITS),
        ("b", ["c"], 2, True, WAITS),
        ("a", ["b", "c"], 1, False, WAITS),
        ("a", ["b"], 1, False, AT_ONCE),
        # One that is skipped itself, and was called all the same.
        ("a", ["a"], 1, False, AT_ONCE),
    ],
)
def test_skipped_providers_neither_end_a_delivery_early_nor_make_it_hurry(
    provider: str, passed_over: list[str], number: int, bad_key: bool, follows: str
) -> None:
    terms = Terms(
        retry=RetrySchedule(attempts=9, first=60, factor=1, cap=60, jitter=0),
        guarantee=Guarantee.AT_LEAST_ONCE,
        route=ROUTE,
        passed_over=passed_over,
        fails_over_at_once=True,
        automatic=True,
        spread=0.5,
    )
    outcome = Outcome.PERMANENT if bad_key else Outcome.TRANSIENT
    attempt = an_attempt(provider, outcome, number, misconfigured=bad_key)
    sending = DeliveryState(updated_at=NOW).sending(number, provider, NOW)
    state = state_after(sending.model_copy(update={"automatic_attempts": number}), attempt, terms)
    waits = {None: FAILED, NOW: AT_ONCE, NOW + timedelta(minutes=1): WAITS}
    assert waits[state.next_attempt_at] == follows
    assert state.status is (Status.FAILED if follows == FAILED else Status.RETRYING)


def a_request(provider: str = "a", route: list[str] | None = None, **given: Any) -> SendRequest:
    terms = Terms(
        retry=RetrySchedule(),
        guarantee=Guarantee.AT_LEAST_ONCE,
        route=route or ["a", "b"],
        automatic=True,
        spread=0.5,
    )
    fields: dict[str, Any] = {
        "notification_id": new_id(),
        "number": 1,
        "provider": provider,
        "state": DeliveryState(updated_at=NOW),
        "terms": terms,
        "timeout": 30,
        "channel": Channel.EMAIL,
    }
    return SendRequest(**fields | given)


class Clock:
    """Stands still unless moved."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def a_watch(health: InMemoryProviderHealth, clock: Clock, after: int = 3) -> ProviderWatch:
    return ProviderWatch(health, SkipRule(after, 30), NothingCounted(), lease=60, clock=clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> InMemoryProviderHealth:
    return InMemoryProviderHealth(clock)


async def fail(watch: ProviderWatch, times: int = 3) -> None:
    for _ in range(times):
        watch.ended(await watch.choose(a_request()), DOWN)
    await watch.aclose()


async def test_an_acceptance_between_failures_starts_the_count_again(
    health: InMemoryProviderHealth, clock: Clock
) -> None:
    watch = a_watch(health, clock)
    await fail(watch, 2)
    watch.ended(await watch.choose(a_request()), None)
    await fail(watch, 2)
    assert await health.skipped() == []
    await fail(watch, 1)
    [skipped] = await health.skipped()
    assert (skipped.provider, skipped.failures, skipped.skips, skipped.left) == ("a", 3, 1, 30)


async def test_a_skip_is_known_to_others_once_they_read_and_ends_for_them_too(
    health: InMemoryProviderHealth, clock: Clock
) -> None:
    first, second = a_watch(health, clock), a_watch(health, clock)
    await fail(first)
    clock.now += READ_EVERY
    await second.read()
    assert (await second.choose(a_request())).provider == "b"
    clock.now += 30
    probe = await first.choose(a_request())
    assert (probe.provider, probe.probe is not None) == ("a", True)
    assert (await first.choose(a_request())).provider == "b"
    assert (await second.choose(a_request())).provider == "b"
    first.ended(probe, None)
    await first.aclose()
    clock.now += READ_EVERY
    await second.read()
    assert [(await watch.choose(a_request())).provider for watch in (first, second)] == ["a", "a"]


async def test_a_failed_probe_doubles_the_skip_and_one_not_made_is_made_by_the_next(
    health: InMemoryProviderHealth, clock: Clock
) -> None:
    watch = a_watch(health, clock)
    await fail(watch)
    clock.now += 30
    watch.dropped(await watch.choose(a_request()))
    await watch.aclose()
    probe = await watch.choose(a_request())
    assert probe.probe is not None
    watch.ended(probe, DOWN)
    await watch.aclose()
    [skipped] = await health.skipped()
    assert (skipped.skips, skipped.failures, skipped.left, skipped.probing) == (2, 4, 60, False)


async def test_failures_from_before_a_return_are_not_held_against_it(
    health: InMemoryProviderHealth, clock: Clock
) -> None:
    watch = a_watch(health, clock)
    slow = [await watch.choose(a_request()) for _ in range(3)]
    await fail(watch)
    clock.now += 30
    watch.ended(await watch.choose(a_request()), None)
    for choice in slow:
        watch.ended(choice, DOWN)
    await watch.aclose()
    assert await health.skipped() == []


async def test_where_all_are_skipped_the_one_asked_for_sends_and_its_success_brings_it_back(
    health: InMemoryProviderHealth, clock: Clock
) -> None:
    watch = a_watch(health, clock)
    await fail(watch)
    for _ in range(3):
        watch.ended(await watch.choose(a_request("b")), DOWN)
    choice = await watch.choose(a_request())
    assert (choice.provider, choice.probe) == ("a", None)
    assert watch.passed_over(choice, ["a", "b"]) == []
    watch.ended(choice, None)
    await watch.aclose()
    assert [row.provider for row in await health.skipped()] == ["b"]


async def test_without_its_log_a_worker_goes_on_with_what_it_knows(
    health: InMemoryProviderHealth, clock: Clock
) -> None:
    watch = a_watch(health, clock)
    health.available = False
    await fail(watch)
    assert (await watch.choose(a_request())).provider == "b"
    clock.now += 30
    assert (await watch.choose(a_request())).provider == "b"


@pytest.mark.parametrize(
    "given", [{"channel": None}, {"channel": Channel.WEBHOOK}, {"channel": Channel.CHAT}]
)
async def test_it_is_not_watched_how_targets_and_older_workflows_fare(
    health: InMemoryProviderHealth, clock: Clock, given: dict[str, Any]
) -> None:
    watch = a_watch(health, clock)
    for _ in range(5):
        watch.ended(await watch.choose(a_request(**given)), DOWN)
    await watch.aclose()
    assert await health.skipped() == []


class SeveralWorkers(RuleBasedStateMachine):
    """Three workers on one log: sends begin, end, fail, are lost with their worker, and time goes by."""

    @initialize()
    def begin(self) -> None:
        """All are well."""
        self.clock = Clock()
        self.health = InMemoryProviderHealth(self.clock)
        self.watches = [a_watch(self.health, self.clock, after=1) for _ in range(3)]
        self.open: list[tuple[ProviderWatch, Choice, float]] = []

    @rule(worker=st.integers(0, 2))
    def choose(self, worker: int) -> None:
        """A send begins."""
        watch = self.watches[worker]
        choice = self._run(watch, watch.choose(a_request()))
        self.open.append((watch, choice, self.clock.now))

    @rule(data=st.data(), failure=st.sampled_from([None, DOWN, DOWN, DOWN]), called=st.booleans())
    def end(self, data: st.DataObject, failure: SendFailure | None, called: bool) -> None:
        """A send ends."""
        if self.open:
            watch, choice, _ = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
            self._run(watch, self._ended(watch, choice, failure, called))

    @rule(worker=st.integers(0, 2))
    def read(self, worker: int) -> None:
        """A worker looks."""
        self._run(self.watches[worker], self.watches[worker].read())

    @rule(seconds=st.sampled_from([1, 10, 31, 61]))
    def wait(self, seconds: int) -> None:
        """Time goes by. A send that lasts as long as the lease is lost with its worker."""
        self.clock.now += seconds
        self.open = [sent for sent in self.open if self.clock.now - sent[2] < 60]

    @invariant()
    def one_probe_at_a_time(self) -> None:
        """For one provider."""
        probes = [choice.provider for _, choice, _ in getattr(self, "open", []) if choice.probe]
        assert len(probes) == len(set(probes))

    def teardown(self) -> None:
        """Whatever happened, it comes back once it works."""
        if not hasattr(self, "health"):
            return
        self.clock.now += 601
        for watch in self.watches:
            self._run(watch, watch.read())
            choice: Choice = self._run(watch, watch.choose(a_request()))
            self._run(watch, self._ended(watch, choice, None, called=True))
            assert choice.provider == "a"
        assert [row for row in self._run(self.watches[0], self.health.skipped()) if row.provider == "a"] == []

    @staticmethod
    async def _ended(watch: ProviderWatch, choice: Choice, failure: SendFailure | None, called: bool) -> None:
        watch.ended(choice, failure) if called else watch.dropped(choice)

    def _run(self, watch: ProviderWatch, step: Any) -> Any:
        async def run() -> Any:
            answer = await step
            await watch.aclose()
            return answer

        with asyncio.Runner() as runner:
            return runner.run(run())


SeveralWorkers.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSeveralWorkers = SeveralWorkers.TestCase
