"""Examines the configuration of a gateway for `csms doctor`, without serving anybody.

The gateway examines itself, because only this package knows its settings. `csms doctor` starts it as
`python -m gateway --examine`, and reads the findings as JSON.
"""

import hmac
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import trio

from gateway.config import GatewayConfig, ListenConfig, check_listen
from gateway.revocations import Revocations
from gateway.service import machine, surroundings
from gateway.service.config import ConfigError, load
from gateway.tls_edge import TlsEdge
from state.doctor.examination import examine_store
from state.doctor.findings import Finding, ok, warning, wrong

RENEW_DAYS = 30
FILES_BESIDE = 200
"""Files that a gateway needs beside its connections: libraries, the store, probes and logs."""
_SESSION_BYTES = 45 << 10
"""Memory of a TLS session with a client certificate (docs/measurements.md)."""
_PROCESS_BYTES = 100 << 20


class Examined(msgspec.Struct, frozen=True):
    """The findings about one process, and marks by which two processes can be compared without a secret."""

    findings: list[Finding]
    store_mark: str = ""
    pepper_mark: str = ""


def mark(nonce: str, secret: str) -> str:
    """Return a text that is equal for equal secrets. Nothing can be learnt from it without the nonce."""
    return hmac.digest(nonce.encode(), secret.encode(), "sha256").hex()


def examine(path: Path | None, nonce: str, *, with_store: bool) -> Examined:
    try:
        config = load(GatewayConfig, path, os.environ)
    except ConfigError as error:
        return Examined([wrong("gateway settings", str(error))])
    findings = [ok("gateway settings", "every setting is known and has a possible value"), *_examine(config)]
    if with_store:
        own_pepper = config.security.pepper.encode()
        findings = [*trio.run(examine_store, config.store, own_pepper), *findings]
    return Examined(findings, mark(nonce, config.store.url), mark(nonce, config.security.pepper))


def _examine(config: GatewayConfig) -> Iterator[Finding]:
    listen = config.listen
    try:
        check_listen(listen)
        if listen.wss_port is not None or listen.client_certificate_port is not None:
            TlsEdge(config, Revocations()).load()
            yield ok("gateway TLS", "every file can be read, and each key belongs to its certificate")
            yield from _examine_certificates(config)
    except ConfigError as error:
        yield wrong("gateway TLS" if str(error).startswith("tls") else "gateway settings", str(error))
    if listen.ws_port is not None:
        yield warning(
            "gateway ws",
            "listen.ws_port is set, so tokens and passwords travel in clear text; leave it out, unless a"
            " proxy that speaks TLS stands before it or a charge point cannot use TLS",
        )
    yield from _examine_ports(listen)
    yield _examine_files(config)
    yield _examine_memory(config)


def _examine_certificates(config: GatewayConfig) -> Iterator[Finding]:
    files = [pair.chain_file for pair in config.tls.certificates]
    if config.tls.client_authorities_file is not None:
        files.append(config.tls.client_authorities_file)
    for file in files:
        days = surroundings.days_left(file)
        if days < RENEW_DAYS:
            yield warning("gateway TLS", f"a certificate in {file} expires in {days} days; renew it")
        else:
            yield ok("gateway TLS", f"the certificates in {file} are valid for {days} days")


def _examine_ports(listen: ListenConfig) -> Iterator[Finding]:
    places = {
        "listen.ws_port": (listen.host, listen.ws_port),
        "listen.wss_port": (listen.host, listen.wss_port),
        "listen.client_certificate_port": (listen.host, listen.client_certificate_port),
        "listen.health_port": (listen.health_host, listen.health_port),
    }
    for setting, (host, port) in places.items():
        if port is not None:
            trouble = surroundings.explain_port(setting, host, port)
            subject, free = "gateway ports", f"{host}:{port} is free ({setting})"
            yield ok(subject, free) if trouble is None else warning(subject, trouble)


def _examine_files(config: GatewayConfig) -> Finding:
    limits = config.limits
    need, have = limits.connections + limits.handshakes_in_flight + FILES_BESIDE, surroundings.files_allowed()
    text = (
        f"the process may open {have:,} files, and limits.connections {limits.connections:,} needs {need:,}"
    )
    if have < need:
        return wrong(
            "gateway files", f"{text}; raise the hard limit (LimitNOFILE), or lower limits.connections"
        )
    return ok("gateway files", text)


def _examine_memory(config: GatewayConfig) -> Finding:
    limits = config.limits
    need, have = _PROCESS_BYTES + limits.connections * _SESSION_BYTES, machine.total_memory()
    text = f"limits.connections {limits.connections:,} needs up to {need >> 20:,} MiB"
    if limits.memory_bytes and limits.memory_bytes < have:
        have = limits.memory_bytes
        text = f"{text}, and limits.memory_bytes allows {have >> 20:,} MiB"
    else:
        text = f"{text}, and the machine or container has {have >> 20:,} MiB"
    if have < need:
        return wrong("gateway memory", f"{text}; lower limits.connections, or give the process more memory")
    return ok("gateway memory", f"{text}; this counts one process")
