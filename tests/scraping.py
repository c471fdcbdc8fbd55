"""A scrape, as Prometheus makes it: text that is parsed into values."""

from dataclasses import dataclass
from typing import Self

import aiohttp
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Scrape:
    """What a process says of itself at one moment."""

    text: str
    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    async def of(cls, url: str) -> Self:
        """Ask the process."""
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain")
            text = await answer.text()
        values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        return cls(text, values)

    def value(self, name: str, **labels: str) -> float | None:
        """The value of the series with just these labels."""
        return self.values.get((name, frozenset(labels.items())))

    def total(self, name: str, **labels: str) -> float:
        """The sum over all series that have these labels among theirs."""
        wanted = frozenset(labels.items())
        return sum(value for (found, has), value in self.values.items() if found == name and wanted <= has)

    def labels(self) -> dict[str, set[str]]:
        """Every metric that has a value, with the labels that its series bear."""
        found: dict[str, set[str]] = {}
        for name, has in self.values:
            found.setdefault(name, set()).update(label for label, _ in has)
        return found
