"""Examines the configuration of an admin process for `csms doctor`."""

import ipaddress
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from admin.config import AdminConfig, AdminListen
from admin.pki.authority import ends_of, load
from gateway.service import surroundings
from gateway.service.config import ConfigError
from gateway.service.networks import read_networks
from state.doctor.findings import Finding, ok, warning, wrong

RENEW_DAYS = 90
"""A charge point that is offline for a long time needs a chain that lasts."""


def examine_admin(config: AdminConfig) -> Iterator[Finding]:
    listen = config.listen
    try:
        trusted = read_networks("listen.trusted_proxies", listen.trusted_proxies)
    except ConfigError as error:
        yield wrong("admin settings", str(error))
    else:
        if not _is_loopback(listen.host) and not trusted:
            yield warning(
                "admin settings",
                f"the API listens on {listen.host} in plain HTTP, and listen.trusted_proxies is empty; put a"
                " proxy that speaks TLS before it, and name the proxy",
            )
    yield from _examine_ports(listen)
    yield from _examine_authority(config)
    yield _examine_archive(config.archive.directory)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _examine_ports(listen: AdminListen) -> Iterator[Finding]:
    places = {
        "listen.port": (listen.host, listen.port),
        "listen.health_port": (listen.health_host, listen.health_port),
    }
    for setting, (host, port) in places.items():
        trouble = surroundings.explain_port(setting, host, port)
        subject, free = "admin ports", f"{host}:{port} is free ({setting})"
        yield ok(subject, free) if trouble is None else warning(subject, trouble)


def _examine_archive(setting: str | None) -> Finding:
    subject = "admin archive"
    if setting is None:
        return ok(subject, "archive.directory is not set, so this process has no archive")
    directory = Path(setting)
    # The process makes the directory itself, but not its parent directory.
    place = directory if directory.exists() else directory.parent
    if not place.is_dir() or not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return wrong(
            subject,
            f"archive.directory {directory} cannot be used, because {place} is not a directory that this user"
            " can write; make it, or give the directory to the user of the admin process",
        )
    return ok(subject, f"this user can write the archive {directory}")


def _examine_authority(config: AdminConfig) -> Iterator[Finding]:
    subject = "admin authority"
    try:
        authority = load(config.pki)
    except ConfigError as error:
        yield wrong(subject, str(error))
        return
    if authority is None:
        yield ok(subject, "pki is not set, so this process signs no certificates")
        return
    now = datetime.now(UTC).timestamp()
    for family, end in ends_of(authority).items():
        days = int((end - now) / 86_400)
        if days < RENEW_DAYS:
            yield warning(subject, f"the {family} authority expires in {days} days; make a new one")
        else:
            yield ok(subject, f"the {family} authority is valid for {days} days")
