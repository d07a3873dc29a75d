"""What the command line says of a load, checked before anything is opened."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from cyclopts import Parameter, validators

from loadtest.commands import CommandTarget
from loadtest.fleet import Fleet, Plan

Positive = Annotated[float, Parameter(validator=validators.Number(gt=0))]

SETTLE_S = 2.0
"""What a run with commands lasts beyond the connecting, so that there are some."""


class BadOptions(Exception):  # noqa: N818  it says what happened
    """One line that says what was wrong and what would be right."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a load.

    Parameters
    ----------
    url
        Where to connect, with {id} in place of the charge point's id. Any OCPP 1.6-J central system will do.
    charge_points
        How many.
    duration
        Seconds that each one charges, from its own boot.
    interval
        Seconds between a charge point's meter values.
    connect_rate
        Connections opened per second.
    ca_file
        Certificates to trust for wss, as PEM; the system's own if absent.
    id_tag
        The tag they charge with.
    prefix
        How their ids begin; a number of five digits follows.
    source_addresses
        Connect from so many addresses of 127.0.0.x, for more than 28,000 connections to this machine.
    seed
        The same seed gives the same charge points.
    output
        Write the result as JSON to this file, too.
    silent
        So many charge points on top that boot and send heartbeats, but never answer a call.
    commands_per_second
        Harmless commands to charge points chosen by chance, through the admin API of csms, while all are
        there: as many to the silent ones as to the others.
    command_timeout
        Seconds that a charge point has for its answer to a command.
    admin_url
        The admin API, as http://127.0.0.1:8080.
    api_key_file
        A file with an API key for it.
    """

    url: str
    charge_points: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=18_000))] = 10
    duration: Positive = 60.0
    interval: Positive = 5.0
    connect_rate: Positive = 100.0
    ca_file: Path | None = None
    id_tag: str = "DEMO"
    prefix: str = "LT"
    source_addresses: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=250))] = 0
    seed: int = 1
    output: Path | None = None
    silent: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=2_000))] = 0
    commands_per_second: Annotated[float, Parameter(validator=validators.Number(gte=0, lte=500))] = 0.0
    command_timeout: Annotated[float, Parameter(validator=validators.Number(gte=1, lte=600))] = 10.0
    admin_url: str | None = None
    api_key_file: Path | None = None

    def fleet(self, *, silent: int) -> Fleet:
        """Make the charge points. Raises BadOptions."""
        if "{id}" not in self.url and self.charge_points + silent > 1:
            raise BadOptions("--url must contain {id}, where each charge point's own id goes")
        if not _is_url(self.url, {"ws", "wss"}):
            raise BadOptions("--url must begin with ws:// or wss:// and a host, and a port is a number")
        tls = self._tls_context() if self.url.startswith("wss:") else None
        plan = Plan(
            url=self.url,
            charge_points=self.charge_points,
            duration_s=self.duration,
            interval_s=self.interval,
            connect_rate=self.connect_rate,
            id_tag=self.id_tag,
            prefix=self.prefix,
            source_addresses=self.source_addresses,
            seed=self.seed,
            silent=silent,
        )
        return Fleet(plan, tls, self._target() if self.commands_per_second else None)

    def _tls_context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise BadOptions(f"--ca-file {self.ca_file}: {error.strerror or error}") from None

    def _target(self) -> CommandTarget:
        if self.admin_url is None or self.api_key_file is None:
            raise BadOptions("--commands-per-second needs --admin-url and --api-key-file")
        if not _is_url(self.admin_url, {"http", "https"}):
            raise BadOptions("--admin-url must begin with http:// or https:// and a host")
        least_s = (self.charge_points + self.silent) / self.connect_rate + SETTLE_S
        if self.duration < least_s:
            raise BadOptions(
                f"--duration must be {least_s:.0f} or more: commands are sent while all are connected"
            )
        try:
            api_key = self.api_key_file.read_text().strip()
        except (OSError, UnicodeError) as error:
            raise BadOptions(f"--api-key-file {self.api_key_file}: {error}") from None
        return CommandTarget(
            admin_url=self.admin_url,
            tenant=self._tenant(),
            api_key=api_key,
            per_second=self.commands_per_second,
            timeout_s=self.command_timeout,
            tls=self._tls_context(),
        )

    def _tenant(self) -> str:
        match urlsplit(self.url).path.split("/"):
            case ["", "OCPP16", tenant, _, _] if tenant:
                return unquote(tenant)
            case _:
                raise BadOptions("--commands-per-second needs a --url of csms: /OCPP16/{tenant}/{token}/{id}")


def _is_url(url: str, schemes: set[str]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is no number
        return False
