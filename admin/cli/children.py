"""The children of `csms up`: what is run, and with which configuration."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from admin.cli.data_dir import write_config
from admin.cli.development_ca import DevelopmentCa
from admin.cli.ports import HeldPort
from admin.cli.processes import arguments, environment
from admin.cli.supervisor import Program

HOST = "127.0.0.1"
# A charge point that never answers CLOSE takes the gateway 5 s beyond the window.
_GATEWAY_GRACE_S = 6.0
_ADMIN_STOP_S = 3.0


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Zero: a free one. The admin process' probes have `health`, those of the workers the ports behind it."""

    ws: int = 8180
    wss: int = 8443
    admin: int = 8080
    health: int = 9180


class HeldPorts:
    """Every port of one `csms up`, ours from here to `close`."""

    def __init__(self, wanted: Ports, workers: int) -> None:
        """Raise PortOccupied where somebody else listens."""
        with ExitStack() as stack:

            def hold(port: int, purpose: str) -> int:
                held = HeldPort(HOST, port, purpose)
                stack.callback(held.close)
                return held.port

            self.ws = hold(wanted.ws, "ws")
            self.wss = hold(wanted.wss, "wss")
            self.admin = hold(wanted.admin, "the admin API")
            first = wanted.health
            self.admin_health = hold(first, "probes of the admin process")
            self.gateway_health = [
                hold(first and first + number, f"probes of gateway {number}")
                for number in range(1, workers + 1)
            ]
            self.close = stack.pop_all().close


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What all children of one `csms up` share."""

    directory: Path
    ports: HeldPorts
    authority: DevelopmentCa
    pepper_file: Path
    drain_s: float
    log_level: str


def programs(site: Site, store_url: str) -> tuple[list[Program], Program]:
    """Write the configuration files and return the gateways and the admin process. Raises DataDirUnusable."""
    # The URL may hold a password, which belongs in no configuration file.
    env = environment(os.environ, {"CSMS__STORE__URL": store_url})
    gateways = []
    for number, health_port in enumerate(site.ports.gateway_health, 1):
        name = f"gateway-{number}"
        path = write_config(site.directory / f"{name}.toml", _gateway(site, health_port))
        gateways.append(
            Program(
                name=name,
                argv=arguments("gateway", "--config", str(path)),
                env=env,
                stop_s=site.drain_s + _GATEWAY_GRACE_S,
            )
        )
    path = write_config(site.directory / "admin.toml", _admin(site))
    serve = arguments("admin", "serve", "--config", str(path))
    return gateways, Program(name="admin", argv=serve, env=env, stop_s=_ADMIN_STOP_S)


def _gateway(site: Site, health_port: int) -> dict[str, dict[str, Any]]:
    pairs = site.authority.ecdsa, site.authority.rsa
    return {
        "listen": {
            "host": HOST,
            "ws_port": site.ports.ws,
            "wss_port": site.ports.wss,
            "health_host": HOST,
            "health_port": health_port,
        },
        "tls": {
            "certificates": [{"chain_file": chain, "key_file": key} for chain, key in pairs],
            "server_names": ["localhost"],
        },
        "drain": {"window_s": site.drain_s},
        **_common(site),
    }


def _admin(site: Site) -> dict[str, dict[str, Any]]:
    listen = {
        "host": HOST,
        "port": site.ports.admin,
        "health_host": HOST,
        "health_port": site.ports.admin_health,
    }
    return {"listen": listen, **_common(site)}


def _common(site: Site) -> dict[str, dict[str, Any]]:
    # Children write into a pipe of ours: what they cannot see is whether a person reads at its end.
    logs = {"level": site.log_level, "format": "console" if sys.stderr.isatty() else "json"}
    return {"security": {"pepper_file": site.pepper_file}, "logs": logs}
