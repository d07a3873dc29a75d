"""`python -m loadtest`: what `csms loadtest` runs."""

import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import trio
from cyclopts import App, Parameter, validators

from loadtest import report
from loadtest.fleet import Fleet, Plan

app = App(name="csms loadtest", help="Put a city of charge points on a central system.", version_flags=[])

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
    the time is over and stops. An operator may stop or start one in the meantime; Ctrl-C ends the run and
    shows what there is so far. The exit code is 1 if anything failed, 2 if there was nothing to run.

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
    if not _is_websocket_url(url):
        return _refuse("--url must begin with ws:// or wss:// and a host, and a port is a number")
    tls = None
    if url.startswith("wss:"):
        try:
            tls = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            return _refuse(f"--ca-file {ca_file}: {error.strerror or error}")
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
    came_to_its_end = trio.run(_run, fleet)
    report.show(fleet)
    if not came_to_its_end:
        return 130
    if output is not None:
        try:
            report.write(fleet, output)
        except OSError as error:
            return _refuse(f"--output {output}: {error.strerror}")
    return 1 if fleet.failures or fleet.latencies.errors else 0


async def _run(fleet: Fleet) -> bool:
    """False if a signal was the end of it."""
    ended = False
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_at, signals, nursery.cancel_scope)
            nursery.start_soon(report.show_progress, fleet)
            await fleet.run()
            ended = True
            nursery.cancel_scope.cancel()
    return ended


async def _stop_at(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()


def _is_websocket_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"ws", "wss"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is no number
        return False


def _refuse(why: str) -> int:
    sys.stderr.write(f"csms loadtest: {why}\n")
    return 2


if __name__ == "__main__":
    sys.exit(app())
