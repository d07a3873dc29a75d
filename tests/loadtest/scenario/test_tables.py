import tomllib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.scenario.model import Scenario
from loadtest.scenario.tables import find_wrong


def errors(text: str) -> list[str]:
    return [f"{wrong.place}: {wrong.words}" for wrong in find_wrong(Scenario, tomllib.loads(text))]


def test_everything_that_is_wrong_in_a_file_is_found_with_its_place_and_what_would_be_right() -> None:
    text = """
        name = "a b"
        sed = 1
        [fleet]
        charge_points = 0
        id_tags = ["", "ok"]
        prefix = "LT\\n"
        [target]
        tls_resumption = 1
        [[groups]]
        weight = nan
        heartbeat_s = -1
        charging = { charge_s = [1], values_s = "x", outlet = "ac_one_phases" }
        faults = ["id_twise"]
        [[stages]]
        name = "hold"
        kind = "holds"
        seconds = true
        [[storms]]
        how = 4
        [[thresholds]]
        measure = "p99"
        most = inf
    """
    names = "1 to 40 letters, digits, - and _, a letter or a digit first"
    outlets = "Use one of ac_one_phase, ac_three_phases, dc"
    kinds = "Use one of ramp, hold, spike, step, soak"
    found = errors(text)
    faults = next(line for line in found if "faults" in line)
    assert faults.startswith(
        'groups[0].faults[0]: "id_twise" is not a choice; did you mean id_twice? Use one of'
    )
    found.remove(faults)
    assert found == [
        "sed: unknown key; did you mean seed?",
        f"name: this name is not allowed; give {names}",
        "target.tls_resumption: 1 was given; give true or false",
        "fleet.charge_points: 0 was given; give a whole number of at least 1",
        "fleet.prefix: this name is not allowed; give 1 to 14 letters, digits, _, . and -",
        "fleet.id_tags[0]: this is not allowed; give a text that is not empty",
        f"groups[0].name: this key is missing; give {names}",
        "groups[0].weight: nan was given; give a number above 0",
        "groups[0].heartbeat_s: -1 was given; give a number of at least 0",
        "groups[0].charging.charge_s: this list has 1 members; give the least and the greatest number",
        "groups[0].charging.values_s: 'x' was given; give a number",
        f'groups[0].charging.outlet: "ac_one_phases" is not a choice; did you mean ac_one_phase? {outlets}',
        f'stages[0].kind: "holds" is not a choice; did you mean hold? {kinds}',
        "stages[0].seconds: true was given; give a number",
        f"storms[0].stage: this key is missing; give {names}",
        "storms[0].how: this is not a text; use one of reset, close, freeze",
        "thresholds[0].most: inf was given; give a number",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("fleet = 3", "fleet: this is not a table; write [fleet] and its keys below"),
        ("groups = {}", "groups: this is not a list of tables; write [[groups]] and its keys below"),
        ("groups = []", "groups: this is not allowed; give one or more"),
        (
            "groups = [{ charging = 3 }]",
            "groups[0].charging: this is not a table; write [groups.charging] and",
        ),
        (
            "groups = [{ arrivals = 3 }]",
            "groups[0].arrivals: this is not a list of tables; write [[groups.arri",
        ),
        ("groups = [3]", "groups[0]: this is not a table; write [[groups]] and its keys below"),
        ("xyz = 1", "xyz: unknown key; the keys are name, description, seed, target, fleet, groups, stages"),
        ("seed = 1.5", "seed: 1.5 was given; give a whole number"),
        ('fleet.id_tags = "A"', "fleet.id_tags: a text was given; give a list"),
        ("fleet.id_tags = [1]", "fleet.id_tags[0]: a whole number was given; give a text"),
        (
            f'fleet.id_tags = ["{"A" * 21}"]',
            "fleet.id_tags[0]: this is not allowed; give a text of at most 20",
        ),
        ("", "groups: this key is missing; give one table or more"),
    ],
)
def test_a_wrong_table_is_found_with_what_would_be_right(text: str, wanted: str) -> None:
    assert any(line.startswith(wanted) for line in errors(text)), errors(text)


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "kind", "seconds", "groups", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(Scenario.__struct_fields__), values, max_size=6))
def test_a_table_in_which_nothing_wrong_is_found_can_be_read(tree: dict[str, Any]) -> None:
    found = list(find_wrong(Scenario, tree))
    if not found:
        msgspec.convert(tree, Scenario)
    assert all(wrong.place and wrong.words for wrong in found)
