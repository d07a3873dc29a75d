"""Measure what authentication tells and costs: `python -m tests.bench.authentication` takes about a minute.

The first table compares the time of the answer to a refused request by its true reason. If the medians
differed, the time would tell which tenants and charge points exist. The second table says what a password
adds to a reconnect. A gateway of its own runs beside a private Valkey.
"""

import argparse
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median, quantiles
from sys import stdout
from time import perf_counter
from typing import NamedTuple

import httpx

from tests.support.processes import cpu_s
from tests.support.raw_upgrade import basic, request
from tests.system.central import Central, Process, central_system

_LIMIT = 1.10
_CHARGE_POINTS = 100
_UNLIMITED = 1_000_000


class Scene(NamedTuple):
    """A tenant `strict` that demands profile 1 and a tenant `open` that allows profile 0."""

    gateway: Process
    tokens: dict[str, str]
    keys: dict[str, bytes]

    def path(self, tenant: str, charge_point: str, token: str | None = None) -> str:
        return f"/OCPP16/{tenant}/{token or self.tokens.get(tenant, 'x' * 40)}/{charge_point}"


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.bench.authentication", description=__doc__)
    options.add_argument("--tries", type=int, default=2_000, help="requests for each reason")
    options.add_argument("--reconnects", type=int, default=2_000, help="connections for each profile")
    chosen = options.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="csms-bench-") as directory,
        _central(Path(directory, "site")) as found,
    ):
        worst = _compare_refusals(found, chosen.tries)
        _compare_reconnects(found, chosen.reconnects)
    if worst > _LIMIT:
        raise SystemExit(f"The medians differ by more than {_LIMIT - 1:.0%}.")


@contextmanager
def _central(directory: Path) -> Iterator[Scene]:
    directory.mkdir()
    with central_system(directory) as central:
        gateway = central.start_gateway(
            security__failures_per_minute_and_address=_UNLIMITED,
            security__failures_per_minute_and_charge_point=_UNLIMITED,
        )
        try:
            gateway.wait_ready()
            yield _furnish(central, gateway)
        finally:
            gateway.stop()


def _furnish(central: Central, gateway: Process) -> Scene:
    tokens, keys = {}, {}
    headers = {"Authorization": f"Bearer {central._api_key}"}
    with httpx.Client(base_url=f"{central.admin}/v1/tenants", headers=headers, timeout=60) as api:
        for tenant, profile in (("open", 0), ("strict", 1)):
            api.put(f"/{tenant}", json={"security_profile": profile}).raise_for_status()
            tokens[tenant] = api.post(f"/{tenant}/tokens", json={}).raise_for_status().json()["secret"]
            for number in range(_CHARGE_POINTS):
                id_ = f"CP-{number}"
                api.put(f"/{tenant}/charge-points/{id_}", json={}).raise_for_status()
                if profile:
                    key = keys[id_] = secrets.token_bytes(20)
                    body = {"value": key.hex()}
                    path = f"/{tenant}/charge-points/{id_}/authorization-key"
                    api.put(path, json=body).raise_for_status()
    return Scene(gateway, tokens, keys)


def _compare_refusals(found: Scene, tries: int) -> float:
    wrong = secrets.token_bytes(20)
    requests = {
        "unknown tenant": request(found.path("nobody", "CP-1"), headers=[basic("CP-1", wrong)]),
        "wrong token": request(found.path("strict", "CP-1", "x" * 40), headers=[basic("CP-1", wrong)]),
        "unknown id": request(found.path("strict", "XX-1"), headers=[basic("XX-1", wrong)]),
        "wrong password": request(found.path("strict", "CP-1"), headers=[basic("CP-1", wrong)]),
        "no header": request(found.path("strict", "CP-1")),
    }
    times: dict[str, list[float]] = {name: [] for name in requests}
    random = Random(1)
    for number in range(tries + tries // 10):
        names = list(requests)
        random.shuffle(names)
        for name in names:
            took = _time_of(found.gateway, requests[name])
            if number >= tries // 10:  # The first tenth warms up.
                times[name].append(took)
    _write_head("Refused because of", "median, us", "90 % under, us", "ratio to the least median")
    medians = {name: median(of_name) * 1e6 for name, of_name in times.items()}
    least = min(medians.values())
    for name, value in medians.items():
        tenth = quantiles(times[name], n=10)[8] * 1e6
        stdout.write(f"| {name} | {value:,.0f} | {tenth:,.0f} | {value / least:.3f} |\n")
    return max(medians.values()) / least


def _time_of(gateway: Process, message: bytes) -> float:
    with socket.create_connection(("127.0.0.1", gateway.ports["ws"])) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = perf_counter()
        sock.sendall(message)
        answer = sock.recv(4_096)
        took = perf_counter() - began
        if not answer.startswith(b"HTTP/1.1 401 "):
            raise SystemExit(f"unexpected answer: {answer[:200]!r}")
        while sock.recv(4_096):
            pass
    return took


class Round(NamedTuple):
    connections: int
    wall_s: float
    cpu_s: float


def _compare_reconnects(found: Scene, connections: int) -> None:
    """Reconnect in turns, so that both profiles meet the same neighbours on the machine."""
    profiles: dict[str, Callable[[str], bytes]] = {
        "0, token alone": lambda id_: request(found.path("open", id_)),
        "1, password": lambda id_: request(found.path("strict", id_), headers=[basic(id_, found.keys[id_])]),
    }
    rounds: dict[str, list[Round]] = {name: [] for name in profiles}
    ids = [f"CP-{number}" for number in range(_CHARGE_POINTS)]
    for _ in range(max(2, connections // _CHARGE_POINTS)):
        for name, message in profiles.items():
            rounds[name].append(_reconnect(found.gateway, [message(id_) for id_ in ids]))
    _write_head("Profile", "handshakes/s, one after another", "CPU of the gateway, us", "ratio")
    costs = {}
    for name, some in rounds.items():
        total = sum(one.connections for one in some)
        costs[name] = sum(one.cpu_s for one in some) / total * 1e6
        rate = median(one.connections / one.wall_s for one in some)
        ratio = costs[name] / next(iter(costs.values()))
        stdout.write(f"| {name} | {rate:,.0f} | {costs[name]:,.0f} | {ratio:.3f} |\n")
    stdout.write(f"\nHandshakes a second for each core: {_per_core(costs)}.\n")


def _write_head(*names: str) -> None:
    stdout.write(f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}\n")


def _per_core(costs: dict[str, float]) -> str:
    return ", ".join(f"{1e6 / cost:,.0f} (profile {name})" for name, cost in costs.items())


def _reconnect(gateway: Process, messages: list[bytes]) -> Round:
    cpu, began = cpu_s(gateway.pid), perf_counter()
    for sock in _dialled(gateway, messages):
        answer = sock.recv(4_096)
        if not answer.startswith(b"HTTP/1.1 101 "):
            raise SystemExit(f"unexpected answer: {answer[:200]!r}")
    return Round(len(messages), perf_counter() - began, cpu_s(gateway.pid) - cpu)


def _dialled(gateway: Process, messages: list[bytes]) -> Iterator[socket.socket]:
    for message in messages:
        with socket.create_connection(("127.0.0.1", gateway.ports["ws"])) as sock:
            sock.sendall(message)
            yield sock


if __name__ == "__main__":
    main()
