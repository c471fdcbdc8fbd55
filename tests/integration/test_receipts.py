"""Receipts in Postgres: each counts once, in whatever order they come, and none takes anything back."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.database import (
    NOW,
    a_notification,
    a_state,
    an_attempt,
    finished,
    open_engine,
    statements_of,
)
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.database.notifications import NotificationRepository
from tidings.database.receipts import PostgresReceiptLog
from tidings.database.suppressions import SuppressionRepository
from tidings.domain.identifiers import new_id
from tidings.domain.notification import DeliveryError, Notification
from tidings.domain.receipt import Receipt, ReceiptKind, SuppressionReason
from tidings.domain.record import NotificationRecord, Position
from tidings.domain.suppression import Suppression
from tidings.domain.vocabulary import Channel, KeyMode, Outcome, Status

LONG = "Token-A" * 500
BOUNCED = DeliveryError(code="sendgrid_550", message="No such mailbox")


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(database_url) as engine:
        yield engine


@pytest.fixture
def receipts(engine: AsyncEngine) -> PostgresReceiptLog:
    return PostgresReceiptLog(engine)


@pytest.fixture
def suppressions(engine: AsyncEngine) -> SuppressionRepository:
    return SuppressionRepository(engine)


async def standing(engine: AsyncEngine, status: Status, **changes: Any) -> Notification:
    """A notification of that status whose one attempt was accepted as `ref-1`, or is not yet."""
    notification = a_notification(**changes)
    log = PostgresDeliveryLog(engine)
    reference = None if status in (Status.SENDING, Status.UNKNOWN) else "ref-1"
    await log.persist(notification, a_state(2, status, provider_reference=reference))
    return notification


def receipt_of(notification: Notification, kind: ReceiptKind, **changes: Any) -> Receipt:
    given: dict[str, Any] = {
        "provider": "sendgrid",
        "event_id": f"{kind}-1",
        "notification_id": notification.id,
        "provider_reference": "ref-1",
        "kind": kind,
        "error": None if kind is ReceiptKind.DELIVERED else BOUNCED,
        "occurred_at": NOW - timedelta(days=1),
    }
    return Receipt(**given | changes)


async def record_of(engine: AsyncEngine, notification: Notification) -> NotificationRecord:
    record = await NotificationRepository(engine).get(notification.tenant, notification.id)
    assert record is not None
    return record


DELIVERED, FAILED, NOTED = ReceiptKind.DELIVERED, ReceiptKind.FAILED, ReceiptKind.NOTED

RESULTS = {
    (Status.SENT, DELIVERED): Status.DELIVERED,
    (Status.SENT, FAILED): Status.FAILED,
    (Status.UNKNOWN, DELIVERED): Status.DELIVERED,
    (Status.UNKNOWN, FAILED): Status.FAILED,
    (Status.SENDING, DELIVERED): Status.DELIVERED,
    (Status.RETRYING, DELIVERED): Status.DELIVERED,
    (Status.FAILED, DELIVERED): Status.DELIVERED,
}
"""All other statuses stay as they are."""


@pytest.mark.parametrize(("before", "kind"), list(itertools.product(Status, ReceiptKind)), ids=str)
async def test_what_a_receipt_does(
    engine: AsyncEngine, receipts: PostgresReceiptLog, before: Status, kind: ReceiptKind
) -> None:
    notification = await standing(engine, before)
    received = await receipts.receive(receipt_of(notification, kind))
    record = await record_of(engine, notification)
    expected = RESULTS.get((before, kind), before)
    assert record.state.status is expected
    assert received.moved is (expected is not before)
    assert received.before is before
    waits = (before, kind) == (Status.SENDING, FAILED)
    assert received.settled is not waits
    assert len(record.receipts) == (0 if waits else 1)


async def test_what_a_receipt_leaves(engine: AsyncEngine, receipts: PostgresReceiptLog) -> None:
    notification = await standing(engine, Status.UNKNOWN)
    receipt = receipt_of(notification, DELIVERED)
    with statements_of(engine) as sent:
        await receipts.receive(receipt)
    assert sent == ["WITH"]
    record = await record_of(engine, notification)
    state = record.state
    assert (state.revision, state.error, state.provider_reference) == (3, None, "ref-1")
    assert state.sent_at == state.delivered_at == receipt.occurred_at
    assert record.receipts == [receipt]


async def test_a_receipt_from_the_future_is_of_now(engine: AsyncEngine, receipts: PostgresReceiptLog) -> None:
    notification = await standing(engine, Status.SENT)
    far = NOW + timedelta(days=36_500)
    await receipts.receive(receipt_of(notification, DELIVERED, occurred_at=far))
    delivered_at = (await record_of(engine, notification)).state.delivered_at
    assert delivered_at is not None
    assert delivered_at < far


async def test_in_whatever_order_and_however_often_they_come(
    engine: AsyncEngine, receipts: PostgresReceiptLog
) -> None:
    kinds = (DELIVERED, FAILED, NOTED)
    for order in itertools.permutations(kinds):
        notification = await standing(engine, Status.SENT)
        for kind in (*order, *reversed(order)):
            await receipts.receive(receipt_of(notification, kind))
        record = await record_of(engine, notification)
        assert record.state.status is Status.DELIVERED, order
        assert sorted(receipt.kind for receipt in record.receipts) == sorted(kinds)


async def test_twenty_of_one_at_once_count_once(engine: AsyncEngine, receipts: PostgresReceiptLog) -> None:
    notification = await standing(engine, Status.SENT)
    receipt = receipt_of(notification, FAILED, suppresses=SuppressionReason.HARD_BOUNCE)
    received = await asyncio.gather(*(receipts.receive(receipt) for _ in range(20)))
    assert [one.moved for one in received].count(True) == 1
    record = await record_of(engine, notification)
    assert (record.state.revision, len(record.receipts)) == (3, 1)


async def test_a_repetition_does_not_undo_a_retry_by_hand(
    engine: AsyncEngine, receipts: PostgresReceiptLog
) -> None:
    notification = await standing(engine, Status.SENT)
    bounce = receipt_of(notification, FAILED)
    await receipts.receive(bounce)
    log = PostgresDeliveryLog(engine)
    again = a_state(4, attempt_count=2)
    assert (await log.begin(notification.id, an_attempt(2), again, "run-2")).permitted
    accepted = finished(an_attempt(2), Outcome.ACCEPTED, provider_reference="ref-2")
    await log.record(notification.id, again.accepted(accepted), accepted)

    assert (await receipts.receive(bounce)).repeated
    late = receipt_of(notification, FAILED, event_id="another", provider_reference="ref-1")
    assert not (await receipts.receive(late)).moved
    assert (await record_of(engine, notification)).state.status is Status.SENT


async def test_a_bounce_of_the_first_message_says_nothing_of_a_second_that_may_have_gone_out(
    engine: AsyncEngine, receipts: PostgresReceiptLog
) -> None:
    notification = await standing(engine, Status.SENT)
    await receipts.receive(receipt_of(notification, FAILED))
    log = PostgresDeliveryLog(engine)
    again = a_state(4, attempt_count=2, provider_reference="ref-1")
    assert (await log.begin(notification.id, an_attempt(2), again, "run-2")).permitted
    lost = finished(an_attempt(2), Outcome.UNKNOWN)
    await log.record(notification.id, again.moved(Status.UNKNOWN, NOW), lost)

    dropped = receipt_of(notification, FAILED, event_id="another", provider_reference="ref-1")
    assert not (await receipts.receive(dropped)).moved
    assert (await record_of(engine, notification)).state.status is Status.UNKNOWN
    of_the_second = receipt_of(notification, FAILED, event_id="a third", provider_reference="ref-2")
    assert (await receipts.receive(of_the_second)).moved


async def test_a_repetition_does_not_suppress_again_whom_somebody_took_off_the_list(
    engine: AsyncEngine, receipts: PostgresReceiptLog, suppressions: SuppressionRepository
) -> None:
    tenant = f"tenant-{new_id()}"
    notification = await standing(engine, Status.SENT, tenant=tenant)
    bounce = receipt_of(notification, FAILED, suppresses=SuppressionReason.HARD_BOUNCE)
    await receipts.receive(bounce)
    (listed,) = await suppressions.after(tenant, None, 10)
    await suppressions.remove(tenant, listed.id)

    assert (await receipts.receive(bounce)).repeated
    assert await suppressions.after(tenant, None, 10) == []
    another = bounce.model_copy(update={"event_id": "another"})
    await receipts.receive(another)
    assert len(await suppressions.after(tenant, None, 10)) == 1


async def test_a_bounce_that_overtakes_the_acceptance_waits_for_it(
    engine: AsyncEngine, receipts: PostgresReceiptLog
) -> None:
    notification = a_notification()
    log = PostgresDeliveryLog(engine)
    await log.persist(notification, a_state(0, Status.PENDING, attempt_count=0, automatic_attempts=0))
    sending = a_state(1)
    await log.begin(notification.id, an_attempt(), sending, "run-1")
    bounce = receipt_of(notification, FAILED)
    assert not (await receipts.receive(bounce)).settled
    accepted = finished(an_attempt(), Outcome.ACCEPTED, provider_reference="ref-1")
    await log.record(notification.id, sending.accepted(accepted), accepted)
    assert (await receipts.receive(bounce)).moved
    state = (await record_of(engine, notification)).state
    assert (state.status, state.error) == (Status.FAILED, BOUNCED)


async def test_an_acceptance_that_comes_after_its_receipt_takes_nothing_back(
    engine: AsyncEngine, receipts: PostgresReceiptLog
) -> None:
    notification = a_notification()
    log = PostgresDeliveryLog(engine)
    await log.persist(notification, a_state(0, Status.PENDING, attempt_count=0, automatic_attempts=0))
    sending = a_state(1)
    await log.begin(notification.id, an_attempt(), sending, "run-1")
    await receipts.receive(receipt_of(notification, DELIVERED))
    accepted = finished(an_attempt(), Outcome.ACCEPTED, provider_reference="ref-1")
    await log.record(notification.id, sending.accepted(accepted), accepted)
    record = await record_of(engine, notification)
    assert record.state.status is Status.DELIVERED
    assert record.attempts == [accepted]
    assert not (await log.begin(notification.id, an_attempt(2), a_state(9), "run-2")).permitted


async def test_a_receipt_for_nobody_leaves_nothing(receipts: PostgresReceiptLog) -> None:
    assert not (await receipts.receive(receipt_of(a_notification(), DELIVERED))).found


@pytest.mark.parametrize("reason", SuppressionReason)
async def test_a_suppressed_recipient_is_not_tried_again(
    engine: AsyncEngine,
    receipts: PostgresReceiptLog,
    suppressions: SuppressionRepository,
    reason: SuppressionReason,
) -> None:
    tenant = f"tenant-{new_id()}"
    first = await standing(engine, Status.SENT, tenant=tenant, recipient="Ada@example.com")
    await receipts.receive(receipt_of(first, NOTED, suppresses=reason))
    (listed,) = await suppressions.after(tenant, None, 10)
    assert (listed.recipient, listed.reason, listed.notification_id) == ("Ada@example.com", reason, first.id)

    log = PostgresDeliveryLog(engine)
    later = a_notification(tenant=tenant, recipient="ada@example.com")
    await log.persist(later, a_state(0, Status.PENDING, attempt_count=0, automatic_attempts=0))
    begun = await log.begin(later.id, an_attempt(), a_state(1), "run-1")
    assert (begun.permitted, begun.suppression) == (False, listed)
    assert (await record_of(engine, later)).attempts == []

    for other in (
        a_notification(tenant=f"{tenant}-2", recipient="ada@example.com"),
        a_notification(tenant=tenant, recipient="bob@example.com"),
        a_notification(tenant=tenant, recipient="ada@example.com", channel=Channel.SMS),
    ):
        await log.persist(other, a_state(0, Status.PENDING, attempt_count=0, automatic_attempts=0))
        assert (await log.begin(other.id, an_attempt(), a_state(1), "run-1")).permitted

    assert await suppressions.remove(f"{tenant}-2", listed.id) is None
    assert await suppressions.remove(tenant, listed.id) == listed
    assert (await log.begin(later.id, an_attempt(), a_state(1), "run-1")).permitted


async def test_only_an_email_address_is_compared_without_regard_to_case(
    engine: AsyncEngine, suppressions: SuppressionRepository
) -> None:
    log = PostgresDeliveryLog(engine)
    tenant = f"tenant-{new_id()}"
    token = await standing(
        engine, Status.SENT, tenant=tenant, channel=Channel.PUSH, recipient="Token-A" * 500
    )
    await log.suppress(token.id, SuppressionReason.GONE, "fcm")
    await log.suppress(token.id, SuppressionReason.OPT_OUT, "fcm")

    async def listed(recipient: str) -> list[Suppression]:
        return await suppressions.after(tenant, None, 10, channel=Channel.PUSH, recipient=recipient)

    assert [one.reason for one in await listed(token.recipient)] == [SuppressionReason.GONE]
    assert await listed(token.recipient.lower()) == []


async def test_the_list_goes_on_from_a_position(
    engine: AsyncEngine, suppressions: SuppressionRepository
) -> None:
    log = PostgresDeliveryLog(engine)
    tenant = f"tenant-{new_id()}"
    for number in range(5):
        one = await standing(engine, Status.SENT, tenant=tenant, recipient=f"{number}@example.com")
        await log.suppress(one.id, SuppressionReason.COMPLAINT, "sendgrid")
    seen: list[str] = []
    after: Position | None = None
    while found := await suppressions.after(tenant, after, 2):
        seen += [suppression.recipient for suppression in found]
        after = Position(found[-1].created_at, found[-1].id)
    assert seen == [f"{number}@example.com" for number in reversed(range(5))]


@pytest.mark.parametrize("mode", KeyMode)
async def test_what_the_sandbox_says_is_said_of_test_notifications(
    engine: AsyncEngine, receipts: PostgresReceiptLog, suppressions: SuppressionRepository, mode: KeyMode
) -> None:
    tenant = f"tenant-{new_id()}"
    notification = await standing(engine, Status.SENT, tenant=tenant, mode=mode)
    bounce = receipt_of(notification, FAILED, suppresses=SuppressionReason.HARD_BOUNCE, mode=KeyMode.TEST)
    received = await receipts.receive(bounce)
    assert received.moved is received.found is (mode is KeyMode.TEST)
    listed = await suppressions.after(tenant, None, 10)
    assert [one.mode for one in listed] == ([KeyMode.TEST] if mode is KeyMode.TEST else [])


async def test_a_suppression_of_one_mode_holds_for_that_mode_alone(
    engine: AsyncEngine, suppressions: SuppressionRepository
) -> None:
    log = PostgresDeliveryLog(engine)
    tenant = f"tenant-{new_id()}"
    test = await standing(engine, Status.SENT, tenant=tenant, mode=KeyMode.TEST)
    await log.suppress(test.id, SuppressionReason.HARD_BOUNCE, "smtp")
    for mode in KeyMode:
        later = a_notification(tenant=tenant, mode=mode)
        await log.persist(later, a_state(0, Status.PENDING, attempt_count=0, automatic_attempts=0))
        begun = await log.begin(later.id, an_attempt(), a_state(1), "run-1")
        assert begun.permitted is (mode is KeyMode.LIVE)
    (listed,) = await suppressions.after(tenant, None, 10, mode=KeyMode.TEST)
    assert await suppressions.after(tenant, None, 10, mode=KeyMode.LIVE) == []
    assert await suppressions.remove(tenant, listed.id, mode=KeyMode.LIVE) is None
