"""All legs: importing this module registers them in their order."""

from tests.chaos import kills, slow_store, store_refusals
from tests.chaos.bench import LEGS

__all__ = ["LEGS", "kills", "slow_store", "store_refusals"]
