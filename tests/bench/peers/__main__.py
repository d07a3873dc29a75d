"""Compare the gateway with other central systems and with two limits, on the same machine and in turns.

It takes 40 minutes in full, and 10 minutes with --short. Every server has the first core, and the client has
the second one, together with the store of csms. In each round every server has its turn. The packages that
are compared go into build/bench-peers, and the results are written there as JSON, Markdown and SVG.
The part `latency` needs the saturated rate, so it makes the loads, too.
"""

import argparse
import gc
import os
import resource
import sys
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Final

from tests.bench.peers import measuring, report
from tests.bench.peers.install import BUILD, Installed, install
from tests.bench.peers.messages import MESSAGES
from tests.bench.peers.results import Results, describe_machine, save
from tests.bench.peers.servers import CLIENT_CORE, Kind, Server, find_kinds, find_versions
from tests.support.processes import pin

_PARTS: Final = ("load", "latency", "idle", "tls")
_SERVERS: Final = ("csms", "ocpp", "ocpp-uvloop", "ocpp-rpc", "ocpp-ws-io", "picows", "trio")
_CONNECTING: Final = 100
"""Connections over TLS that a server accepts in each of its turns."""


def main() -> None:
    chosen = _read_options()
    installed = install()
    kinds = _choose(find_kinds(installed), chosen.servers, installed)
    results = Results(
        date=f"{datetime.now(UTC):%b %d %Y}",
        machine=describe_machine(),
        command=" ".join(("python -m tests.bench.peers", *sys.argv[1:])),
        versions=find_versions(installed),
        missing=installed.missing,
        titles={name: kind.title for name, kind in kinds.items()},
        stores={name: kind.stores for name, kind in kinds.items()},
    )
    for missing in installed.missing:
        _say(f"left out: {missing}")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    pin(os.getpid(), CLIENT_CORE)
    gc.disable()
    with ExitStack() as stack:
        servers = {name: stack.enter_context(contextmanager(kind.run)()) for name, kind in kinds.items()}
        results.versions |= {one.runtime.split()[0]: one.runtime.split()[1] for one in servers.values()}
        _measure(servers, chosen, results)
    text = report.make_tables(results)
    (BUILD / "results.md").write_text(text)
    for name, drawing in report.make_plots(results).items():
        (BUILD / f"{name}.svg").write_text(drawing)
    _say(text)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    for option, names in (("--servers", _SERVERS), ("--messages", tuple(MESSAGES)), ("--parts", _PARTS)):
        parser.add_argument(option, type=_split, metavar="NAME,...", default=names, help=",".join(names))
    parser.add_argument("--connections", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--rounds", type=int, help="8, or 4 with --short")
    parser.add_argument("--seconds", type=float, help="of one load; 1.5, or 0.6 with --short")
    parser.add_argument("--idle", type=int, default=1000, help="idle connections whose memory is measured")
    parser.add_argument("--tls", action="store_true", help="make the loads over TLS")
    parser.add_argument("--short", action="store_true", help="take 10 minutes instead of 40")
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (4 if chosen.short else 8)
    chosen.seconds = chosen.seconds or (0.6 if chosen.short else 1.5)
    for given, known in ((chosen.servers, _SERVERS), (chosen.messages, MESSAGES), (chosen.parts, _PARTS)):
        if unknown := set(given) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    return chosen


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _choose(kinds: dict[str, Kind], wanted: tuple[str, ...], installed: Installed) -> dict[str, Kind]:
    chosen = {name: kinds[name] for name in wanted if name in kinds}
    if not chosen:
        raise SystemExit(f"bench: none of the servers can run here: {'; '.join(installed.missing)}")
    return chosen


def _measure(servers: dict[str, Server], chosen: argparse.Namespace, results: Results) -> None:
    """Measure memory first, because it grows less in a process that has freed some."""
    if "idle" in chosen.parts:
        for name, server in servers.items():
            results.idle.append(measuring.measure_idle(name, server, chosen.idle))
            _say(str(results.idle[-1]))
    fleets = {
        name: measuring.Fleet(server.tls if chosen.tls else server.plain) for name, server in servers.items()
    }
    order = list(servers)
    for number in range(chosen.rounds):
        for name in order:
            _take_turn(name, servers[name], fleets[name], chosen, results)
        order = order[1:] + order[:1]
        save(results)
        _say(f"round {number + 1} of {chosen.rounds} done at {datetime.now(UTC):%H:%M:%S}")


def _take_turn(
    name: str, server: Server, fleet: measuring.Fleet, chosen: argparse.Namespace, results: Results
) -> None:
    if "tls" in chosen.parts:
        results.connecting.append(measuring.measure_connecting(name, server, _CONNECTING))
    if not {"load", "latency"} & set(chosen.parts):
        return
    for count in sorted(chosen.connections):
        busy = fleet.take(count)
        for message in chosen.messages:
            latency = "latency" in chosen.parts
            results.cells.append(
                measuring.measure_load(name, server, busy, message, seconds=chosen.seconds, latency=latency)
            )
    fleet.disconnect()
    gc.collect()
    measuring.wait_until_quiet(server)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
