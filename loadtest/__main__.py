"""`python -m loadtest`: what `csms loadtest` runs."""

import ssl
import sys
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import App, Parameter, validators

from loadtest import report
from loadtest.fleet import Fleet, Plan

app = App(name="csms loadtest", help="Put a city of charge points on a central system.")

Positive = Annotated[float, Parameter(validator=validators.Number(gt=0))]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=18_000))]


@app.command
def run(
    *,
    url: str,
    charge_points: Count = 10,
    duration: Positive = 60.0,
    interval: Positive = 5.0,
    connect_rate: Positive = 100.0,
    ca_file: Path | None = None,
    id_tag: str = "DEMO",
    prefix: str = "LT",
    source_addresses: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=250))] = 0,
    seed: int = 1,
    output: Path | None = None,
) -> int:
    """Let charge points boot, authorise, charge and stop, and show how fast they were answered.

    Each charge point boots, reports its status, authorises, starts a transaction, sends meter values until
    the time is over and stops. An operator may stop or start one in the meantime. The exit code is 1 if
    anything failed.

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
    """
    if "{id}" not in url and charge_points > 1:
        return _refuse("--url must contain {id}, where each charge point's own id goes")
    tls = None
    if url.startswith("wss:"):
        try:
            tls = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            return _refuse(f"--ca-file {ca_file}: {error.strerror or error}")
    elif not url.startswith("ws:"):
        return _refuse("--url must begin with ws:// or wss://")
    plan = Plan(
        url=url,
        charge_points=charge_points,
        duration_s=duration,
        interval_s=interval,
        connect_rate=connect_rate,
        id_tag=id_tag,
        prefix=prefix,
        source_addresses=source_addresses,
        seed=seed,
    )
    fleet = Fleet(plan, tls)
    try:
        trio.run(_run, fleet)
    except KeyboardInterrupt:
        report.show(fleet)
        return 130
    report.show(fleet)
    if output is not None:
        try:
            report.write(fleet, output)
        except OSError as error:
            return _refuse(f"--output {output}: {error.strerror}")
    return 1 if fleet.failures or fleet.latencies.errors else 0


async def _run(fleet: Fleet) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(report.show_progress, fleet)
        await fleet.run()
        nursery.cancel_scope.cancel()


def _refuse(why: str) -> int:
    sys.stderr.write(f"csms loadtest: {why}\n")
    return 2


if __name__ == "__main__":
    sys.exit(app())
