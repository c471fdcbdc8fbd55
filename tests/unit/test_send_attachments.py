"""The send activity and the files of a notification."""

import asyncio
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import beginning
from activities.files import Files
from activities.memory_log import InMemoryAttachments, InMemoryDeliveryLog
from activities.provider_calls import ProviderCalls
from activities.sending import SendActivities
from tests.send_activity import persisted, request_for
from tests.workflows.delivery import ScriptedProvider
from tidings.domain.vocabulary import Outcome, Status
from tidings.errors import (
    StorageUnavailable,
)
from tidings.messages.delivery import SendRequest

PDF = b"%PDF-"
DIGEST = sha256(PDF).hexdigest()
REFERENCE = {
    "filename": "invoice.pdf",
    "content_type": "application/pdf",
    "size": len(PDF),
    "sha256": DIGEST,
}


async def with_attachment(
    provider: ScriptedProvider, attachments: InMemoryAttachments, **given: Any
) -> tuple[InMemoryDeliveryLog, SendActivities, SendRequest]:
    """A notification with a file, whose content is there."""
    log = InMemoryDeliveryLog()
    notification = await persisted(log, attachments=[REFERENCE])
    attachments.contents[notification.id] = {DIGEST: PDF}
    request = request_for(notification).model_copy(update={"attachment_bytes": len(PDF)})
    return log, SendActivities(log, ProviderCalls(provider), files=Files(attachments, **given)), request


async def test_the_provider_gets_the_files() -> None:
    provider = ScriptedProvider([None])
    _, activities, request = await with_attachment(provider, InMemoryAttachments())
    await ActivityEnvironment().run(activities.send, request)
    [message] = provider.calls
    [file] = message.attachments
    assert (file.filename, file.content_type, file.content) == ("invoice.pdf", "application/pdf", PDF)
    assert "PDF-" not in repr(message)


async def test_without_files_nothing_is_loaded() -> None:
    log, attachments = InMemoryDeliveryLog(), InMemoryAttachments()
    notification = await persisted(log)
    activities = SendActivities(log, ProviderCalls(ScriptedProvider([None])), files=Files(attachments))
    await ActivityEnvironment().run(activities.send, request_for(notification))
    assert attachments.loads == 0


async def test_a_database_that_is_away_costs_no_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "BEGIN_LIMIT", timedelta(0))
    provider, attachments = ScriptedProvider([None]), InMemoryAttachments(available=False)
    log, activities, request = await with_attachment(provider, attachments)
    with pytest.raises(StorageUnavailable):
        await ActivityEnvironment().run(activities.send, request)
    assert (provider.calls, log.attempts(request.notification_id)) == ([], [])


async def test_a_file_that_is_no_longer_kept_fails_for_good() -> None:
    provider, attachments = ScriptedProvider([None]), InMemoryAttachments()
    _, activities, request = await with_attachment(provider, attachments)
    attachments.contents.clear()
    report = await ActivityEnvironment().run(activities.send, request)
    assert report.attempt is not None
    assert report.attempt.error is not None
    assert (report.attempt.outcome, report.attempt.error.code) == (Outcome.PERMANENT, "attachment_missing")
    assert (report.state.status, provider.calls) == (Status.FAILED, [])


async def test_files_that_find_no_room_wait_at_temporal() -> None:
    provider = ScriptedProvider([None])
    provider.gate = asyncio.Event()
    log, activities, request = await with_attachment(provider, InMemoryAttachments(), most_bytes=5)
    first = asyncio.ensure_future(ActivityEnvironment().run(activities.send, request))
    await provider.called.wait()
    with pytest.raises(ApplicationError) as raised:
        await ActivityEnvironment().run(activities.send, request.model_copy(update={"number": 2}))
    assert (raised.value.type, raised.value.next_retry_delay) == ("NoRoom", timedelta(seconds=1))
    provider.gate.set()
    await first
    assert [attempt.number for attempt in log.attempts(request.notification_id)] == [1]
    again = await ActivityEnvironment().run(activities.send, request)
    assert again.attempt is not None
