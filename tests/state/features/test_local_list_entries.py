"""Local lists are compared with a plain model, a dict from folded tag to info."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.features.local_list_entries import (
    Entries,
    Entry,
    Line,
    apply,
    are_same,
    find_difference,
    pack,
    unpack,
)
from state.tenants.id_tags import fold

STATUSES = ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")
# Few tags in two spellings each, so that lists overlap.
TAGS = st.sampled_from([*"abcdefgh", *"ABCDEFGH", "é", "É", "0123456789abcdefghij"])
ENTRY = st.builds(
    Entry,
    id_tag=TAGS,
    status=st.sampled_from(STATUSES),
    expiry_date=st.sampled_from([None, "2030-01-01T00:00:00Z", "2031-01-01T00:00:00+02:00"]),
    parent_id_tag=st.sampled_from([None, "P"]),
)
LISTS = st.lists(ENTRY, max_size=20).map(lambda some: {fold(entry.id_tag): entry for entry in some})


def infos(entries: Entries) -> dict[str, tuple[str, str | None, str | None]]:
    return {tag: entry.info for tag, entry in entries.items()}


@given(before=LISTS, after=LISTS)
def test_the_difference_between_two_local_lists_turns_the_first_list_into_the_second(
    before: Entries, after: Entries
) -> None:
    lines = find_difference(before, after)
    made = apply(before, lines)
    assert infos(made) == infos(after)
    assert are_same(made, after)
    assert all(fold(entry.id_tag) == tag for tag, entry in made.items())
    # The difference has one line for each changed tag. Removals come first and spell tags as the charge point
    # does.
    assert len({fold(tag) for tag, _ in lines}) == len(lines)
    changed = {tag for tag in {*before, *after} if infos(before).get(tag) != infos(after).get(tag)}
    assert {fold(tag) for tag, _ in lines} == changed
    assert [entry is None for _, entry in lines] == sorted(
        (entry is None for _, entry in lines), reverse=True
    )
    assert {tag for tag, entry in lines if entry is None} <= {entry.id_tag for entry in before.values()}


@given(before=LISTS, after=LISTS, size=st.integers(1, 5))
def test_the_difference_between_two_local_lists_can_be_applied_in_pieces(
    before: Entries, after: Entries, size: int
) -> None:
    lines, made = find_difference(before, after), before
    for first in range(0, len(lines), size):
        made = apply(made, lines[first : first + size])
    assert infos(made) == infos(after)


@given(before=LISTS, lines=st.lists(st.tuples(TAGS, st.none() | ENTRY), max_size=20))
def test_a_differential_update_changes_a_local_list_in_the_same_way_as_a_python_dict(
    before: Entries, lines: list[Line]
) -> None:
    model = dict(before)
    told = [(tag, None if entry is None else Entry(tag, *entry.info)) for tag, entry in lines]  # type: ignore[arg-type]  # info is of the fields' types
    for tag, entry in told:
        if entry is None:
            model.pop(fold(tag), None)
        else:
            model[fold(tag)] = entry
    assert apply(before, told) == model


@given(entries=LISTS)
def test_a_local_list_is_the_same_after_it_is_packed_and_unpacked(entries: Entries) -> None:
    assert unpack(pack(entries)) == entries


def test_a_local_list_that_was_never_stored_is_empty() -> None:
    assert unpack(None) == {} == unpack(pack({}))


@pytest.mark.parametrize(("one", "other", "alike"), [("ab", "AB", True), ("é", "É", False)])
def test_entries_are_equal_if_their_id_tags_differ_only_in_the_case_of_ascii_letters(
    one: str, other: str, *, alike: bool
) -> None:
    assert are_same({fold(one): Entry(one)}, {fold(other): Entry(other)}) is alike
