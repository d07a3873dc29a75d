"""Measure what each security profile costs: `python -m tests.bench.security_profiles`, about two minutes.

The first table has the handshakes a second for each core of a gateway, from its CPU time. The second table
has the memory of an idle connection. A gateway of its own runs beside a private Valkey. The server has an
ECDSA certificate, and the charge points have ECDSA keys.
"""

import argparse
import secrets
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from sys import stdout
from typing import NamedTuple

import httpx

from admin.cli.development_ca import ensure_development_ca
from tests.support.certificates import certificate, write
from tests.support.processes import cpu_s
from tests.support.raw_upgrade import basic, request
from tests.system.central import Central, Process, central_system

_CHARGE_POINTS = 50
_SETTLE_S = 3.0
_UNLIMITED = 1_000_000


class Site(NamedTuple):
    gateway: Process
    token: str
    keys: dict[str, bytes]
    trusting: ssl.SSLContext
    showing: dict[str, ssl.SSLContext]

    def dial(self, profile: int, id_: str) -> socket.socket:
        """Connect a charge point with this profile. Raises SystemExit if it is refused."""
        headers = [basic(id_, self.keys[id_])] if profile in {1, 2} else []
        sock: socket.socket = socket.create_connection(
            ("127.0.0.1", self.gateway.ports["wss" if profile > 1 else "ws"])
        )
        if profile > 1:
            context = self.showing[id_] if profile == 3 else self.trusting
            sock = context.wrap_socket(sock, server_hostname="localhost")
        sock.sendall(request(f"/OCPP16/bench/{self.token}/{id_}", headers=headers))
        answer = sock.recv(4_096)
        if not answer.startswith(b"HTTP/1.1 101 "):
            raise SystemExit(f"unexpected answer: {answer[:200]!r}")
        return sock


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.bench.security_profiles", description=__doc__)
    options.add_argument("--rounds", type=int, default=20, help=f"rounds of {_CHARGE_POINTS} handshakes")
    options.add_argument("--connections", type=int, default=1_000, help="idle connections of each profile")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="csms-bench-") as name:
        directory = Path(name)
        with _site(directory, chosen.connections) as site:
            _measure_handshakes(site, chosen.rounds)
            _measure_memory(site, chosen.connections)


@contextmanager
def _site(directory: Path, connections: int) -> Iterator[Site]:
    authority = ensure_development_ca(directory / "ca")
    root = certificate("bench root")
    roots, _ = write(directory, "clients", root)
    with central_system(directory) as central:
        chain, key = authority.ecdsa
        gateway = central.start_gateway(
            listen__wss_port=0,
            tls__certificates=f'[{{"chain_file": "{chain}", "key_file": "{key}"}}]',
            tls__server_names="localhost",
            tls__client_authorities_file=roots,
            security__failures_per_minute_and_address=_UNLIMITED,
            limits__handshakes_per_second=0,
        )
        try:
            gateway.wait_ready()
            ids = [f"CP-{number}" for number in range(_CHARGE_POINTS + 2 * connections)]
            token, keys = _furnish(central, ids)
            trusting = ssl.create_default_context(cafile=authority.ca_file)
            showing = {}
            for number, id_ in enumerate(ids, 1):
                files = write(directory, "client", certificate(id_, issuer=root, serial=number))
                showing[id_] = ssl.create_default_context(cafile=authority.ca_file)
                showing[id_].load_cert_chain(*files)
            yield Site(gateway, token, keys, trusting, showing)
        finally:
            gateway.stop()


def _furnish(central: Central, ids: list[str]) -> tuple[str, dict[str, bytes]]:
    headers = {"Authorization": f"Bearer {central._api_key}"}
    keys = {id_: secrets.token_bytes(20) for id_ in ids}
    with httpx.Client(base_url=f"{central.admin}/v1/tenants/bench", headers=headers, timeout=60) as api:
        root = str(api.base_url).rstrip("/")
        api.put(root, json={}).raise_for_status()
        for id_, key in keys.items():
            api.put(f"/charge-points/{id_}", json={}).raise_for_status()
            body = {"value": key.hex()}
            api.put(f"/charge-points/{id_}/authorization-key", json=body).raise_for_status()
        token: str = api.post("/tokens", json={}).raise_for_status().json()["secret"]
    return token, keys


def _measure_handshakes(site: Site, rounds: int) -> None:
    """Measure one profile after the other, upwards, because a charge point cannot go back."""
    costs: dict[int, float] = {}
    for profile in (0, 1, 2, 3):
        began = cpu_s(site.gateway.pid)
        for _ in range(rounds):
            for number in range(_CHARGE_POINTS):
                site.dial(profile, f"CP-{number}").close()
        costs[profile] = (cpu_s(site.gateway.pid) - began) / (rounds * _CHARGE_POINTS)
    _write_head("Profile", "CPU of the gateway for a handshake, us", "handshakes a second and core", "ratio")
    for profile, cost in costs.items():
        stdout.write(
            f"| {profile} | {cost * 1e6:,.0f} | {1 / cost:,.0f} | {cost / costs[0]:.2f} |\n",
        )


def _measure_memory(site: Site, connections: int) -> None:
    _write_head("Profile", "idle connections", "memory of a connection, KiB")
    with ExitStack() as stack:  # All connections stay open, because freed memory would be used again.
        first = _CHARGE_POINTS
        for profile in (2, 3):
            before = _pss_kib(site.gateway.pid)
            for number in range(first, first + connections):
                stack.enter_context(closing(site.dial(profile, f"CP-{number}")))
            time.sleep(_SETTLE_S)
            used = (_pss_kib(site.gateway.pid) - before) / connections
            stdout.write(f"| {profile} | {connections:,} | {used:.1f} |\n")
            first += connections


def _write_head(*names: str) -> None:
    stdout.write(f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}\n")


def _pss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1])


if __name__ == "__main__":
    main()
