"""A provider's later word, at every stage at which the workflow may be waiting."""

from tests.replay.stage import LOST, REFUSED, SLOW, Scenario, Stage, soon
from tests.support import eventually
from tests.workflows.delivery import Handle
from tidings.domain.receipt import Receipt, ReceiptKind
from tidings.domain.vocabulary import Guarantee, Status
from tidings.temporal import names


async def delivered_while_unknown(stage: Stage) -> Handle:
    """Nobody knew whether it had gone out; now the provider says that it has arrived."""
    async with stage.workers([LOST]):
        await stage.start(guarantee=Guarantee.AT_MOST_ONCE)
        await stage.reaches(Status.UNKNOWN)
        stage.log.deliver(stage.notification.id)
        await stage.handle.signal(names.SIGNAL_RECEIPT)
        await stage.ends(Status.DELIVERED)
    return stage.handle


async def delivered_while_retrying(stage: Stage) -> Handle:
    """The attempt that waits in its queue is taken back: the one before has arrived."""
    async with stage.workers([LOST, None], retry=SLOW):
        await stage.start()
        await stage.reaches(Status.RETRYING)
        stage.log.deliver(stage.notification.id)
        await stage.handle.signal(names.SIGNAL_RECEIPT)
        await stage.ends(Status.DELIVERED)
    assert len(stage.provider.calls) == 1
    return stage.handle


async def receipt_while_scheduled(stage: Stage) -> Handle:
    """There is nothing to see: it waits on."""
    async with stage.workers():
        await stage.start(send_at=soon(4))
        await stage.reaches(Status.SCHEDULED)
        await stage.handle.signal(names.SIGNAL_RECEIPT)
        await stage.ends(Status.SENT)
    return stage.handle


async def receipt_while_nothing_fits_before_it_expires(stage: Stage) -> Handle:
    """There is nothing to see: it expires."""
    async with stage.workers([LOST], retry=SLOW, retry_window=1):
        await stage.start(expires_at=soon(4))
        await stage.reaches(Status.RETRYING)
        await stage.handle.signal(names.SIGNAL_RECEIPT)
        await stage.ends(Status.UNKNOWN)
    return stage.handle


async def receipt_kept_until_it_can_be_recorded(stage: Stage) -> Handle:
    """Postgres is away when it comes; the workflow that waits is woken afterwards."""
    async with stage.workers([LOST]):
        await stage.start(guarantee=Guarantee.AT_MOST_ONCE)
        await stage.reaches(Status.UNKNOWN)
        stage.log.available = False
        receipt = _delivered(stage)
        await stage.notifications.keep_receipt(receipt)
        kept = _keeper(stage, receipt)

        async def has_failed() -> bool:
            pending = (await kept.describe()).raw_description.pending_activities
            return any(activity.attempt > 1 for activity in pending)

        await eventually(has_failed)
        stage.log.available = True
        await kept.result()
        await stage.ends(Status.DELIVERED)
    return kept


async def receipt_kept_for_a_workflow_that_has_ended(stage: Stage) -> Handle:
    """The notification was `sent` long ago, and failed before somebody retried it."""
    async with stage.workers([REFUSED], retry_window=1):
        await stage.start()
        await stage.ends(Status.FAILED)
        receipt = _delivered(stage)
        await stage.notifications.keep_receipt(receipt)
        kept = _keeper(stage, receipt)
        await kept.result()
    return kept


async def receipt_kept_for_a_notification_that_is_no_more(stage: Stage) -> Handle:
    """Somebody has erased it."""
    async with stage.workers():
        receipt = _delivered(stage)
        await stage.notifications.keep_receipt(receipt)
        kept = _keeper(stage, receipt)
        await kept.result()
    return kept


def _delivered(stage: Stage) -> Receipt:
    return Receipt(
        provider="smtp",
        event_id="delivered-1",
        notification_id=stage.notification.id,
        kind=ReceiptKind.DELIVERED,
        occurred_at=soon(0),
    )


def _keeper(stage: Stage, receipt: Receipt) -> Handle:
    workflow_id = names.receipt_workflow_id(receipt.notification_id, receipt.provider, receipt.event_id)
    return stage.client.get_workflow_handle(workflow_id)


SCENARIOS = [
    Scenario(delivered_while_unknown),
    Scenario(delivered_while_retrying),
    Scenario(receipt_while_scheduled),
    Scenario(receipt_while_nothing_fits_before_it_expires),
    Scenario(receipt_kept_until_it_can_be_recorded),
    Scenario(receipt_kept_for_a_workflow_that_has_ended),
    Scenario(receipt_kept_for_a_notification_that_is_no_more),
]
