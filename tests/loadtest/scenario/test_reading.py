import math
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.scenario.model import Scenario
from loadtest.scenario.reading import (
    BadScenario,
    Overrides,
    read_scenario,
    require_target,
    scale,
    shipped_names,
)

GOOD = """
name = "test"

[fleet]
charge_points = 40

[[groups]]
name = "all"

[[groups.arrivals]]
action = "Authorize"
per_second = 8.0

[[stages]]
name = "connect"
kind = "ramp"
seconds = 10
connected = 1

[[stages]]
name = "hold"
kind = "hold"
seconds = 60
"""
COMMAND = """
[[commands]]
action = "ClearCache"
per_second = 2.0
"""


def read(tmp_path: Path, text: str, options: Overrides | None = None) -> Scenario:
    (tmp_path / "it.toml").write_text(text)
    return read_scenario(str(tmp_path / "it.toml"), options or Overrides())


def errors(tmp_path: Path, text: str, options: Overrides | None = None) -> list[str]:
    with pytest.raises(BadScenario) as caught:
        read(tmp_path, text, options)
    assert str(caught.value) == "\n".join(caught.value.errors)
    return [line.removeprefix(f"{tmp_path}/it.toml: ") for line in caught.value.errors]


def test_a_file_is_read_into_a_scenario(tmp_path: Path) -> None:
    scenario = read(tmp_path, GOOD)
    assert (scenario.name, scenario.fleet.charge_points) == ("test", 40)
    assert [stage.seconds for stage in scenario.stages] == [10.0, 60.0]
    assert scenario.groups[0].arrivals[0].per_second == 8.0


def test_all_errors_of_a_file_are_reported_at_once_each_in_a_line_with_its_place(tmp_path: Path) -> None:
    assert errors(tmp_path, GOOD.replace("40", "0").replace("kind", "kinds", 1) + "[targets]") == [
        "targets: unknown key; did you mean target?",
        "fleet.charge_points: 0 was given; give a whole number of at least 1",
        "stages[0].kinds: unknown key; did you mean kind?",
        "stages[0].kind: this key is missing; give one of ramp, hold, spike, step, soak",
    ]
    assert errors(tmp_path, GOOD.replace("hold", "connect", 1) + '[[storms]]\nstage = "hold"') == [
        "stages: 2 have the name connect; give each a name of its own",
        'storms[0].stage: "hold" is not a known stage; the known ones are connect',
    ]


def test_a_password_in_a_url_is_refused_and_never_shown(tmp_path: Path) -> None:
    (found,) = errors(tmp_path, GOOD + '[target]\nurl = "wss://user:hush@host/{id}"')
    assert found == "target.url: the URL has a user or a password; leave it out, and give secrets in files"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name = ", "not valid TOML: Invalid value"),
        (b"\xff", "the file is not UTF-8 text; save it as UTF-8"),
        (b"#" * (1 << 20) + b"#", "the file is too long; give at most 1 MiB"),
        (b"a = " + b"[" * 100_000, "the values are nested too deeply"),
    ],
)
def test_a_file_that_is_not_toml_is_refused_in_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "it.toml"
    path.write_bytes(content)
    with pytest.raises(BadScenario) as caught:
        read_scenario(str(path))
    assert len(caught.value.errors) == 1
    assert str(caught.value).startswith(f"{path}: {words}")


def test_an_unknown_name_or_file_is_refused_with_the_shipped_names(tmp_path: Path) -> None:
    with pytest.raises(BadScenario) as caught:
        read_scenario("smokey")
    assert "smokey: there is no shipped scenario of this name; did you mean smoke? " in str(caught.value)
    with pytest.raises(BadScenario) as caught:
        read_scenario(str(tmp_path / "none.toml"))
    assert "cannot read the file: No such file or directory; give a TOML file or one of cert" in str(
        caught.value
    )


def test_options_replace_values_of_the_file_and_their_errors_name_the_option(tmp_path: Path) -> None:
    text = f'seed = 3\n{GOOD}[target]\nurl = "ws://old/{{id}}"\nca_file = "old.pem"'
    options = Overrides(url="wss://new/{id}", seed=7, prefix="NEW-", tls_resumption=True)
    scenario = read(tmp_path, text, options)
    assert (scenario.target.url, scenario.target.ca_file) == ("wss://new/{id}", "old.pem")
    assert (scenario.seed, scenario.fleet.prefix, scenario.target.tls_resumption) == (7, "NEW-", True)
    assert errors(tmp_path, text, Overrides(seed=-1, prefix="a b")) == [
        "--seed: -1 was given; give a whole number of at least 0",
        "--prefix: this name is not allowed; give 1 to 14 letters, digits, _, . and -",
    ]
    assert errors(tmp_path, text, Overrides(url="wss://new/", admin_url="host")) == [
        "--url: there is no {id}; put {id} where the charge point's id belongs",
        "--admin-url: this is not a usable URL; give http:// or https:// and a host",
        "target.api_key_file: admin_url needs a key; give the file that holds the API key",
    ]


def test_a_run_needs_a_target_and_for_commands_the_admin_api(tmp_path: Path) -> None:
    with pytest.raises(BadScenario) as caught:
        require_target(read(tmp_path, GOOD + COMMAND))
    assert [line.partition(":")[0] for line in caught.value.errors] == ["--url", "--admin-url"]
    options = Overrides(url="wss://host/{id}", admin_url="https://host", api_key_file="key")
    require_target(read(tmp_path, GOOD + COMMAND, options))


@given(st.floats(1e-6, 1000))
def test_scaling_keeps_what_each_charge_point_does_and_all_times(factor: float) -> None:
    before = msgspec.convert(tomllib.loads(GOOD + COMMAND), Scenario)
    after = scale(before, factor)
    assert after.fleet.charge_points == max(1, round(40 * factor))
    for old, new in (
        (before.groups[0].arrivals[0].per_second, after.groups[0].arrivals[0].per_second),
        (before.commands[0].per_second, after.commands[0].per_second),
    ):
        assert math.isclose(old / 40, new / after.fleet.charge_points)
    assert after.stages == before.stages
    assert scale(before, 1.0) == before


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan, math.inf, 25_001.0])
def test_a_scale_that_is_not_possible_is_refused(tmp_path: Path, factor: float) -> None:
    with pytest.raises(BadScenario, match="--scale: 40 charge points times"):
        scale(read(tmp_path, GOOD), factor)


def test_a_scale_with_more_commands_than_possible_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BadScenario, match="--scale: 20,000 commands a second are too many; give a factor with at"
    ):
        scale(read(tmp_path, GOOD + COMMAND), 10_000.0)


@pytest.mark.parametrize("name", shipped_names())
def test_each_shipped_scenario_is_read_under_its_name_and_can_be_scaled_down(name: str) -> None:
    scenario = read_scenario(name)
    assert scenario.name == name
    assert scenario.description.strip()
    assert scenario.thresholds
    assert scale(scenario, 0.001).fleet.charge_points <= 20
