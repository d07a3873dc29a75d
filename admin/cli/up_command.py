"""The command `csms up` with its options."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from admin.cli import up as system
from admin.cli.failures import report_failures
from admin.cli.stderr import drop_when_blocked
from gateway.service import hangups, logs

type Level = Literal["debug", "info", "warning", "error"]


def up(
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
    options = system.UpOptions(
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
        hangups.run(system.up, options, stderr)
