"""Made-up requests: no 5xx, no answer that is not described, no yes to what the description forbids."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.fuzzing import fuzz, target

_SEED = "20270131"
_EXAMPLES = "40"
"""Made-up requests for each operation and phase; `make fuzz` makes more."""


@pytest.mark.timeout(900)
async def test_no_made_up_request_is_answered_otherwise_than_described(
    database_url: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with target(database_url, tmp_path) as api:
        described = (await api.get("/openapi.json", key=None)).json
        run = await fuzz(api, "--seed", _SEED, "--max-examples", _EXAMPLES)
        assert (await api.get("/health/ready", key=None)).status == 200
    assert run.exit_status == 0, run.output
    operations = sum(len(operations) for operations in described["paths"].values())
    assert f"Tested: {operations}\n" in run.summary
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in run.summary
    generated = re.search(r"(\d+) generated", run.summary)
    assert generated
    assert int(generated[1]) > 1_000
    record_property("schemathesis", run.summary)
    with capsys.disabled():
        sys.stdout.write(f"\nschemathesis, all checks:\n{run.summary}\n")
