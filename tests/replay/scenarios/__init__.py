"""Every path through the workflows, by name: what the recorder records and the tests ask for."""

from tests.replay.scenarios import (
    attempts,
    cancelling,
    expiry,
    firing,
    handing_over,
    outages,
    receipts,
    retrying,
)
from tests.replay.stage import Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for module in (attempts, retrying, cancelling, expiry, outages, receipts, firing, handing_over)
    for scenario in module.SCENARIOS
}
