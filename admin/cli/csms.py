"""The `csms` command. It starts the other rooms as processes and imports none of them."""

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from admin.cli import api_keys, up
from admin.cli.failures import report_failures
from admin.cli.processes import become
from admin.cli.stderr import drop_when_blocked
from gateway.service import hangups, logs, ready
from gateway.service.config import load


def _version() -> str:
    try:
        return f"csms {version('csms')}"
    except PackageNotFoundError:
        return "csms (not installed)"


app = App(
    name="csms",
    help="""A Charging Station Management System for OCPP 1.6-J.

Begin with `csms up`: it runs everything on this machine and says what to do next. In production each part is
a process of its own around one Redis or Valkey: `csms gateway` for charge points, `csms admin` for operators.
""",
    version=_version,
    help_format="markdown",
)
app.command(api_keys.app)

type Level = Literal["debug", "info", "warning", "error"]
type Config = Annotated[
    Path | None,
    Parameter(
        help="TOML file. CSMS__SECTION__KEY variables override it; secrets belong into variables, or into "
        "files that KEY_file settings name."
    ),
]


@app.command(name="up")
def up_command(
    *,
    data_dir: Path = Path("csms-data"),
    ports: Annotated[int | None, Parameter(validator=Number(gte=0, lte=65_468))] = None,
    workers: Annotated[int, Parameter(validator=Number(gte=1, lte=64))] = 1,
    redis: Annotated[str | None, Parameter(env_var="CSMS__STORE__URL", show_default=False)] = None,
    drain_seconds: Annotated[float, Parameter(validator=Number(gte=0, lte=600))] = 1.0,
    json: Annotated[bool, Parameter(negative=())] = False,
    log_level: Level = "warning",
) -> None:
    """Run everything on this machine until Ctrl-C, and say what to do next.

    Starts a Valkey server, gateway workers and the admin API, all on loopback; makes a certificate authority
    for `localhost` and a tenant `demo` whose charge points register themselves. A process that dies is
    started again. Everything is kept in the data directory: a second start finds all of it again.

    Parameters
    ----------
    data_dir
        Where everything is kept. Made if it is not there; one `csms up` at a time may use it.
    ports
        The first port. The others follow it: ws, wss, the admin API, then probes and metrics of the admin
        process and of each worker; with `0` all are free ones. If not given: 8180, 8443, 8080, and from 9180
        on for probes and metrics.
    workers
        Gateway processes that share the charge points. One for each processor core is a good number.
    redis
        Use this Redis or Valkey (`redis://`, `rediss://` or `unix://`) and start none. A URL with a password
        is better given as the variable than on a command line, which others can see.
    drain_seconds
        How long the gateways take to close their charge points' connections when they stop. Everything is
        gone 9 s after that.
    json
        Print exactly one line when all is ready, with every address and credential, for programs.
    log_level
        What the processes write to stderr.
    """
    options = up.UpOptions(
        data_dir=data_dir,
        first_port=ports,
        workers=workers,
        redis=redis,
        drain_s=drain_seconds,
        json=json,
        log_level=log_level,
    )
    stderr = drop_when_blocked(sys.stderr)
    logs.configure(log_level, stream=stderr)
    with report_failures("csms up"):
        hangups.run(up.up, options, stderr)


@app.command
def gateway(*, config: Config = None) -> None:
    """Serve charge points: one process, for one processor core.

    Listens for `ws://` and `wss://` where the configuration says. Needs a store: `store.url` in the file or
    the variable CSMS__STORE__URL, and the pepper with which tokens are hashed, `security.pepper_file`.
    SIGTERM drains it: charge points are told to come back, spread over `drain.window_s`.
    """
    become("gateway", *_config_arguments(config))


@app.command(name=["admin", "serve"])
def admin(*, config: Config = None) -> None:
    """Serve operators: the admin API.

    Listens on `listen.port`, in plain HTTP, behind whatever ends TLS for you. Needs the same store and the
    same pepper as the gateways: `store.url` and `security.pepper_file`, or their CSMS__ variables.
    """
    with report_failures("csms admin"):
        # Flask-like libraries take half a second to import, which no other command should wait for.
        from admin.config import AdminConfig  # noqa: PLC0415
        from admin.process import run  # noqa: PLC0415

        run(load(AdminConfig, config, os.environ), ready.announce)


@app.command(help_flags=[], version_flags=[])
def loadtest(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True, show=False)]) -> None:
    """Put a city of charge points on a CSMS and measure its answers. `csms loadtest --help` has it all."""
    become("loadtest", *arguments)


def _config_arguments(config: Path | None) -> list[str]:
    return [] if config is None else ["--config", str(config)]


def main() -> None:
    """Run what the command line says. The exit code is 0, or 1 after one clear line on stderr."""
    app(sys.argv[1:])
