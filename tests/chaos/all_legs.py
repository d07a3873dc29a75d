"""All legs: importing this module registers them in their order."""

from tests.chaos import kills, store_refusals, slow_store, clock, dead_nodes  # isort: skip  the order of the issue
from tests.chaos.bench import LEGS

__all__ = ["LEGS", "clock", "dead_nodes", "kills", "slow_store", "store_refusals"]
