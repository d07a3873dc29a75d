"""Garbage collections in a generator look at new objects only."""

import subprocess
import sys

PROGRAM = """
import gc
from loadtest.run.collecting import shorten_collections

shorten_collections()
collections = []
gc.callbacks.append(lambda phase, what: phase == "stop" and collections.append(what["generation"]))
charge_points = [[number] for number in range(400_000)]
print(len(collections), max(collections), len(gc.get_objects()) < 20_000)
for _ in range(30_000):
    cycle = []
    cycle.append(cycle)
print(len(gc.get_objects()) < 20_000)
"""


def test_a_collection_looks_at_no_object_that_survived_another_one_and_still_frees_cycles() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    [counts, freed] = done.stdout.splitlines()
    number, oldest, few = counts.split()
    assert 30 <= int(number) <= 50
    assert int(oldest) < 2  # A generation whose objects are all excluded may be asked, which costs nothing.
    assert (few, freed) == ("True", "True")
