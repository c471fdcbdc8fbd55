"""Every path through the workflows, by name: what the recorder records and the tests ask for."""

from tests.replay.scenarios import attempts, cancelling, expiry, handing_over, outages, retrying
from tests.replay.stage import Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for module in (attempts, retrying, cancelling, expiry, outages, handing_over)
    for scenario in module.SCENARIOS
}
