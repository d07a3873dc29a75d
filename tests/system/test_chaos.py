"""Short forms of the legs of the chaos bench (docs/chaos.md). `make chaos` plays the full ones."""

import pytest

from tests.chaos import playing
from tests.chaos.all_legs import LEGS

SHORT = {
    "gateway-kills": 0.02,
    "store-kills": 0.05,
    "few-files": 0.1,
    "packed-history": 0.1,
}
"""The scale of each leg that `make test` plays."""
LONG = {
    "damaged-files": 0.1,
    "store-refusals": 0.05,
    "slow-store": 0.05,
    "clock": 0.1,
    "dead-nodes": 0.02,
    "pause-reap-leave-wake": 0.1,
    "wipe-readopt": 0.2,
    "roll-back": 0.1,
    "two-releases": 0.1,
    "reconnects": 0.05,
    "admin-stop": 0.1,
    "memory-ceiling": 0.1,
    "rolling-drain": 0.05,
    "full-store": 0.1,
}
"""The scale of each further leg, which takes longer or judges times."""
LONGER = {"upkeep", "thirty-days", "soak"}
"""Legs without a short form."""
SLOW = [pytest.param(name, scale, marks=pytest.mark.slow) for name, scale in LONG.items()]


@pytest.mark.parametrize(("name", "scale"), [*SHORT.items(), *SLOW])
def test_nothing_is_lost_or_left_over_whatever_breaks(name: str, scale: float) -> None:
    played = playing.play(name, scale, seed=1)
    if played.report.skipped is not None:
        pytest.skip(played.report.skipped)
    assert played.report.failures == [], played.report.figures


def test_each_leg_has_a_short_form() -> None:
    assert {*SHORT, *LONG, *LONGER} == set(LEGS)
