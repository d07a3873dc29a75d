"""A node is judged dead only after the observer saw its counter unchanged for 10 s without a break."""

from hypothesis import given
from hypothesis import strategies as st

from state.nodes.liveness import GAP_S, PATIENCE_S, Watch

# Each turn of the observer: the seconds since the previous turn, whether the read worked, and the nodes that
# sent a heartbeat in between.
TURNS = st.lists(
    st.tuples(
        st.sampled_from([0.5, 2.0, 3.0, 3.0, 3.0, 3.0, 3.5, 4.0, 4.9, 5.0, 5.1, 30.0]),
        st.sampled_from([True] * 9 + [False]),
        st.sampled_from([frozenset[str]()] * 6 + [frozenset("a"), frozenset("b"), frozenset("ab")]),
    ),
    min_size=20,  # Long enough for a node to be judged dead.
    max_size=60,
)


@given(TURNS)
def test_the_observer_finds_the_same_dead_nodes_as_a_search_of_the_whole_history(
    turns: list[tuple[float, bool, frozenset[str]]],
) -> None:
    watch, now, counters = Watch(), 0.0, {"a": 0, "b": 0}
    history: list[tuple[float, bool, dict[str, int]]] = []
    for seconds, read_ok, beats in turns:
        now += seconds
        for node in beats:
            counters[node] += 1
        history.append((now, read_ok, dict(counters)))
        dead = watch.observe(counters if read_ok else {}, now, read_ok=read_ok)
        assert dead == {node for node in counters if _still_throughout(history, node)}


def _still_throughout(history: list[tuple[float, bool, dict[str, int]]], node: str) -> bool:
    """Return whether all reads of the last PATIENCE_S worked, came close together and saw the same count."""
    now, _, latest = history[-1]
    after = now
    for at, read_ok, counters in reversed(history):
        if not read_ok or after - at > GAP_S or counters[node] != latest[node]:
            return False
        if now - at >= PATIENCE_S:
            return True
        after = at
    return False


def observe_every_3_s(watch: Watch, start: float, counts: list[int], *, read_ok: bool = True) -> list[bool]:
    return [
        "a" in watch.observe({"a": count} if read_ok else {}, start + 3 * turn, read_ok=read_ok)
        for turn, count in enumerate(counts)
    ]


def test_a_node_is_judged_dead_from_ten_seconds_after_its_last_heartbeat_until_the_next_heartbeat() -> None:
    dead = observe_every_3_s(Watch(), 0, [7, 7, 7, 7, 7, 7, 8, 8])
    assert dead == [False, False, False, False, True, True, False, False]


def test_a_node_is_judged_alive_if_its_heartbeat_counter_goes_down() -> None:
    """Counters begin at 1 again in a wiped store."""
    assert not any(observe_every_3_s(Watch(), 0, [7, 7, 7, 1, 2, 3, 4, 5]))


def test_no_node_is_judged_dead_within_ten_seconds_after_the_store_is_back() -> None:
    watch = Watch()
    observe_every_3_s(watch, 0, [7] * 3)
    observe_every_3_s(watch, 9, [7] * 10, read_ok=False)
    assert observe_every_3_s(watch, 39, [7] * 5) == [False, False, False, False, True]


def test_an_observer_that_was_paused_does_not_judge_a_node_dead_right_after_the_pause() -> None:
    watch = Watch()
    observe_every_3_s(watch, 0, [7] * 3)
    assert observe_every_3_s(watch, 60, [7] * 5) == [False, False, False, False, True]


def test_a_judgement_holds_only_until_the_next_observation_is_overdue_or_fails() -> None:
    watch = Watch()
    assert watch.dead(0) == set()
    observe_every_3_s(watch, 0, [7] * 5)
    assert watch.dead(12) == watch.dead(12 + GAP_S) == {"a"}
    assert watch.dead(12.1 + GAP_S) == set()
    watch.observe({}, 15, read_ok=False)
    assert watch.dead(15) == set()


def test_a_node_that_left_and_came_back_is_not_judged_dead_at_once() -> None:
    watch = Watch()
    observe_every_3_s(watch, 0, [7] * 3)
    assert watch.observe({}, 9, read_ok=True) == set()
    assert watch.observe({"a": 7}, 12, read_ok=True) == set()
