"""Reads a scenario from a TOML file, and reports all of its errors at once."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from gateway.ocpp16.faults.reading import suggest
from loadtest.scenario.cross_checks import find_contradictions
from loadtest.scenario.model import Group, Scenario
from loadtest.scenario.tables import Wrong, find_wrong

_SHIPPED = Path(__file__).parent / "shipped"
_FILE_BYTES_MAX = 1 << 20
_CHARGE_POINTS_MAX = 1_000_000
_PER_SECOND_MAX = {"arrivals": 1_000_000, "commands": 10_000}


class BadScenario(Exception):  # noqa: N818  it says what happened
    """A scenario cannot be run. Each error is a line: where, what was wrong, and what would be right."""

    def __init__(self, *errors: str) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


class Overrides(msgspec.Struct, frozen=True, kw_only=True):
    """Options of the command line, which replace values of the file. None leaves a value as it is."""

    url: str | None = None
    ca_file: str | None = None
    token_file: str | None = None
    passwords_file: str | None = None
    certificates: str | None = None
    credentials_file: str | None = None
    admin_url: str | None = None
    api_key_file: str | None = None
    tls_resumption: bool | None = None
    seed: int | None = None
    prefix: str | None = None
    id_tags: tuple[str, ...] | None = None


NO_OVERRIDES = Overrides()
_OPTIONS = {"id_tags": "--id-tag"}
"""Options that do not have the name of what they replace."""


def read_scenario(source: str, options: Overrides = NO_OVERRIDES) -> Scenario:
    """Read the scenario that is shipped under a name, or the one in a file. Raises BadScenario.

    A source without a slash and without the end `.toml` is the name of a shipped scenario.
    """
    tree = _read_toml(source, _path_of(source))
    given = _lay_over(tree, options)
    wrong = list(find_wrong(Scenario, tree))
    if not wrong:
        scenario = msgspec.convert(tree, Scenario)
        wrong = list(find_contradictions(scenario))
        if not wrong:
            return scenario
    raise BadScenario(*[_line(source, given, one) for one in wrong])


def require_target(scenario: Scenario) -> None:
    """Raise BadScenario if the scenario can be planned, but lacks what a run needs."""
    missing = []
    target = scenario.target
    if target.url is None:
        missing.append(
            "--url: there is no target; give a URL such as wss://host/ocpp/{id}, or target.url in the file"
        )
    if scenario.commands and (target.admin_url is None or target.api_key_file is None):
        missing.append(
            "--admin-url: the scenario sends commands, which need the admin API of csms; give --admin-url "
            "and --api-key-file, or target.admin_url and target.api_key_file in the file"
        )
    if missing:
        raise BadScenario(*missing)


def shipped_names() -> list[str]:
    return sorted(path.stem for path in _SHIPPED.glob("*.toml"))


def read_shipped(name: str) -> str:
    """Return the text of a shipped scenario. Raises BadScenario."""
    return _path_of_shipped(name).read_text("utf-8")


def describe_shipped() -> list[tuple[str, str]]:
    """Return the name and the first sentence of each shipped scenario."""
    return [
        (name, read_scenario(name).description.strip().partition(".")[0].replace("\n", " ") + ".")
        for name in shipped_names()
    ]


def scale(scenario: Scenario, factor: float) -> Scenario:
    """Multiply the charge points and the rates of the whole fleet. All times stay.

    The rates follow the number of charge points after it was rounded, so that each one does as much as
    before. Raises BadScenario.
    """
    before = scenario.fleet.charge_points
    after = max(1, round(before * factor)) if 0 < factor <= _CHARGE_POINTS_MAX else 0
    if not 1 <= after <= _CHARGE_POINTS_MAX:
        raise BadScenario(
            f"--scale: {before:,} charge points times {factor:g} is not possible; give a number above 0 "
            f"with at most {_CHARGE_POINTS_MAX:,} charge points"
        )
    ratio = after / before
    scaled = replace(
        scenario,
        fleet=replace(scenario.fleet, charge_points=after),
        groups=tuple(_scale_group(group, ratio) for group in scenario.groups),
        commands=tuple(
            replace(command, per_second=command.per_second * ratio) for command in scenario.commands
        ),
    )
    rates = [("arrivals", one.per_second) for group in scaled.groups for one in group.arrivals]
    rates += [("commands", one.per_second) for one in scaled.commands]
    for name, per_second in rates:
        if per_second > _PER_SECOND_MAX[name]:
            raise BadScenario(
                f"--scale: {per_second:,.0f} {name} a second are too many; give a factor with at most "
                f"{_PER_SECOND_MAX[name]:,}"
            )
    return scaled


def _scale_group(group: Group, ratio: float) -> Group:
    return replace(
        group,
        arrivals=tuple(replace(one, per_second=one.per_second * ratio) for one in group.arrivals),
    )


def _path_of(source: str) -> Path:
    if "/" in source or source.endswith(".toml"):
        return Path(source)
    return _path_of_shipped(source)


def _path_of_shipped(name: str) -> Path:
    names = shipped_names()
    if name in names:
        return _SHIPPED / f"{name}.toml"
    raise BadScenario(
        f"{name}: there is no shipped scenario of this name; {suggest(name, names)}The names are "
        f"{', '.join(names)}. Give ./{name} to read a file"
    )


def _read_toml(source: str, path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES_MAX + 1)
        if len(content) > _FILE_BYTES_MAX:
            raise BadScenario(f"{source}: the file is too long; give at most {_FILE_BYTES_MAX >> 20} MiB")
        return tomllib.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise BadScenario(
            f"{source}: cannot read the file: {error.strerror}; give a TOML file or one of "
            f"{', '.join(shipped_names())}"
        ) from None
    except UnicodeDecodeError:
        raise BadScenario(f"{source}: the file is not UTF-8 text; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        words = " ".join(str(error).split())
        raise BadScenario(f"{source}: not valid TOML: {words}; see https://toml.io") from None
    except RecursionError:
        raise BadScenario(f"{source}: the values are nested too deeply; give a list of tables") from None


def _lay_over(tree: dict[str, Any], options: Overrides) -> dict[str, str]:
    """Put the options into the tree. Return the option of each place that came from one."""
    given: dict[str, str] = {}
    place: str
    for name, value in asdict(options).items():
        if value is None:
            continue
        match name:
            case "seed":
                table, place = tree, name
            case "prefix" | "id_tags":
                table, place = tree.setdefault("fleet", {}), f"fleet.{name}"
            case _:
                table, place = tree.setdefault("target", {}), f"target.{name}"
        if isinstance(table, dict):
            table[name] = value
            given[place] = _OPTIONS.get(name) or f"--{name.replace('_', '-')}"
    return given


def _line(source: str, given: dict[str, str], wrong: Wrong) -> str:
    line = f"{given.get(wrong.place) or f'{source}: {wrong.place}'}: {wrong.words}"
    return "".join(part if part.isprintable() else repr(part)[1:-1] for part in line)
