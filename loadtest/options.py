"""Command line options of a load, checked before any connection is opened."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, unquote, urlsplit

from cyclopts import Parameter, validators

from loadtest.commands import CommandTarget
from loadtest.credentials import BadFile, Credentials, read_passwords, read_token
from loadtest.fleet import Fleet, Plan

Positive = Annotated[float, Parameter(validator=validators.Number(gt=0))]

SETTLE_S = 2.0
"""Shortest duration of a run with commands, in seconds after connecting, so that some commands are sent."""


class BadOptions(Exception):  # noqa: N818  it says what happened
    """An option is wrong; the text is one line that says what was wrong and what would be right."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a load.

    Parameters
    ----------
    url
        Address to connect to, with {id} in place of the charge point's id, and {token} in place of the token
        in --token-file. The address may belong to any OCPP 1.6-J central system.

    charge_points
        Number of charge points.

    duration
        Seconds that each charge point charges, counted from its own boot.

    interval
        Seconds between a charge point's meter values.

    connect_rate
        Connections opened per second.

    ca_file
        PEM file of the certificates to trust for wss. Without it the system's certificates are used.

    token_file
        File that holds the token for {token} in --url, so that the command line does not show it.

    passwords_file
        File of passwords for security profiles 1 and 2. Each line has a charge point id, a space and its
        AuthorizationKey. 32 to 40 hexadecimal digits stand for bytes.

    certificates
        Directory of client certificates for security profile 3: <id>.pem (the chain) and <id>.key.

    id_tag
        Id tag that the charge points charge with.

    prefix
        Beginning of the charge point ids; a number of five digits follows.

    source_addresses
        Number of addresses 127.0.0.x to connect from. More than one address is needed for more than 28,000
        connections to this machine. If the number is 0, the system chooses the address.

    seed
        Seed of all random choices. The same seed gives the same charge points.

    output
        File that also receives the result, as JSON.

    silent
        Number of additional charge points that boot and send heartbeats, but never answer a call.

    commands_per_second
        Number of harmless commands per second to random charge points, through the admin API of csms. The
        commands are sent while all charge points are connected. With --silent, the silent charge points get
        the same number of commands in addition.

    command_timeout
        Seconds within which a charge point must answer a command.

    admin_url
        Address of the admin API, such as http://127.0.0.1:8080.

    api_key_file
        File that holds an API key for the admin API.
    """

    url: str
    charge_points: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=18_000))] = 10
    duration: Positive = 60.0
    interval: Positive = 5.0
    connect_rate: Positive = 100.0
    ca_file: Path | None = None
    token_file: Path | None = None
    passwords_file: Path | None = None
    certificates: Path | None = None
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
        """Make the fleet of charge points. Raises BadOptions."""
        if "{id}" not in self.url and self.charge_points + silent > 1:
            raise BadOptions("--url has no {id}; put {id} where the id of each charge point belongs")
        if not _is_url(self.url, {"ws", "wss"}):
            raise BadOptions(
                "--url must begin with ws:// or wss:// and a host; if it has a port, that must be a number"
            )
        tls = self._tls_context() if self.url.startswith("wss:") else None
        plan = Plan(
            url=self._url(),
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
        target = self._target() if self.commands_per_second else None
        return Fleet(plan, tls, target, credentials=self._credentials())

    def _url(self) -> str:
        if ("{token}" in self.url) != (self.token_file is not None):
            raise BadOptions("--token-file and {token} in --url belong together; give both or neither")
        if self.token_file is None:
            return self.url
        try:
            return self.url.replace("{token}", quote(read_token(self.token_file), safe=""))
        except BadFile as error:
            raise BadOptions(str(error)) from None

    def _credentials(self) -> Credentials:
        if self.certificates is not None and not self.certificates.is_dir():
            raise BadOptions(
                f"--certificates {self.certificates}: give a directory with <id>.pem and <id>.key"
            )
        try:
            passwords = {} if self.passwords_file is None else read_passwords(self.passwords_file)
        except BadFile as error:
            raise BadOptions(str(error)) from None
        return Credentials(passwords, self.certificates, self.ca_file)

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
                f"--duration must be at least {least_s:.0f} for this number of charge points, because "
                "commands are sent only while all of them are connected"
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
                raise BadOptions(
                    "--commands-per-second needs a --url with the path of csms, /OCPP16/{tenant}/{token}/{id}"
                )


def _is_url(url: str, schemes: set[str]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # A bracket in the URL is not closed, or the port is not a number.
        return False
