"""Workers killed by SIGKILL in the middle of sends: nothing is lost, and doubles are only where they may be.

The first worker dies while every slot waits for the provider's answer, so that it is known exactly which
notifications are in doubt. The second one dies while it takes in answers: some sends it has recorded, some
it has not. The third one finishes what they left.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.held_mail import KEPT_FIRST, HeldMail, held_mail
from tests.integration.api import Api, make_key, running_api
from tests.support import eventually
from tests.worker_process import worker_process
from tidings.domain.vocabulary import Guarantee
from tidings.local.temporal_server import TemporalServer
from tidings.sandbox.inbox import ReceivedMessage

EACH = 20
SLOTS = 8
RECIPIENTS = (f"{KEPT_FIRST}-slow", "slow")


@dataclass(frozen=True)
class Fate:
    """What became of one notification: what the API says of it, and its mails in the inbox."""

    notification: dict[str, Any]
    mails: list[ReceivedMessage]

    @property
    def outcomes(self) -> list[str | None]:
        """Of its attempts, in order."""
        return [made["outcome"] for made in self.notification["attempts"]]

    @property
    def lost(self) -> bool:
        """Neither delivered nor there for a person to decide about."""
        return not self.mails and self.notification["status"] != "unknown"

    @property
    def doubled(self) -> bool:
        """In the inbox more than once."""
        return len(self.mails) > 1


async def test_killed_workers_lose_nothing_and_double_only_what_may_be_sent_again(
    temporal_server: TemporalServer,
    database_url: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    key, _ = await make_key(database_url)
    environment = {
        "temporal_address": temporal_server.address,
        "database_url": database_url,
        "TIDINGS_WORKER_SENDS_PER_CHANNEL": str(SLOTS),
        "TIDINGS_RETRY_EMAIL": '{"attempts": 8, "first": 0.2, "factor": 1, "cap": 0.2, "jitter": 0}',
    }
    async with held_mail() as mail, running_api(database_url, temporal_server.address, key=key) as api:
        mail.hold()
        async with worker_process(tmp_path / "1.log", smtp_port=mail.port, **environment) as worker:
            await _submit(api)
            await eventually(lambda: len(mail.waiting) == SLOTS)
            in_doubt = [message.notification_id for message in mail.waiting]
            await worker.kill()
        await eventually(lambda: not mail.waiting)

        async with worker_process(tmp_path / "2.log", smtp_port=mail.port, **environment) as worker:
            await eventually(lambda: len(mail.waiting) == SLOTS)
            mail.answer(2 * SLOTS)
            # More answers than slots: some sends have ended.
            await eventually(lambda: mail.answered > SLOTS, interval=0)
            await worker.kill()
        await eventually(lambda: not mail.waiting)
        mail.let_go()

        async with worker_process(tmp_path / "3.log", smtp_port=mail.port, **environment):
            fates = await eventually(lambda: _settled(api, mail), timeout=120)

    for guarantee in Guarantee:
        line = _summary(fates[guarantee])
        record_property(f"killed_worker_{guarantee}", line)
        with capsys.disabled():
            print(f"\n{guarantee}: {line}")  # noqa: T201 -- figures to be quoted
        for fate in fates[guarantee]:
            _assert_kept(guarantee, fate, in_doubt=fate.notification["id"] in in_doubt)


async def _submit(api: Api) -> None:
    """All of them, the kinds in turn, so that of every kind some are under way."""
    for number in range(EACH // len(RECIPIENTS)):
        for kind, guarantee in product(RECIPIENTS, Guarantee):
            await api.submitted(recipient=f"{kind}-{guarantee}-{number}@example.com", guarantee=guarantee)


async def _settled(api: Api, mail: HeldMail) -> dict[Guarantee, list[Fate]]:
    """Every notification's fate, by guarantee, once all of them have a final status."""
    fates: dict[Guarantee, list[Fate]] = {guarantee: [] for guarantee in Guarantee}
    for id in api.accepted:
        notification = (await api.get(f"/v1/notifications/{id}")).json
        assert notification["status"] in ("sent", "unknown"), notification
        mails = [message for message in mail.inbox if message.notification_id == id]
        guarantee = (
            Guarantee.AT_MOST_ONCE
            if Guarantee.AT_MOST_ONCE in notification["recipient"]
            else Guarantee.AT_LEAST_ONCE
        )
        fates[guarantee].append(Fate(notification, mails))
    return fates


def _summary(fates: list[Fate]) -> str:
    statuses = Counter(fate.notification["status"] for fate in fates)
    lost, doubled = (sum(fate.lost for fate in fates), sum(fate.doubled for fate in fates))
    in_doubt = sum("unknown" in fate.outcomes for fate in fates)
    return (
        f"{len(fates)} submitted, {in_doubt} in doubt, {lost} lost, {doubled} doubled; "
        f"{statuses['sent']} end as sent, {statuses['unknown']} as unknown"
    )


def _assert_kept(guarantee: Guarantee, fate: Fate, *, in_doubt: bool) -> None:
    """The guarantee, for one notification. `in_doubt`: it was under way when the first worker died."""
    assert not fate.lost, fate
    numbers = [made["number"] for made in fate.notification["attempts"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert fate.notification["attempt_count"] == len(numbers)
    doubts = fate.outcomes.count("unknown")
    if in_doubt:
        assert fate.outcomes[0] == "unknown"
    if guarantee is Guarantee.AT_MOST_ONCE:
        assert not fate.doubled
        assert fate.outcomes == (["unknown"] if doubts else ["accepted"])
        assert fate.notification["status"] == ("unknown" if doubts else "sent")
        return
    assert fate.outcomes == ["unknown"] * doubts + ["accepted"]
    assert fate.notification["status"] == "sent"
    assert len(fate.mails) <= 1 + doubts
    assert len({(header["message-id"], header["date"]) for header in map(_headers, fate.mails)}) == 1
    if in_doubt and fate.notification["recipient"].startswith(KEPT_FIRST):
        # The provider had it when the worker died, and only a second sending could tell us so.
        assert fate.doubled


def _headers(mail: ReceivedMessage) -> dict[str, str]:
    return {name.lower(): value for name, value in mail.headers}
