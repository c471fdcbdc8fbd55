"""What is photographed: notifications brought to the states that an operator meets at night."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from tests.support import eventually

SETTINGS: Mapping[str, str] = {
    # Three attempts within seconds, then a wait that lasts longer than the pictures take; by email at once.
    "TIDINGS_RETRY_EMAIL": '{"attempts": 8, "first": 3600, "factor": 1, "cap": 3600, "jitter": 0}',
    "TIDINGS_RETRY_SMS": '{"attempts": 8, "first": 1, "factor": 16, "cap": 3600, "jitter": 0}',
    "TIDINGS_ATTEMPT_TIMEOUT": "5",
}
_REACHED = 90


@dataclass(frozen=True, slots=True)
class Step:
    """Where a notification comes to: its status, and the number of attempts by then."""

    status: str
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Scene:
    """One notification, and what its page has to show before it is photographed."""

    name: str
    body: Mapping[str, Any]
    end: Step
    shows: str
    pause: Step | None = None
    """Where it is retried by hand, with a reason that is personal."""


_MAIL = {"channel": "email", "subject": "Your order has left us", "body": "Order 1042 is on its way."}
_SMS = {"channel": "sms", "body": "Order 1042 is on its way."}


def scenes(now: datetime) -> list[Scene]:
    """Those that are photographed."""
    later = (now.astimezone(UTC) + timedelta(hours=6)).replace(microsecond=0).isoformat()
    return [
        Scene(
            "sent",
            _MAIL | {"recipient": "temporary-failure-1@example.com"},
            Step("sent", 2),
            "has room again",
            pause=Step("retrying", 1),
        ),
        Scene(
            "failed",
            _MAIL | {"recipient": "permanent-failure@example.com"},
            Step("failed", 1),
            "refused for good",
        ),
        Scene(
            "unknown",
            _MAIL | {"recipient": "hang@example.com", "guarantee": "at_most_once"},
            Step("unknown", 1),
            "it may or may not have gone out",
        ),
        Scene(
            "scheduled",
            _MAIL | {"recipient": "ada@example.com", "send_at": later},
            Step("scheduled"),
            "waits for its",
        ),
        # Last: by then its wait is long enough for the text to stand behind its beginning, not before it.
        Scene(
            "backoff",
            _SMS | {"recipient": "+14155550001", "priority": "high"},
            Step("retrying", 3),
            "waits for attempt 4",
        ),
    ]


CROWD: Sequence[tuple[Mapping[str, Any], Step]] = (
    *((_MAIL | {"recipient": f"permanent-failure.{n}@example.com"}, Step("failed", 1)) for n in range(3)),
    *((_SMS | {"recipient": f"+141555{n}0002"}, Step("failed", 1)) for n in range(1, 4)),
    *((_MAIL | {"recipient": f"ada.{n}@example.com"}, Step("sent", 1)) for n in range(3)),
)
"""Others, to fill the list."""

REASON = "ada@example.com has room again"
"""Masked where it is shown."""


class Stage:
    """The API of the system that plays."""

    def __init__(self, session: aiohttp.ClientSession, state: Mapping[str, Any]) -> None:
        self._session = session
        self._url = f"{state['api_url']}/v1/notifications"
        self._headers = {"Authorization": f"Bearer {state['api_key']}"}

    async def play(self, scene: Scene) -> str:
        """Submit the scene's notification; its id once it stands where it should."""
        id = await self.submit(scene.body)
        if scene.pause is not None:
            await self.reaches(id, scene.pause)
            await self._post(f"/{id}/retry", {"reason": REASON})
        await self.reaches(id, scene.end)
        return id

    async def submit(self, body: Mapping[str, Any]) -> str:
        """A new notification's id."""
        return str((await self._post("", body))["id"])

    async def reaches(self, id: str, step: Step) -> None:
        """Wait until the notification is there."""

        async def there() -> bool:
            async with self._session.get(f"{self._url}/{id}", headers=self._headers) as answer:
                found = await answer.json()
            stands = Step(found["status"], found["attempt_count"])
            assert stands == step, f"{stands}, not yet {step}"
            return True

        await eventually(there, timeout=_REACHED, interval=0.2)

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        async with self._session.post(self._url + path, json=body, headers=self._headers) as answer:
            found: dict[str, Any] = await answer.json()
            assert answer.ok, found
            return found
