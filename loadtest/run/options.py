"""Options of the command line of a run, and what they make of a scenario, checked before anything is sent."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter, validators

from loadtest.run.coordinator import Orders
from loadtest.run.credentials import BadFile, read_secrets
from loadtest.run.dividing import (
    TooLarge,
    count_cores,
    count_ports,
    divide,
    find_process_count,
    find_source_addresses,
    raise_and_count_files,
)
from loadtest.scenario.model import Scenario
from loadtest.scenario.plan import Plan, Resources, is_private, make_plan
from loadtest.scenario.reading import Overrides, read_scenario, require_target, scale

_LATEST_DAYS = 30
_PART = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


class BadOptions(Exception):  # noqa: N818  it says what happened
    """An option is wrong. Each line says what was wrong, and what would be right."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ScenarioOptions:
    """Options that replace values of a scenario.

    Parameters
    ----------
    url
        Address of the central system, with {id} in place of the charge point's id, and {token} in place of a
        token that a file has. Any OCPP 1.6-J central system will do.

    ca_file
        PEM file of the certificates to trust for wss and https. Without it, the system's are used.

    token_file
        File with the token for {token}, so that no command line shows it.

    passwords_file
        File of passwords for security profiles 1 and 2. Each line has a charge point id, a space and its
        AuthorizationKey. 32 to 40 hexadecimal digits stand for bytes.

    certificates
        Directory of client certificates for security profile 3. Each charge point has two files, named
        by its id: ID.pem (the chain) and ID.key.

    credentials_file
        CSV file of the charge points, with the columns id, password, token, id_tag, certificate and key. Only
        id is necessary.

    admin_url
        Address of the admin API of csms, such as http://127.0.0.1:8080. With it, the run also checks that
        every acknowledged start and stop is stored, and fails if it cannot check this. Commands need it too.

    api_key_file
        File with a key for the admin API.

    scale
        Factor for the number of charge points and all rates of the scenario.

    seed
        Seed of all random choices. An equal seed gives equal work.

    prefix
        Beginning of the charge point ids. A number of six digits follows.

    id_tags
        Id tag that charge points charge with. The option can be given several times.
    """

    url: str | None = None
    ca_file: str | None = None
    token_file: str | None = None
    passwords_file: str | None = None
    certificates: str | None = None
    credentials_file: str | None = None
    admin_url: str | None = None
    api_key_file: str | None = None
    scale: float = 1.0
    seed: int | None = None
    prefix: str | None = None
    id_tags: Annotated[list[str] | None, Parameter(name="--id-tag", negative=())] = None

    def read(self, source: str) -> Scenario:
        """Read a scenario, and apply the options. Raises BadScenario."""
        overrides = Overrides(
            url=self.url,
            ca_file=self.ca_file,
            token_file=self.token_file,
            passwords_file=self.passwords_file,
            certificates=self.certificates,
            credentials_file=self.credentials_file,
            admin_url=self.admin_url,
            api_key_file=self.api_key_file,
            seed=self.seed,
            prefix=self.prefix,
            id_tags=None if self.id_tags is None else tuple(self.id_tags),
        )
        scenario = read_scenario(source, overrides)
        return scenario if self.scale == 1.0 else scale(scenario, self.scale)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class MachineOptions:
    """Options of the machine, and of what is allowed.

    Parameters
    ----------
    part
        Which part of the fleet this machine runs, such as 2/3. Run each part on its own machine with the same
        scenario, options and --start-at, and then join the saved results with `csms loadtest merge`.

    start_at
        Common start of all parts, as an ISO 8601 time with a time zone, such as 2026-12-01T12:00:00Z.

    processes
        Number of processes for the charge points. Without it, the number follows the size of the fleet and
        the cores.

    source_addresses
        Number of addresses 127.0.0.x to connect from, if the target is this machine. One address has 28,000
        ports. Without it, the number follows the size of the fleet. With 0, the system chooses the address.

    allow_actions
        Allow the shell commands of the scenario. --dry-run shows them.

    target_is_mine
        Confirm that you may load the target, if its address is neither of this machine nor private.
    """

    part: str = "1/1"
    start_at: str | None = None
    processes: Annotated[int | None, Parameter(validator=validators.Number(gte=1, lte=1_000))] = None
    source_addresses: Annotated[int | None, Parameter(validator=validators.Number(gte=0, lte=250))] = None
    allow_actions: bool = False
    target_is_mine: bool = False

    def make_orders(self, scenario: Scenario, scale: float, directory: Path) -> Orders:
        """Check everything that a run needs. Raises BadOptions or BadScenario."""
        require_target(scenario)
        if refusals := list(self._find_refusals(scenario)):
            raise BadOptions("\n".join(refusals))
        part = self.read_part(scenario)
        first, end = divide(0, scenario.fleet.charge_points, part[1])[part[0]]
        url = scenario.target.url or ""
        try:
            return Orders(
                scenario=scenario,
                scale=scale,
                part=part,
                processes=find_process_count(
                    end - first, self.processes, files=raise_and_count_files(), cores=count_cores()
                ),
                secrets=read_secrets(scenario.target, scenario.fleet.charge_points),
                source_addresses=find_source_addresses(url, end - first, self.source_addresses),
                start_at=self._read_start(),
                directory=directory,
            )
        except (BadFile, TooLarge) as error:
            raise BadOptions(str(error)) from None

    def make_plan(self, scenario: Scenario) -> Plan:
        """Return what a run would do and need. Raises BadOptions."""
        part = self.read_part(scenario)
        charge_points = divide(0, scenario.fleet.charge_points, part[1])[part[0]]
        number = charge_points[1] - charge_points[0]
        files = raise_and_count_files()
        try:
            resources = Resources(
                processes=find_process_count(number, self.processes, files=files, cores=count_cores()),
                files=files,
                ports=count_ports(),
                source_addresses=find_source_addresses(
                    scenario.target.url or "", number, self.source_addresses
                )
                or 1,
            )
        except TooLarge as error:
            raise BadOptions(str(error)) from None
        return make_plan(scenario, resources, charge_points)

    def _find_refusals(self, scenario: Scenario) -> Iterator[str]:
        if scenario.actions and not self.allow_actions:
            names = ", ".join(action.name for action in scenario.actions)
            yield (
                f"the scenario runs shell commands on this machine ({names}); look at them with --dry-run, "
                "and allow them with --allow-actions"
            )
        if self.target_is_mine:
            return
        for url in (scenario.target.url, scenario.target.admin_url):
            if url is not None and not is_private(url):
                yield (
                    f"{urlsplit(url).hostname} is neither this machine nor a private address; a load test "
                    "can stop a central system, so give --target-is-mine if you may do that"
                )

    def read_part(self, scenario: Scenario) -> tuple[int, int]:
        """Return the number of the part from 0, and the number of parts. Raises BadOptions."""
        found = _PART.fullmatch(self.part)
        number, parts = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= parts:
            raise BadOptions(f"--part {self.part}: give the number of the part and of all parts, such as 2/3")
        if parts > scenario.fleet.charge_points:
            raise BadOptions(
                f"--part {self.part}: the fleet has {scenario.fleet.charge_points} charge points; give "
                "at most as many parts"
            )
        return number - 1, parts

    def _read_start(self) -> float | None:
        if self.start_at is None:
            return None
        try:
            at = datetime.fromisoformat(self.start_at)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            raise BadOptions(
                f"--start-at {self.start_at}: give a time with a time zone, such as 2026-12-01T12:00:00Z"
            )
        seconds = at.timestamp() - time.time()
        if seconds <= 0:
            raise BadOptions(
                f"--start-at {self.start_at}: this has passed by the clock of this machine; give a later time"
            )
        if seconds > _LATEST_DAYS * 86_400:
            raise BadOptions(
                f"--start-at {self.start_at}: this is too far away; give a time within {_LATEST_DAYS} days"
            )
        return at.timestamp()
