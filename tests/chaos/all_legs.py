"""All legs: importing this module registers them in their order."""

from importlib import import_module

from tests.chaos.bench import LEGS

__all__ = ["LEGS"]

for name in (
    "kills",
    "store_refusals",
    "slow_store",
    "clock",
    "dead_nodes",
    "two_releases",
    "reconnects",
    "surroundings",
    "rolling_drain",
    "packed_history",
    "full_store",
    "upkeep",
    "thirty_days",
    "soak",
):
    import_module(f"tests.chaos.{name}")
