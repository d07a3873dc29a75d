"""For any two lists, the planned messages turn the first into the second, within every limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.routes.local_lists.plan import VERSION_MAX, Kind, plan
from gateway.ocpp16.actions import encode
from gateway.ocpp16.messages.local_auth import SendLocalList
from state.commands.record import PAYLOAD_BYTES_MAX
from state.features.local_list_entries import Entries, Entry
from state.features.local_lists import Accepted, Heads, Lists
from state.tenants.id_tags import fold

ENTRY = st.builds(
    Entry,
    id_tag=st.sampled_from([*"abcdefgh", *"ABCDEFGH"]),
    status=st.sampled_from(["Accepted", "Blocked"]),
    expiry_date=st.sampled_from([None, "2030-01-01T00:00:00Z"]),
    parent_id_tag=st.sampled_from([None, "P"]),
)
LISTS = st.lists(ENTRY, max_size=12).map(lambda some: {fold(entry.id_tag): entry for entry in some})
KINDS: st.SearchStrategy[Kind] = st.sampled_from(("full", "differential", "auto"))


def lists(desired: Entries, accepted: Entries, *, stale: bool | None) -> Lists:
    """Return the desired and the accepted list as the store has them. If `stale` is None, the charge point
    never accepted an update.
    """
    if stale is None:
        return Lists(Heads(), desired, accepted)
    head = Accepted(
        list_version=4,
        update_type="Full",
        command_id="00.x",
        accepted_ms=1,
        count=len(accepted),
        stale=stale,
    )
    return Lists(Heads(accepted=head), desired, accepted)


def received(entries: dict[str, object], message: SendLocalList) -> dict[str, object]:
    """Return the list that a charge point has after the message, according to section 5.15."""
    found = {} if message.update_type == "Full" else dict(entries)
    for data in message.local_authorization_list or ():
        if data.id_tag_info is None:
            assert message.update_type == "Differential"
            found.pop(fold(data.id_tag), None)
        else:
            info = data.id_tag_info
            found[fold(data.id_tag)] = info.status, info.expiry_date, info.parent_id_tag
    return found


def infos(entries: Entries) -> dict[str, object]:
    return {tag: entry.info for tag, entry in entries.items()}


@given(
    desired=LISTS,
    accepted=LISTS,
    stale=st.sampled_from([None, True, False]),
    kind=KINDS,
    most=st.none() | st.integers(1, 5),
)
def test_the_planned_messages_turn_the_accepted_list_into_the_desired_list(
    desired: Entries, accepted: Entries, *, stale: bool | None, kind: Kind, most: int | None
) -> None:
    messages = plan(lists(desired, accepted, stale=stale), kind, version=5, max_entries=most)
    has = infos(accepted)
    for message in messages:
        has = received(has, message)
    assert has == infos(desired)
    assert [message.list_version for message in messages] == list(range(5, 5 + len(messages)))
    sizes = [len(message.local_authorization_list or ()) for message in messages]
    assert most is None or max(sizes, default=0) <= most
    assert all(sizes) or sizes == [0]
    types = [message.update_type for message in messages]
    assert set(types[1:]) <= {"Differential"}
    match kind:
        case "full":
            assert types[0] == "Full"
        case "differential":
            assert types[0] == "Differential"
        case "auto":
            assert types[:1] != ["Differential"] or stale is False
            assert bool(types) is not (stale is False and infos(desired) == infos(accepted))


def test_a_local_list_is_split_so_that_each_message_stays_within_the_byte_limit() -> None:
    desired = {
        f"{number:020}": Entry(f"{number:020}", "ConcurrentTx", "2030-01-01T00:00:00.000Z", "é" * 20)
        for number in range(2_000)
    }
    messages = plan(lists(desired, {}, stale=None), "auto", version=2**31 - 10)
    assert [message.update_type for message in messages] == ["Full", *["Differential"] * (len(messages) - 1)]
    assert len(messages) > 4
    sizes = [len(encode(message)) for message in messages]
    assert max(sizes) <= PAYLOAD_BYTES_MAX
    assert min(sizes[:-1]) > PAYLOAD_BYTES_MAX - 500


def test_the_update_type_auto_makes_csms_send_a_full_list_if_a_differential_update_would_be_longer() -> None:
    accepted = {tag: Entry(tag) for tag in "abcd"}
    [message] = plan(lists({"e": Entry("e")}, accepted, stale=False), "auto", version=5)
    assert (message.update_type, len(message.local_authorization_list or ())) == ("Full", 1)


def test_a_differential_update_that_adds_one_id_tag_has_one_entry() -> None:
    accepted = {"a": Entry("A")}
    [message] = plan(lists(accepted | {"b": Entry("B")}, accepted, stale=False), "auto", version=5)
    assert message.update_type == "Differential"
    assert [data.id_tag for data in message.local_authorization_list or ()] == ["B"]


@pytest.mark.parametrize("kind", ["full", "differential", "auto"])
def test_the_versions_begin_again_at_1_with_a_full_list_if_the_next_ones_would_be_too_high(
    kind: Kind,
) -> None:
    desired = {tag: Entry(id_tag=tag) for tag in "abcde"}
    before = lists(desired, {"a": Entry(id_tag="a")}, stale=False)
    last = plan(before, kind, version=VERSION_MAX, max_entries=5)
    assert [message.list_version for message in last] == [VERSION_MAX]
    for version, most in ((VERSION_MAX + 1, 5), (VERSION_MAX - 1, 1), (VERSION_MAX, 2)):
        messages = plan(before, kind, version=version, max_entries=most)
        assert [message.list_version for message in messages] == list(range(1, len(messages) + 1))
        assert [message.update_type for message in messages] == [
            "Full",
            *["Differential"] * (len(messages) - 1),
        ]
        has: dict[str, object] = {}
        for message in messages:
            has = received(has, message)
        assert has == infos(desired)
