"""csms as a container runs it: the files that are mounted, and a charge point that charges over wss."""

import asyncio
import secrets
import shutil
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import msgspec
import websockets
from ocpp.v16 import call

from admin.cli.development_ca import ensure_development_ca
from tests.support.waiting import GENEROUS_S
from tests.system.independent import Hidden, Independent, connect, now

WINDOW_S = 2
"""The drain window of the gateway. csms promises to end at most 12 s after the window."""
ENERGY_WH = 4321
_COMMON = """\
[store]
url_file = "{root}/run/secrets/csms/store-url"
[security]
pepper_file = "{root}/run/secrets/csms/pepper"
[listen]
host = "127.0.0.1"
"""
_GATEWAY = """\
wss_port = {wss}
health_port = {health}
[drain]
window_s = {window}
[[tls.certificates]]
chain_file = "{root}/run/tls/ecdsa/tls.crt"
key_file = "{root}/run/tls/ecdsa/tls.key"
[[tls.certificates]]
chain_file = "{root}/run/tls/rsa/tls.crt"
key_file = "{root}/run/tls/rsa/tls.key"
"""
_ADMIN = """\
port = {api}
health_port = {health}
"""


class Ports(msgspec.Struct, frozen=True):
    wss: int
    gateway_health: int
    api: int
    admin_health: int


class Mounted(msgspec.Struct, frozen=True):
    """`directory` has the files below the paths that they have in a container; `ca_file` is for clients."""

    directory: Path
    ca_file: Path
    ports: Ports


def choose_ports() -> Ports:
    """Find four free ports, because a process in a container cannot report which one it got."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
        return Ports(*(server.getsockname()[1] for server in found))


def write_files(directory: Path, store_url: str, *, root: str = "") -> Mounted:
    """Make every file of a gateway and an admin process, read-only and readable for every user.

    The processes see the files below `root`. The certificates are made at run time.
    """
    ports = choose_ports()
    ca = ensure_development_ca(directory / "ca")
    files = directory / "files"
    common = _COMMON.format(root=root)
    texts = {
        "etc/csms/gateway.toml": common
        + _GATEWAY.format(root=root, wss=ports.wss, health=ports.gateway_health, window=WINDOW_S),
        "etc/csms/admin.toml": common + _ADMIN.format(api=ports.api, health=ports.admin_health),
        "run/secrets/csms/pepper": secrets.token_hex(32),
        "run/secrets/csms/store-url": store_url,
    }
    for name, text in texts.items():
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_text(text)
    for kind, pair in (("ecdsa", ca.ecdsa), ("rsa", ca.rsa)):
        (files / "run/tls" / kind).mkdir(parents=True)
        for source, name in zip(pair, ("tls.crt", "tls.key"), strict=True):
            shutil.copy(source, files / "run/tls" / kind / name)
    make_read_only(files)
    return Mounted(files, ca.ca_file, ports)


def make_read_only(directory: Path) -> None:
    for entry in [directory, *directory.rglob("*")]:
        if not entry.is_symlink():
            entry.chmod(0o555 if entry.is_dir() or entry.stat().st_mode & 0o111 else 0o444)


def charge(mounted: Mounted, api_key: Hidden, stop: Callable[[], object]) -> int:
    """Let a charge point charge, and call `stop` while it is connected. Return the code that closed it."""
    with httpx.Client(
        base_url=f"http://127.0.0.1:{mounted.ports.api}/v1/tenants",
        headers={"Authorization": f"Bearer {api_key}"},
        timeout=GENEROUS_S,
    ) as api:
        api.put("/site", json={"auto_register": True}).raise_for_status()
        api.put("/site/id-tags/CARD", json={}).raise_for_status()
        token = api.post("/site/tokens", json={}).raise_for_status().json()["secret"]
        url = Hidden(f"wss://localhost:{mounted.ports.wss}/OCPP16/site/{token}/BAY-7")
        code = asyncio.run(_charge(url, str(mounted.ca_file), stop))
        (found,) = api.get("/site/transactions").raise_for_status().json()["items"]
        assert found["charge_point"] == "BAY-7"
        assert found["meter_stop"] - found["meter_start"] == ENERGY_WH, found
    return code


async def _charge(url: Hidden, ca_file: str, stop: Callable[[], object]) -> int:
    async with asyncio.timeout(GENEROUS_S), connect(url, ca_file, Independent) as charge_point:
        assert (await charge_point.boot()).status == "Accepted"
        started = await charge_point.start_transaction(id_tag="CARD", meter_start=1000)
        assert started.id_tag_info["status"] == "Accepted"
        sampled = {"timestamp": now(), "sampled_value": [{"value": "3000"}]}
        await charge_point.call(
            call.MeterValues(connector_id=1, transaction_id=started.transaction_id, meter_value=[sampled])
        )
        await charge_point.call(
            call.StopTransaction(
                meter_stop=1000 + ENERGY_WH, timestamp=now(), transaction_id=started.transaction_id
            )
        )
        await asyncio.to_thread(stop)
        connection: websockets.ClientConnection = charge_point._connection
        await connection.wait_closed()
        assert connection.close_code is not None
        return connection.close_code
