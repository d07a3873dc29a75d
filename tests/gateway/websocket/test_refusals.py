"""Each failed TLS handshake is reported with its true reason, and the client gets the alert of OpenSSL."""

import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import trio
import trustme
from trio.testing import MockClock

from gateway.websocket.client import connect
from gateway.websocket.refusals import Refused, explain
from gateway.websocket.server import Server
from gateway.websocket.tls import ClientCertificates, ServerContext, server_context
from tests.gateway.websocket.echo_server import Echo, raw_peer, serving, settle, until
from tests.support.certificates import DAY, NOW, Made, certificate, write
from tests.support.websocket_frames import REQUEST

type Noted = list[tuple[Refused, str, str]]


class Pki(NamedTuple):
    folder: Path
    server: tuple[Path, Path]
    root: Made
    issuing: Made

    def context(
        self, client_certificates: ClientCertificates = "optional", *, strict: bool = False
    ) -> ServerContext:
        return server_context(
            [self.server],
            client_authorities=self.folder / "authorities.pem",
            client_certificates=client_certificates,
            strict=strict,
        )

    def client(self, shown: Made | None = None, *chain: Made) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.folder / "server-ca.pem")
        context.check_hostname = False
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        if shown is not None:
            context.load_cert_chain(*write(self.folder, "client", shown, *chain))
        return context


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    folder = tmp_path_factory.mktemp("pki")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "server-ca.pem")
    issued = ca.issue_cert("cs.example", key_type=trustme.KeyType.ECDSA)
    chain, key = folder / "server.pem", folder / "server.key"
    chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    root = certificate("root")
    issuing = certificate("issuing", issuer=root)
    (folder / "authorities.pem").write_text(issuing.pem)
    return Pki(folder, (chain, key), root, issuing)


async def shake_hands(server: Server, client: ssl.SSLContext, name: str = "cs.example") -> None:
    url = f"wss://127.0.0.1:{server.ports[0]}/"
    async with connect(url, ssl_context=client, server_hostname=name):
        pass


def noting(noted: Noted) -> Callable[[Refused, str, str], None]:
    return lambda reason, address, detail: noted.append((reason, address, detail))


BAD_CERTIFICATES: dict[str, tuple[Callable[[Pki], Made], Refused, str, str]] = {
    "expired": (
        lambda pki: certificate("CP", issuer=pki.issuing, begins=NOW - 2 * DAY, ends=NOW - DAY),
        Refused.CLIENT_CERTIFICATE_EXPIRED,
        "certificate has expired (10)",
        "CERTIFICATE_EXPIRED",
    ),
    "not yet valid": (
        lambda pki: certificate("CP", issuer=pki.issuing, begins=NOW + timedelta(hours=9)),
        Refused.CLIENT_CERTIFICATE_NOT_YET_VALID,
        "certificate is not yet valid (9)",
        "BAD_CERTIFICATE",
    ),
    "self-signed": (
        lambda _: certificate("CP"),
        Refused.CLIENT_CERTIFICATE_SELF_SIGNED,
        "self-signed certificate (18)",
        "UNKNOWN_CA",
    ),
    "of a foreign authority": (
        lambda _: certificate("CP", issuer=certificate("foreign")),
        Refused.CLIENT_CERTIFICATE_FOREIGN,
        "unable to get local issuer certificate (20)",
        "UNKNOWN_CA",
    ),
    "signed by a namesake of the authority": (
        lambda _: certificate("CP", issuer=certificate("issuing")),
        Refused.CLIENT_CERTIFICATE_FOREIGN,
        "certificate signature failure (7)",
        "DECRYPT_ERROR",
    ),
}


@pytest.mark.parametrize("bad", BAD_CERTIFICATES)
async def test_each_kind_of_bad_client_certificate_gets_its_own_reason_and_alert(pki: Pki, bad: str) -> None:
    make, reason, detail, alert = BAD_CERTIFICATES[bad]
    noted: Noted = []
    async with serving(Echo(), tls=pki.context(), on_refused=noting(noted)) as server:
        with pytest.raises(ssl.SSLError, match=alert):
            await shake_hands(server, pki.client(make(pki)))
        assert server.stats.handshake_failures == {reason.word: 1}
    assert noted == [(reason, "127.0.0.1", detail)]


async def test_a_client_certificate_of_an_issuing_authority_is_right_without_the_root(pki: Pki) -> None:
    noted: Noted = []
    async with serving(Echo(), tls=pki.context(), on_refused=noting(noted)) as server:
        await shake_hands(server, pki.client(certificate("CP", issuer=pki.issuing)))
    assert noted == []


async def test_a_strict_server_refuses_a_certificate_that_breaks_rfc_5280_and_says_which_rule(
    pki: Pki,
) -> None:
    noted: Noted = []
    async with serving(Echo(), tls=pki.context(strict=True), on_refused=noting(noted)) as server:
        with pytest.raises(ssl.SSLError):
            await shake_hands(server, pki.client(certificate("CP", issuer=pki.issuing)))
    [(reason, _, detail)] = noted
    assert (reason, detail) == (
        Refused.CLIENT_CERTIFICATE_INVALID,
        "CA cert does not include key usage extension (92)",
    )


async def test_a_port_that_demands_a_client_certificate_refuses_a_client_without_one(pki: Pki) -> None:
    noted: Noted = []
    async with serving(Echo(), tls=pki.context("required"), on_refused=noting(noted)) as server:
        with pytest.raises(ssl.SSLError):
            await shake_hands(server, pki.client())
        await shake_hands(server, pki.client(certificate("CP", issuer=pki.issuing)))
    assert [reason for reason, _, _ in noted] == [Refused.CLIENT_CERTIFICATE_MISSING]


async def test_a_wrong_server_name_and_a_missing_one_have_reasons_of_their_own(pki: Pki) -> None:
    noted: Noted = []
    async with serving(Echo(), tls=pki.context(), on_refused=noting(noted)) as server:
        for name in ("other.example", "127.0.0.1"):
            with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
                await shake_hands(server, pki.client(), name)
    assert noted == [
        (Refused.SERVER_NAME_WRONG, "127.0.0.1", "other.example"),
        (Refused.SERVER_NAME_MISSING, "127.0.0.1", ""),
    ]


async def test_a_client_without_a_common_suite_and_one_that_distrusts_the_server_are_told_apart(
    pki: Pki,
) -> None:
    noted: Noted = []
    other_suites = pki.client()
    other_suites.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
    distrusting = ssl.create_default_context()
    async with serving(Echo(), tls=pki.context(), on_refused=noting(noted)) as server:
        for client in (other_suites, distrusting):
            with pytest.raises(ssl.SSLError):
                await shake_hands(server, client)
        await until(lambda: len(noted) == 2)
    assert [reason for reason, _, _ in noted] == [
        Refused.NO_SHARED_CIPHER,
        Refused.SERVER_CERTIFICATE_UNTRUSTED,
    ]


async def test_plain_http_on_a_tls_port_is_reported_as_such(pki: Pki) -> None:
    noted: Noted = []
    serving_tls = serving(Echo(), tls=pki.context(), on_refused=noting(noted))
    async with serving_tls as server, raw_peer(server, upgrade=False) as peer:
        await peer.send(REQUEST)
        await peer.read_all()
    assert noted == [(Refused.NOT_TLS, "127.0.0.1", "HTTP_REQUEST")]


async def test_a_client_that_leaves_during_its_tls_handshake_is_reported_unless_it_sent_nothing(
    pki: Pki,
) -> None:
    """A load balancer that looks whether a port is open sends nothing."""
    noted: Noted = []
    async with serving(Echo(), tls=pki.context(), on_refused=noting(noted)) as server:
        for sent in (b"", b"\x16\x03\x01\x02\x00half a hello"):
            async with raw_peer(server, upgrade=False) as peer:
                await peer.send(sent)
                await trio.lowlevel.checkpoint()
        await until(lambda: server.stats.handshake_failures == {"tls_left": 2})
    assert noted == [(Refused.TLS_LEFT, "127.0.0.1", "")]


@pytest.mark.parametrize(
    ("sent", "reason", "status"),
    [
        (b"\x16\x03\x01\x02\x00hello", Refused.NOT_HTTP, b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Refused.NOT_AN_UPGRADE, b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000, Refused.HEAD_TOO_LONG, b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", Refused.REQUEST_TOO_SLOW, b"408"),
    ],
)
async def test_a_request_that_csms_cannot_read_is_reported(
    sent: bytes, reason: Refused, status: bytes, mock_clock: MockClock
) -> None:
    noted: Noted = []
    serving_plainly = serving(Echo(), on_refused=noting(noted))
    async with serving_plainly as server, raw_peer(server, upgrade=False) as peer:
        await peer.send(sent)
        if reason is Refused.REQUEST_TOO_SLOW:
            await settle()
            mock_clock.jump(11)
        assert (await peer.read_all()).startswith(b"HTTP/1.1 " + status)
    assert noted == [(reason, "127.0.0.1", "")]


def test_an_error_that_openssl_may_add_one_day_is_counted_under_a_known_reason() -> None:
    error = ssl.SSLError()
    error.reason = "A_NEW_REASON"
    assert explain(error) == (Refused.TLS_FAILED, "A_NEW_REASON")
