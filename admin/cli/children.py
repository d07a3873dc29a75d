"""The child processes of `csms up` and their configuration."""

import os
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec

from admin.cli.data_dir import write_config, write_secret
from admin.cli.development_ca import DevelopmentCa
from admin.cli.ports import HeldPort
from admin.cli.processes import arguments, environment
from admin.cli.supervisor import Program

HOST = "127.0.0.1"
STORE_URL = "store-url"
"""The file with the URL of the store, which also lets other commands use the files of the children."""
# A gateway ends at most 12 s after its drain window. An admin process gives its requests 3 s, and then takes
# at most 1 s to leave the store.
_GATEWAY_GRACE_S = 13.0
_ADMIN_STOP_S = 5.0


class HeldPorts:
    """All ports of one `csms up`, reserved until `close`."""

    def __init__(self, first: int | None, workers: int) -> None:
        """Reserve port `first` and the ports after it.

        If `first` is 0, reserve any free ports. If `first` is None, reserve the default ports. Then the first
        gateway and the admin process have the ports for probes that their settings have by default.

        Raises PortOccupied if another process listens on one of the ports.
        """
        probes, *more = [f"probes of gateway {number}" for number in range(1, workers + 1)]
        purposes = ["ws", "wss", "the admin API", probes, "probes of the admin process", *more]
        wanted = [8180, 8443, 8080, *range(9180, 9181 + workers)]
        if first is not None:
            wanted = [first and first + number for number in range(len(purposes))]
        with ExitStack() as stack:
            held = [
                stack.enter_context(closing(HeldPort(HOST, port, purpose)))
                for port, purpose in zip(wanted, purposes, strict=True)
            ]
            self.ws, self.wss, self.admin, *health = (each.port for each in held)
            self.admin_health = health.pop(1)
            self.gateway_health = health
            self.close = stack.pop_all().close


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that all children of one `csms up` share."""

    directory: Path
    ports: HeldPorts
    authority: DevelopmentCa
    pepper_file: Path
    drain_s: float
    gateway_memory: int
    log_level: str


def programs(site: Site, store_url: str) -> tuple[list[Program], Program]:
    """Write the configuration files of the children, and return the programs to run.

    The programs are the gateways and the admin process. Raises DataDirUnusable.
    """
    # The URL may contain a password, which must not be in the files with the settings.
    write_secret(site.directory / STORE_URL, store_url)
    env = environment(os.environ, {})
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
            "client_authorities_file": site.authority.client_authorities_file,
        },
        "drain": {"window_s": site.drain_s},
        "limits": {"memory_bytes": site.gateway_memory},
        **_common(site),
    }


def _admin(site: Site) -> dict[str, dict[str, Any]]:
    listen = {
        "host": HOST,
        "port": site.ports.admin,
        "health_host": HOST,
        "health_port": site.ports.admin_health,
    }
    return {"listen": listen, "pki": {"directory": site.authority.directory}, **_common(site)}


def _common(site: Site) -> dict[str, dict[str, Any]]:
    # Children write into a pipe of `csms up`, so they cannot see whether its stderr is a terminal.
    logs = {"level": site.log_level, "format": "console" if sys.stderr.isatty() else "json"}
    return {
        "store": {"url_file": site.directory / STORE_URL},
        "security": {"pepper_file": site.pepper_file},
        "logs": logs,
    }
