"""The command `csms`, which starts the other packages as processes and does not import them."""

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from admin.cli import api_keys, archive, doctor, health, nodes, pki, store, up
from admin.cli.api import (
    batches,
    charge_points,
    commands,
    events,
    id_tags,
    profiles_command,
    refusals,
    tokens,
    trace,
    transactions,
)
from admin.cli.api.output import write_line
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

Begin with `csms up`, which runs all parts on this machine and says what to do next. In production each part
is a process of its own, and all processes share one Redis or Valkey. `csms gateway` serves charge points.
`csms admin` serves operators.

`csms batches`, `charge-points`, `commands`, `events`, `id-tags`, `refusals`, `tokens`, `trace` and
`transactions` use the admin API. `csms api-key`, `archive`, `nodes` and `store` use the store itself.
""",
    version=_version,
    help_format="markdown",
)
app.command(api_keys.app)
app.command(archive.app)
app.command(doctor.doctor)
app.command(health.health)
app.command(nodes.app)
app.command(pki.app)
app.command(store.app)

for _app in (batches, charge_points, commands, id_tags, profiles_command, tokens, trace, transactions):
    app.command(_app.app)
for _command in (events.events, refusals.refusals):
    app.command(_command)

type Level = Literal["debug", "info", "warning", "error"]
type Config = Annotated[
    Path | None,
    Parameter(
        help="TOML file. CSMS__SECTION__KEY variables override the file. Put secrets into variables, or into "
        "files whose paths are in settings with names like `pepper_file`."
    ),
]


@app.command(name="up")
def up_command(
    *,
    data_dir: Path = Path("csms-data"),
    ports: Annotated[int | None, Parameter(validator=Number(gte=0, lte=65_468))] = None,
    workers: Annotated[int, Parameter(validator=Number(gte=1, lte=64))] = 1,
    redis: Annotated[str | None, Parameter(env_var="CSMS__STORE__URL", show_default=False)] = None,
    demo_data: Annotated[bool, Parameter(negative=())] = False,
    max_memory: Annotated[int | None, Parameter(validator=Number(gte=32))] = None,
    accept_lost_data: Annotated[bool, Parameter(negative=())] = False,
    drain_seconds: Annotated[float, Parameter(validator=Number(gte=0, lte=600))] = 1.0,
    json: Annotated[bool, Parameter(negative=())] = False,
    log_level: Level = "warning",
) -> None:
    """Run everything on this machine until Ctrl-C, and say what to do next.

    `csms up` starts a Valkey server, gateway workers and the admin API, all on loopback only. The command
    makes a tenant `demo`, which registers each new charge point automatically. It also makes a certificate
    authority for `localhost`. A process that dies is started again. All data is kept in the data directory
    for the next start.

    Parameters
    ----------
    data_dir
        The directory for all data. `csms up` makes the directory if it does not exist. Only one `csms up` at
        a time can use the directory.
    ports
        The first port. With this option the ports are consecutive, in this order: ws, wss, the admin API,
        then probes and metrics of the first worker, of the admin process, and of the other workers. `0` means
        free ports. Without the option, the ports are 8180 (ws), 8443 (wss), 8080 (admin API), 9180 (probes
        and metrics of the first worker), 9181 (of the admin process), and 9182 and up (of other workers).
    workers
        The number of gateway processes, which share the charge points. Use one worker for each processor
        core.
    redis
        The URL of a Redis or Valkey to use (`redis://`, `rediss://` or `unix://`) instead of starting one.
        Put a URL with a password into the variable CSMS__STORE__URL, because other users of the machine can
        see the command line. Use a store of csms only with the pepper of its other processes (the file
        `pepper` in the data directory).
    demo_data
        Make the tenant `demo`, its id tags and its token, and an API key for all tenants, in the store of
        `redis` even if the store has other tenants or API keys. Without the option, `csms up` makes them only
        in an empty store, and otherwise says what is missing and ends.
    max_memory
        The memory for the data of the Valkey that `csms up` starts, in MiB. At 80 % of it, csms warns. At
        95 %, csms accepts no new transactions. Without the option, this is 40 % of the memory of the machine
        or container, because Valkey may need as much again while it rewrites its file.
    accept_lost_data
        Start although the data files of Valkey are damaged or lost their end, and go on with what is left.
        Acknowledged transactions are then lost. Use a backup instead if there is one.
    drain_seconds
        When the gateways stop, they spread the closing of their connections over this number of seconds. At
        most 20 s later, all processes have stopped. A second Ctrl-C stops them at once.
    json
        Print exactly one line of JSON, for programs, when all processes are ready. The line has every address
        and credential.
    log_level
        The lowest level of log lines that the processes write to stderr.
    """
    options = up.UpOptions(
        data_dir=data_dir,
        first_port=ports,
        workers=workers,
        redis=redis,
        max_memory_mib=max_memory,
        accept_lost_data=accept_lost_data,
        demo_data=demo_data,
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
    """Serve charge points with one process, which uses one processor core.

    The gateway listens for `ws://` and `wss://` on the ports of the configuration. The gateway needs the URL
    of a store (`store.url`, or the variable CSMS__STORE__URL) and the pepper with which tokens are hashed
    (`security.pepper_file`). After SIGTERM, the gateway closes its connections with the close code 1012
    (service restart), spread over `drain.window_s` seconds. The process ends at most 12 s after that.
    """
    become("gateway", *_config_arguments(config))


@app.command(name=["admin", "serve"])
def admin(*, config: Config = None) -> None:
    """Serve the admin API to operators.

    The API listens on `listen.port` in plain HTTP, so put a proxy in front of it that terminates TLS. The
    process needs the same store and pepper as the gateways. Set `store.url` and `security.pepper_file`, or
    the CSMS__ variables of these two settings.
    """
    with report_failures("csms admin"):
        # These imports take half a second, so they are not at the top, where every command would wait for
        # them.
        from admin.config import AdminConfig  # noqa: PLC0415
        from admin.process import run  # noqa: PLC0415

        run(load(AdminConfig, config, os.environ), ready.announce)


@app.command
def completion(shell: Literal["bash", "zsh", "fish"]) -> None:
    """Print a script with which a shell completes the commands and options of csms.

    For the present bash, run `source <(csms completion bash)`.

    Parameters
    ----------
    shell
        The shell that reads the script.
    """
    write_line(app.generate_completion(prog_name="csms", shell=shell))


@app.command(help_flags=[], version_flags=[])
def loadtest(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True, show=False)]) -> None:
    """Simulate charge points and measure how fast a CSMS answers. `csms loadtest --help` has the options."""
    become("loadtest", *arguments)


def _config_arguments(config: Path | None) -> list[str]:
    return [] if config is None else ["--config", str(config)]


def main() -> None:
    """Run the command line. The exit code is 0 after success, and 1 after one clear line on stderr."""
    app(sys.argv[1:])
