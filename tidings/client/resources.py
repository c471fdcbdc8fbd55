"""What the parts of the client for one kind of thing share: paths, pages, walking a list."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

from tidings.client.errors import InvalidCall, NotFoundProblem, UnexpectedAnswer
from tidings.client.models import Model, Page
from tidings.client.transport import Transport

Item = TypeVar("Item", bound=Model)

MOST_PER_PAGE = 100


def path_of(*parts: str | UUID) -> str:
    """`/v1` and these parts. Raises InvalidCall for a part that would name another path."""
    texts = [str(part) for part in parts]
    if any(text in ("", ".", "..") for text in texts):
        raise InvalidCall("An id must not be empty, nor consist of dots")
    return "/v1/" + "/".join(quote(text, safe="") for text in texts)


async def page_of(transport: Transport, path: str, model: type[Item], query: Mapping[str, Any]) -> Page[Item]:
    """One page of a list."""
    answered = await transport.call("GET", path, query={name: str(value) for name, value in query.items()})
    return answered.as_model(Page[model])  # type: ignore[valid-type]


async def walk(
    transport: Transport, path: str, model: type[Item], query: Mapping[str, Any]
) -> AsyncIterator[Item]:
    """Every item of a list, page by page, each asked for when it is needed."""
    cursor: str | None = None
    while True:
        place = {} if cursor is None else {"cursor": cursor}
        page = await page_of(transport, path, model, {"per_page": MOST_PER_PAGE, **query, **place})
        for item in page.data:
            yield item
        if page.next_cursor is None:
            return
        if page.next_cursor == cursor:
            raise UnexpectedAnswer(200, "the list goes on where it has just been")
        cursor = page.next_cursor


async def delete(transport: Transport, path: str) -> None:
    """Delete a thing. That it is gone, after a try that may have been carried out, is what was wanted."""
    try:
        await transport.call("DELETE", path)
    except NotFoundProblem as problem:
        if not problem.repeated:
            raise
