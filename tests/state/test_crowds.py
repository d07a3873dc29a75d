"""A flood makes room by its own records."""

import random
from collections import Counter

import pytest

from state.crowds import Crowded, find_dropped


def crowd(kind: str, address: str, identity: str, last: int) -> Crowded[tuple[str, str, str, int]]:
    return Crowded((kind, address, identity, last), kind, address, identity, last)


MINE = [crowd("stranger", f"me {n}", f"mine {n}", 0) for n in range(20)]


def test_a_flood_of_one_address_that_varies_the_identity_drops_its_own_oldest_records() -> None:
    flood = [crowd("stranger", "bad", f"id {n}", 1 + n) for n in range(100)]
    assert find_dropped(MINE + flood, 60) == [one.record for one in flood[:60]]


def test_a_flood_of_one_identity_that_varies_the_address_drops_its_own_oldest_records() -> None:
    flood = [crowd("stranger", f"address {n}", "CP-1", 1 + n) for n in range(100)]
    assert find_dropped(MINE + flood, 60) == [one.record for one in flood[:60]]


def test_a_flood_that_varies_both_drops_strangers_and_no_registered_charge_point() -> None:
    registered = [crowd("registered", f"me {n}", f"mine {n}", 0) for n in range(20)]
    flood = [crowd("stranger", f"address {n}", f"id {n}", 1 + n) for n in range(100)]
    assert find_dropped(registered + flood, 60) == [one.record for one in flood[:60]]


def test_all_records_of_a_small_crowd_stay_while_a_larger_one_has_more() -> None:
    """Ten addresses of 100 records each give way evenly, and the twenty of one record each do not."""
    flood = [crowd("stranger", f"bad {n % 10}", f"id {n}", 1 + n) for n in range(1_000)]
    dropped = find_dropped(MINE + flood, 500)
    assert Counter(address for _, address, _, _ in dropped) == {f"bad {n}": 50 for n in range(10)}


def test_records_of_which_none_is_in_a_crowd_go_by_their_age() -> None:
    alone = [crowd("stranger", f"{n}", f"{n}", n) for n in random.Random(1).sample(range(50), 50)]
    assert [last for *_, last in find_dropped(alone, 5)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("number", [0, 3, 7])
def test_no_more_is_dropped_than_there_is(number: int) -> None:
    records = [crowd("a", "x", f"{n}", n) for n in range(5)]
    dropped = find_dropped(records, number)
    assert len(dropped) == len(set(dropped)) == min(number, 5)


@pytest.mark.parametrize("seed", range(20))
def test_the_record_that_goes_is_always_one_of_the_largest_crowd(seed: int) -> None:
    chance = random.Random(seed)
    records = [
        crowd("a", f"{chance.randrange(12)}", f"{chance.randrange(12)}", n)
        for n in range(chance.randrange(60))
    ]
    left = [one.record for one in records]
    for record in find_dropped(records, 40):
        sizes = Counter((0, address) for _, address, _, _ in left)
        sizes += Counter((1, identity) for _, _, identity, _ in left)
        assert max(sizes[0, record[1]], sizes[1, record[2]]) == max(sizes.values())
        left.remove(record)
