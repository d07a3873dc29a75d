"""Tests of TLS: names, suites, versions, alerts and client certificates."""

import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
import trio

from gateway.websocket.http_upgrade import Upgrade
from gateway.websocket.server import Server
from gateway.websocket.tls import read_names, server_context, without_sessions
from tests.gateway.websocket.echo_server import Echo, serving
from tests.gateway.websocket.tls_peers import CA, FOREIGN_CA, client_context, describe_tls
from tests.support.websocket_frames import REQUEST


@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
    ],
)
async def test_clients_can_connect_with_each_of_the_supported_tls_1_2_cipher_suites(
    certificates: list[tuple[Path, Path]], suite: str
) -> None:
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suite)
    async with serving(Echo(), tls=server_context(certificates)) as server:
        tls = await describe_tls(server, context)
    assert (tls.version, tls.cipher) == ("TLSv1.2", suite)


def agrees(server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
    """Shake hands in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="cs.example"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                return False
    return True


@pytest.mark.parametrize("static_rsa", [True, False])
def test_no_other_tls_1_2_cipher_suite_of_openssl_can_be_used(
    certificates: list[tuple[Path, Path]], *, static_rsa: bool
) -> None:
    server, client = server_context(certificates, static_rsa=static_rsa), client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    offered = {one["name"] for one in client.get_ciphers() if one["protocol"] != "TLSv1.3"}
    accepted = set()
    for suite in offered:
        client.set_ciphers(f"{suite}:@SECLEVEL=0")
        if agrees(server, client):
            accepted.add(suite)
    ephemeral = {
        f"ECDHE-{key}-{suite}"
        for key in ("ECDSA", "RSA")
        for suite in ("AES128-GCM-SHA256", "AES256-GCM-SHA384")
    }
    static = {"AES128-GCM-SHA256", "AES256-GCM-SHA384"} if static_rsa else set()
    assert accepted == ephemeral | static
    assert len(offered) > 50


async def test_the_upgrade_handler_gets_the_tls_version_and_the_server_name(
    certificates: list[tuple[Path, Path]],
) -> None:
    seen = []

    async def handle(upgrade: Upgrade) -> None:
        seen.append(upgrade.tls)
        await Echo()(upgrade)

    async with serving(handle, tls=server_context(certificates)) as server:
        assert (await describe_tls(server, client_context(), "any.wild.example")).version == "TLSv1.3"
    assert seen[0] is not None
    assert (seen[0].version, seen[0].sni, seen[0].peer_certificate) == ("TLSv1.3", "any.wild.example", None)


async def test_cipher_suites_with_static_rsa_can_be_switched_off(
    certificates: list[tuple[Path, Path]],
) -> None:
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-GCM-SHA256")
    async with serving(Echo(), tls=server_context(certificates, static_rsa=False)) as server:
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            await describe_tls(server, context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["other.example", "a.b.wild.example", None])
async def test_a_handshake_with_a_wrong_or_missing_server_name_is_answered_with_a_tls_alert(
    certificates: list[tuple[Path, Path]], name: str | None, version: ssl.TLSVersion
) -> None:
    context = client_context()
    context.minimum_version = context.maximum_version = version
    context.check_hostname = False
    async with serving(Echo(), tls=server_context(certificates)) as server:
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            await describe_tls(server, context, name or "127.0.0.1")
        assert sum(server.stats.handshake_failures.values()) == 1


async def test_a_client_may_omit_the_server_name_if_the_check_of_the_name_is_switched_off(
    certificates: list[tuple[Path, Path]],
) -> None:
    context = client_context()
    context.check_hostname = False
    async with serving(Echo(), tls=server_context(certificates, require_sni=False)) as server:
        assert (await describe_tls(server, context, "127.0.0.1")).version == "TLSv1.3"


async def test_configured_server_names_replace_those_of_the_certificates(
    certificates: list[tuple[Path, Path]],
) -> None:
    context = client_context()
    context.check_hostname = False
    assert read_names(certificates[0][0]) == {"cs.example", "*.wild.example"}
    async with serving(Echo(), tls=server_context(certificates, server_names=["Given.example"])) as server:
        await describe_tls(server, context, "given.example")
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            await describe_tls(server, context, "cs.example")


async def test_a_client_certificate_is_verified_but_a_client_may_connect_without_one(
    certificates: list[tuple[Path, Path]],
) -> None:
    tls = server_context(certificates, client_authorities=certificates[0][0].with_name("ca.pem"))
    seen = []

    async def handle(upgrade: Upgrade) -> None:
        assert upgrade.tls is not None
        seen.append(upgrade.tls)
        await Echo()(upgrade)

    async with serving(handle, tls=tls) as server:
        await describe_tls(server, client_context())
        ours, through = client_context(), client_context()
        CA.issue_cert("cp1.example").configure_cert(ours)
        await describe_tls(server, ours)
        issuing = CA.create_child_ca()
        issuing.issue_cert("cp2.example").configure_cert(through)
        await describe_tls(server, through)
        theirs = client_context()
        theirs.maximum_version = ssl.TLSVersion.TLSv1_2
        FOREIGN_CA.issue_cert("cp1.example").configure_cert(theirs)
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            await describe_tls(server, theirs)
    assert seen[0].peer_certificate is None
    assert seen[0].authorities == ()
    assert seen[1].peer_certificate
    root, child = (ssl.PEM_cert_to_DER_cert(one.cert_pem.bytes().decode()) for one in (CA, issuing))
    assert [one.authorities for one in seen[1:]] == [(root,), (child, root)]
    assert seen[1].authorities[0] is seen[2].authorities[1], "the bytes of an authority are kept only once"


async def test_tls_1_1_and_renegotiation_are_refused(certificates: list[tuple[Path, Path]]) -> None:
    async with serving(Echo(), tls=server_context(certificates)) as server:
        old = await _openssl(server, b"", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
        assert "alert protocol version" in old
        again = await _openssl(server, b"R\n", "-tls1_2")
        assert "no renegotiation" in again
        alert = await _openssl(server, b"", "-tls1_3", "-servername", "wrong.example")
        assert "unrecognized name" in alert


async def _openssl(server: Server, typed: bytes, *options: str) -> str:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed")
    name = () if "-servername" in options else ("-servername", "cs.example")
    done = await trio.run_process(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{server.ports[0]}", *name, *options],
        stdin=typed,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert isinstance(done, subprocess.CompletedProcess)
    return (done.stdout + done.stderr).decode(errors="replace")


@pytest.mark.parametrize("tickets", [True, False])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_earlier_session_is_resumed_neither_by_ticket_nor_by_session_id(
    certificates: list[tuple[Path, Path]], version: ssl.TLSVersion, *, tickets: bool
) -> None:
    context = client_context()
    context.minimum_version = context.maximum_version = version
    if not tickets:
        context.options |= ssl.OP_NO_TICKET

    def connect_with(port: int, session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool]:
        with (
            socket.create_connection(("127.0.0.1", port)) as tcp,
            context.wrap_socket(tcp, server_hostname="cs.example", session=session) as tls,
        ):
            tls.sendall(REQUEST)
            assert tls.recv(99).startswith(b"HTTP/1.1 101")
            reused = tls.session_reused
            assert reused is not None
            return tls.session, reused

    async with serving(Echo(), tls=server_context(certificates)) as server:
        session, _ = await trio.to_thread.run_sync(connect_with, server.ports[0], None)
        # A client may show a ticket without a session id, so the server must not give tickets away.
        assert session is not None
        assert not session.has_ticket
        for _ in range(2):
            session, reused = await trio.to_thread.run_sync(connect_with, server.ports[0], session)
            assert not reused
        assert not server.stats.handshake_failures


async def test_a_client_that_asks_for_an_earlier_session_still_gets_the_checks_of_the_context(
    certificates: list[tuple[Path, Path]],
) -> None:
    """The context of such a connection is another one."""
    tls = server_context(certificates, client_authorities=certificates[0][0].with_name("ca.pem"))
    fresh = without_sessions(tls)
    assert (fresh.verify_mode, fresh.verify_flags, fresh.options, fresh.minimum_version) == (
        tls.verify_mode,
        tls.verify_flags,
        tls.options,
        tls.minimum_version,
    )
    seen = []

    async def handle(upgrade: Upgrade) -> None:
        seen.append(upgrade.tls)
        await Echo()(upgrade)

    # A handler of any context takes its place in the server, as if every client asked for a session.
    async with serving(handle, tls=fresh) as server:
        ours = client_context()
        CA.issue_cert("cp1.example").configure_cert(ours)
        await describe_tls(server, ours)
        theirs = client_context()
        theirs.maximum_version = ssl.TLSVersion.TLSv1_2
        FOREIGN_CA.issue_cert("cp1.example").configure_cert(theirs)
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            await describe_tls(server, theirs)
        theirs.check_hostname = False
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            await describe_tls(server, theirs, "other.example")
    [tls_info] = seen
    assert tls_info is not None
    assert tls_info.peer_certificate
    assert tls_info.sni == "cs.example"
