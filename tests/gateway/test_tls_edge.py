"""Changed TLS files are used for new connections, and open ones stay. Broken ones change nothing."""

import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from signal import SIGHUP

import msgspec
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs
from trio.testing import MockClock

from gateway import tls_edge
from gateway.config import GatewayConfig
from gateway.revocations import Revocations
from gateway.service import client_certificates
from gateway.service.config import ConfigError
from gateway.tls_edge import LOOK_S, TlsEdge
from gateway.websocket.client import connect
from gateway.websocket.close_codes import Close
from gateway.websocket.connection import Connection
from gateway.websocket.listeners import open_listeners
from gateway.websocket.server import serve
from tests.gateway.websocket.echo_server import Echo, patience, settle
from tests.support.certificates import DAY, NOW, Made, certificate, revocation_list, write

NAMES = x509.SubjectAlternativeName([x509.DNSName("cs.example")])


class Files:
    """The TLS files of a gateway, in a directory that is a symlink, as in a pod of Kubernetes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.link = folder / "mounted"
        self.versions = 0
        self.root = certificate("root")
        self.mount(certificate("cs.example", serial=1), self.root, 0xDEAD)

    def mount(self, server: Made, authority: Made, *revoked: int) -> None:
        """Write all files into a new directory, and swap the symlink."""
        self.versions += 1
        new = self.folder / f"version-{self.versions}"
        new.mkdir()
        write(new, "server", server)
        (new / "authorities.pem").write_text(authority.pem)
        (new / "list.pem").write_bytes(revocation_list(authority, *revoked).public_bytes(Encoding.PEM))
        fresh = self.folder / "fresh"
        fresh.symlink_to(new)
        fresh.rename(self.link)

    def config(self, **tls: object) -> GatewayConfig:
        folder = self.link
        found = {
            "certificates": [{"chain_file": f"{folder}/server.pem", "key_file": f"{folder}/server.key"}],
            "server_names": ["cs.example"],
            "client_authorities_file": f"{folder}/authorities.pem",
            "revocation_list_files": [f"{folder}/list.pem"],
        }
        return msgspec.convert(
            {"store": {"url": "redis://h"}, "security": {"pepper": "p" * 32}, "tls": found | tls},
            GatewayConfig,
        )


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def loaded(files: Files, revocations: Revocations | None = None) -> TlsEdge:
    edge = TlsEdge(files.config(), revocations or Revocations())
    edge.load()
    return edge


@asynccontextmanager
async def serving(edge: TlsEdge) -> AsyncIterator[int]:
    """Yield the port."""
    async with patience(300), trio.open_nursery() as nursery:
        server = await nursery.start(
            partial(serve, open_listeners("127.0.0.1", 0), handle=Echo(), tls=edge.context)
        )
        yield server.ports[0]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url = f"wss://127.0.0.1:{port}/"
    async with connect(url, ssl_context=context, server_hostname="cs.example") as connection:
        yield connection


def serial_of_server(connection: Connection) -> int:
    assert connection.tls is not None
    shown = connection.tls.peer_certificate
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


async def still_echoes(connection: Connection) -> bool:
    replies = []

    async def on_text(text: bytes) -> None:
        replies.append(text)
        await connection.close(Close.LOAD_TEST_OVER)

    await connection.send(b"[2]")
    await connection.run(on_text)
    return replies == [b"[2]"]


async def renew_under(files: Files, connections: int) -> None:
    """Renew the certificate while connections are open, and check all of them."""
    edge = loaded(files)
    async with serving(edge) as port, AsyncExitStack() as stack:
        open_ = [await stack.enter_async_context(connected(port)) for _ in range(connections)]
        assert {serial_of_server(one) for one in open_} == {1}
        files.mount(certificate("cs.example", serial=2), files.root)
        await edge.look()
        async with connected(port) as new:
            assert serial_of_server(new) == 2
        assert [one for one in open_ if not await still_echoes(one)] == []


async def test_a_renewed_certificate_is_used_for_new_connections_and_open_ones_stay(files: Files) -> None:
    await renew_under(files, 5)


@pytest.mark.slow
async def test_none_of_500_connections_drops_when_the_certificate_is_renewed(files: Files) -> None:
    await renew_under(files, 500)


def break_chain(folder: Path) -> None:
    (folder / "server.pem").write_text("nonsense")


def break_key(folder: Path) -> None:
    write(folder, "other", certificate("cs.example"))
    (folder / "other.key").rename(folder / "server.key")


def expire(folder: Path) -> None:
    write(folder, "server", certificate("cs.example", begins=NOW - 2 * DAY, ends=NOW - DAY))


def break_authorities(folder: Path) -> None:
    (folder / "authorities.pem").write_text("nonsense")


def remove_list(folder: Path) -> None:
    (folder / "list.pem").unlink()


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (break_chain, "server.pem"),
        (break_key, "server.key"),
        (expire, "server.pem"),
        (break_authorities, "authorities.pem"),
        (remove_list, "list.pem"),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
async def test_a_file_that_cannot_be_used_is_reported_once_and_tried_again_until_it_is_good(
    files: Files, harm: Callable[[Path], None], named: str
) -> None:
    revocations = Revocations()
    edge = loaded(files, revocations)
    before = edge.context()
    harm(files.link)
    with capture_logs() as logs:
        for _ in range(3):
            await edge.look()
    failed = [one for one in logs if one["event"] == "tls.reload_failed"]
    assert {named in one["error"] for one in failed} == {True}
    parts = 2 if harm is break_authorities else 1
    assert (len(failed), edge.failures) == (parts, 3 * parts)
    assert edge.context() is before
    assert revokes(revocations, files.root, 0xDEAD)
    files.mount(certificate("cs.example", serial=3), files.root)
    with capture_logs() as logs:
        await edge.look()
    assert [one["event"] for one in logs] == ["tls.reloaded"] * 2
    assert edge.context() is not before
    assert not revokes(revocations, files.root, 0xDEAD)


async def test_even_an_error_that_nobody_foresaw_leaves_the_old_files_in_use(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = loaded(files)
    before = edge.context()

    def fail(*_: object, **__: object) -> None:
        raise TypeError("a strange certificate")

    monkeypatch.setattr(tls_edge, "server_context", fail)
    files.mount(certificate("cs.example", serial=2), files.root)
    with capture_logs() as logs:
        await edge.look()
    [error] = [one["error"] for one in logs if one["event"] == "tls.reload_failed"]
    assert error.startswith(f"tls: {files.link}/server.pem, {files.link}/server.key,")
    assert error.endswith("cannot be used: TypeError: a strange certificate")
    assert edge.context() is before


def revokes(revocations: Revocations, issuer: Made, serial: int) -> bool:
    made = certificate("CP", issuer=issuer, serial=serial).certificate.public_bytes(Encoding.DER)
    now_ms = round(NOW.timestamp() * 1000)
    return revocations.find_fault(client_certificates.read(made), now_ms) == "revoked"


async def test_files_that_did_not_change_are_not_read_again_but_a_hangup_signal_reads_all(
    files: Files, mock_clock: MockClock
) -> None:
    edge = loaded(files)
    first = edge.context()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(edge.watch)
        await settle()
        mock_clock.jump(LOOK_S)
        await wait_for_thread()
        assert edge.context() is first
        with capture_logs() as logs:
            os.kill(os.getpid(), SIGHUP)
            while edge.context() is first or len(logs) < 2:
                await wait_for_thread()
        assert {(one["event"], one["what"]) for one in logs} == {
            ("tls.reloaded", "certificates"),
            ("tls.reloaded", "revocation lists"),
        }
        second = edge.context()
        files.mount(certificate("cs.example", serial=2), files.root)
        mock_clock.jump(LOOK_S)
        while edge.context() is second:
            await wait_for_thread()
        nursery.cancel_scope.cancel()


async def wait_for_thread() -> None:
    """Let a thread of the product run, while Trio's clock stands still."""
    await trio.to_thread.run_sync(lambda: None)
    await settle()


@pytest.mark.parametrize(
    ("tls", "error"),
    [
        ({"certificates": []}, r"tls\.certificates is empty"),
        ({"client_authorities_file": None}, r"client_authorities_file is missing, but tls\.revocation_list"),
        ({"client_authorities_file": "/nowhere.pem"}, r"cannot read /nowhere\.pem"),
    ],
)
def test_the_gateway_does_not_start_with_tls_settings_that_it_cannot_use(
    files: Files, tls: dict[str, object], error: str
) -> None:
    with pytest.raises(ConfigError, match=error):
        TlsEdge(files.config(**tls), Revocations()).load()


@pytest.mark.parametrize("separate", [True, False])
def test_client_certificates_are_asked_for_on_one_of_the_two_ports(files: Files, *, separate: bool) -> None:
    listen = {"client_certificate_port": 0} if separate else {}
    config = msgspec.structs.replace(
        files.config(), listen=msgspec.convert(listen, type(files.config().listen))
    )
    edge = TlsEdge(config, Revocations())
    edge.load()
    modes = edge.context().verify_mode, edge.demanding_context().verify_mode
    assert modes == ((ssl.CERT_NONE, ssl.CERT_REQUIRED) if separate else (ssl.CERT_OPTIONAL,) * 2)


def test_the_log_says_at_the_start_how_tls_is_set(files: Files) -> None:
    with capture_logs() as logs:
        TlsEdge(files.config(strict_client_certificates=True), Revocations()).load()
    assert [one["event"] for one in logs] == ["tls.static_rsa_allowed", "tls.loaded"]
    assert logs[1]["strict_client_certificates"] is True
    with capture_logs() as logs:
        TlsEdge(files.config(static_rsa=False), Revocations()).load()
    assert [one["event"] for one in logs] == ["tls.loaded"]
