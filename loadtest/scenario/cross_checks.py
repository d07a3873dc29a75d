"""Finds what is wrong in a scenario although each of its values is allowed."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from urllib.parse import urlsplit

import msgspec

from gateway.ocpp16.actions import Sender, actions_of, decode_request
from gateway.ocpp16.errors import PayloadInvalid
from gateway.ocpp16.faults.reading import suggest
from loadtest.scenario.model import Commands, Group, Scenario, Span, Stage, Target, Threshold, When
from loadtest.scenario.tables import Wrong, join

PHASES = ("tcp", "tls", "upgrade", "boot", "service", "back")
"""The same as `loadtest.results.Phase`, which may not be imported here: results contain a scenario."""

_OF_CALLS = {"mean", "p50", "p90", "p95", "p99", "p999", "max", "calls", "errors", "error_share"}
_OF_ENDED_CALLS = {"errors", "error_share"}
_KNOWN_AFTERWARDS = {"recovery_s", "growth_share"}
_GROUPS_MAX, _STAGES_MAX = 100, 1_000
_SHORTEST_S = 0.001
_HOST_MAX, _LABEL_MAX = 253, 63
_SHELL_BYTES_MAX = 100_000
"""The system takes no argument of 128 KiB."""
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_PASSWORD = re.compile(r"^[a-z]+://[^/@]*@", re.IGNORECASE)


def find_contradictions(scenario: Scenario) -> Iterator[Wrong]:
    yield from _find_in_target(scenario.target)
    yield from _find_in_id_tags(scenario.fleet.id_tags)
    for name, number, most in (
        ("groups", len(scenario.groups), _GROUPS_MAX),
        ("stages", len(scenario.stages), _STAGES_MAX),
    ):
        if number > most:
            yield Wrong(name, f"{number:,} are too many; give at most {most:,}")
    yield from _find_twice("groups", [group.name for group in scenario.groups])
    yield from _find_twice("stages", [stage.name for stage in scenario.stages])
    yield from _find_twice("actions", [action.name for action in scenario.actions])
    for number, group in enumerate(scenario.groups):
        yield from _find_in_group(f"groups[{number}]", group)
    yield from _find_in_stages(scenario)
    for name, times in (("storms", scenario.storms), ("actions", scenario.actions)):
        for number, when in enumerate(times):
            yield from _find_in_when(f"{name}[{number}]", when, scenario.stages)
    for number, action in enumerate(scenario.actions):
        yield from _find_in_shell(f"actions[{number}].shell", action.shell)
    for number, command in enumerate(scenario.commands):
        yield from _find_in_command(f"commands[{number}]", command, scenario)
    for number, threshold in enumerate(scenario.thresholds):
        yield from _find_in_threshold(f"thresholds[{number}]", threshold, scenario)


def _find_in_target(target: Target) -> Iterator[Wrong]:
    if target.url is not None:
        yield from _find_in_url("target.url", target.url, ("ws", "wss"))
        for unknown in sorted(set(_PLACEHOLDER.findall(target.url)) - {"{id}", "{token}"}):
            yield Wrong("target.url", f"{unknown} stands for nothing; use {{id}} and {{token}}")
        if "{id}" not in target.url:
            yield Wrong("target.url", "there is no {id}; put {id} where the charge point's id belongs")
        if "{token}" in target.url and target.token_file is None and target.credentials_file is None:
            yield Wrong("target.token_file", "the URL has {token}; give the file that holds the token")
    if target.admin_url is not None:
        yield from _find_in_url("target.admin_url", target.admin_url, ("http", "https"))
        if target.api_key_file is None:
            yield Wrong("target.api_key_file", "admin_url needs a key; give the file that holds the API key")


def _find_in_url(place: str, url: str, schemes: tuple[str, str]) -> Iterator[Wrong]:
    if _PASSWORD.match(url):
        yield Wrong(place, "the URL has a user or a password; leave it out, and give secrets in files")
        return
    if not url.isascii() or not url.isprintable() or " " in url:
        yield Wrong(place, "a URL has only ASCII characters; write others as %20, and a host as xn--...")
        return
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and parts.port != 0 and _is_host(parts.hostname or "")
        rest = parts.fragment or (schemes[0] == "http" and parts.query)
    except ValueError:
        usable, rest = False, ""
    if not usable:
        yield Wrong(place, f"this is not a usable URL; give {schemes[0]}:// or {schemes[1]}:// and a host")
    elif rest:
        yield Wrong(place, f"this URL cannot have {rest!r} at its end; leave out what follows the path")


def _is_host(name: str) -> bool:
    """Return whether each label of a host name has a length that DNS allows."""
    labels = name.removesuffix(".").split(".")
    fits = len(name) <= _HOST_MAX and all(0 < len(label) <= _LABEL_MAX for label in labels)
    return fits and "{" not in name


def _find_twice(table: str, names: Sequence[str]) -> Iterator[Wrong]:
    for name, number in Counter(names).items():
        if number > 1:
            yield Wrong(table, f"{number} have the name {name}; give each a name of its own")


def _find_in_id_tags(id_tags: Sequence[str]) -> Iterator[Wrong]:
    for number, id_tag in enumerate(id_tags):
        if not id_tag.isprintable():
            yield Wrong(f"fleet.id_tags[{number}]", "a character cannot be printed; give letters and digits")


def _find_in_shell(place: str, shell: str) -> Iterator[Wrong]:
    if not shell.strip():
        yield Wrong(place, "there is no command; give one for the shell")
    if "\0" in shell or len(shell.encode()) > _SHELL_BYTES_MAX:
        yield Wrong(
            place,
            f"the command has a zero character or more than {_SHELL_BYTES_MAX:,} bytes; put it into a file, "
            "and give the name of the file",
        )


def _find_in_group(place: str, group: Group) -> Iterator[Wrong]:
    if group.heartbeat_s is not None and 0 < group.heartbeat_s < _SHORTEST_S:
        yield Wrong(
            join(place, "heartbeat_s"),
            f"{group.heartbeat_s:g} is too short; give 0 for none, or at least {_SHORTEST_S:g}",
        )
    if (charging := group.charging) is not None:
        yield from _find_in_span(join(place, "charging.charge_s"), charging.charge_s)
        yield from _find_in_span(join(place, "charging.pause_s"), charging.pause_s)
        if charging.charge_s[1] < _SHORTEST_S:
            yield Wrong(
                join(place, "charging.charge_s"),
                f"a transaction takes time; give at least {_SHORTEST_S:g} seconds as the greatest",
            )
    reconnect = group.reconnect
    if reconnect.model in {"exponential", "jitter"} and reconnect.first_s > reconnect.longest_s:
        yield Wrong(
            join(place, "reconnect.first_s"),
            f"{reconnect.first_s:g} is more than longest_s; give at most {reconnect.longest_s:g}",
        )
    if group.cut is not None and group.cut.away_s >= group.cut.every_s:
        yield Wrong(
            join(place, "cut.away_s"),
            f"{group.cut.away_s:g} is as long as every_s; give less than {group.cut.every_s:g}",
        )


def _find_in_span(place: str, span: Span) -> Iterator[Wrong]:
    if span[0] > span[1]:
        yield Wrong(place, f"the least is {span[0]:g} and the greatest {span[1]:g}; give the least first")


def _find_in_stages(scenario: Scenario) -> Iterator[Wrong]:
    arrivals = any(group.arrivals for group in scenario.groups)
    for number, stage in enumerate(scenario.stages):
        yield from _find_in_stage(f"stages[{number}]", stage, arrivals=arrivals)
    if not any(stage.connected for stage in scenario.stages):
        yield Wrong("stages", "no stage connects a charge point; begin with a ramp and connected = 1.0")


def _find_in_stage(place: str, stage: Stage, *, arrivals: bool) -> Iterator[Wrong]:
    moves = stage.kind in {"ramp", "step"}
    if moves and stage.connected is None:
        yield Wrong(join(place, "connected"), f"a {stage.kind} needs this key; give a share from 0 to 1")
    if not moves and stage.connected is not None:
        yield Wrong(
            join(place, "connected"), f"a {stage.kind} does not connect; leave it out, or give kind = step"
        )
    if stage.kind == "spike" and stage.rate == 1:
        yield Wrong(join(place, "rate"), "a spike of 1 changes nothing; give the factor of the arrivals")
    if stage.kind != "spike" and stage.rate != 1:
        yield Wrong(
            join(place, "rate"), f"a {stage.kind} does not change rates; leave it out, or give kind = spike"
        )
    if stage.in_sequence and not arrivals:
        yield Wrong(
            join(place, "in_sequence"),
            "no group has arrivals, so there are no actions; give [[groups.arrivals]]",
        )


def _find_in_when(place: str, when: When, stages: Iterable[Stage]) -> Iterator[Wrong]:
    known = {stage.name: stage for stage in stages}
    yield from _find_unknown(join(place, "stage"), when.stage, known, "stage")
    if when.stage in known and when.after_s > known[when.stage].seconds:
        yield Wrong(
            join(place, "after_s"),
            f"stage {when.stage} has ended by then; give at most {known[when.stage].seconds:g}",
        )


def _find_in_command(place: str, command: Commands, scenario: Scenario) -> Iterator[Wrong]:
    known = actions_of(Sender.CENTRAL_SYSTEM)
    if command.action in known:
        try:
            decode_request(command.action, msgspec.json.encode(command.payload))
        except PayloadInvalid as error:
            yield Wrong(join(place, "payload"), error.text)
    else:
        yield from _find_unknown(join(place, "action"), command.action, known, "command")
    names = {
        "stages": [stage.name for stage in scenario.stages],
        "groups": [one.name for one in scenario.groups],
    }
    for table, given in (("stages", command.stages), ("groups", command.groups)):
        for number, name in enumerate(given):
            yield from _find_unknown(join(place, f"{table}[{number}]"), name, names[table], table[:-1])


def _find_in_threshold(place: str, threshold: Threshold, scenario: Scenario) -> Iterator[Wrong]:
    least, most = threshold.least, threshold.most
    if least is None and most is None:
        yield Wrong(place, "there is no bound; give least, or most, or both")
    if least is not None and most is not None and least > most:
        yield Wrong(join(place, "least"), f"{least:g} is more than most; give at most {most:g}")
    if threshold.stage is not None:
        names = [stage.name for stage in scenario.stages]
        yield from _find_unknown(join(place, "stage"), threshold.stage, names, "stage")
    if threshold.abort_after_s is not None and threshold.measure in _KNOWN_AFTERWARDS:
        yield Wrong(
            join(place, "abort_after_s"), f"{threshold.measure} is known only after the run; leave it out"
        )
    if threshold.of is None:
        return
    if threshold.measure not in _OF_CALLS:
        yield Wrong(join(place, "of"), f"{threshold.measure} is a measure of the whole fleet; leave it out")
        return
    if threshold.of in PHASES and threshold.measure in _OF_ENDED_CALLS:
        yield Wrong(
            join(place, "of"), f"{threshold.measure} is not counted by phase; give an action, or leave it out"
        )
    commands = (command.action for command in scenario.commands)
    known = sorted({*actions_of(Sender.CHARGE_POINT), *PHASES, *commands})
    yield from _find_unknown(join(place, "of"), threshold.of, known, "action, phase or command here")


def _find_unknown(place: str, name: str, known: Collection[str], what: str) -> Iterator[Wrong]:
    if name not in known:
        near = suggest(name, known).strip()
        yield Wrong(
            place,
            f'"{name}" is not a known {what}; {near or f"the known ones are {', '.join(known)}"}',
        )
