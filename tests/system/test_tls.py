"""A gateway process with client certificates: security profile 3, revocation, renewal, and refusals."""

import base64
import json
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.service.client_certificates import read
from gateway.websocket.client import UpgradeRefused, connect
from gateway.websocket.close_codes import Close, Closed
from gateway.websocket.connection import Connection
from state.charge_points import denied_certificates, passwords, security
from state.keys import ChargePointKeys
from state.store import Store, StoreConfig, open_store
from state.tenants import refusal_records
from state.tenants.refusal_records import Filter
from tests.support.certificates import DAY, NOW, Made, certificate, revocation_list, write
from tests.support.raw_upgrade import Answer, dial, read_answer, request
from tests.support.waiting import until
from tests.system.central import PEPPER, Central, Process, Tenant


class Site:
    """The files of a gateway with a server certificate, a client authority and a revocation list."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = certificate("authority")
        write(folder, "server", certificate("cs.example", serial=1))
        (folder / "authorities.pem").write_text(self.authority.pem)
        self.revoke()

    def revoke(self, *serials: int) -> None:
        made = revocation_list(self.authority, *serials)
        (self.folder / "list.pem").write_bytes(made.public_bytes(Encoding.PEM))

    @property
    def settings(self) -> dict[str, Any]:
        pair = {"chain_file": f"{self.folder}/server.pem", "key_file": f"{self.folder}/server.key"}
        return {
            "listen__wss_port": 0,
            "listen__client_certificate_port": 0,
            "tls__certificates": json.dumps([pair]),
            "tls__server_names": "cs.example",
            "tls__client_authorities_file": f"{self.folder}/authorities.pem",
            "tls__revocation_list_files": f"{self.folder}/list.pem",
        }

    @asynccontextmanager
    async def charge_point(
        self, gateway: Process, tenant: Tenant, name: str, shown: Made
    ) -> AsyncIterator[Connection]:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*write(self.folder, name, shown))
        plain = tenant.url(gateway, name).partition("/OCPP16")[2]
        url = f"wss://127.0.0.1:{gateway.ports['client_certificate']}/OCPP16{plain}"
        async with connect(url, ssl_context=context, server_hostname="cs.example") as connection:
            yield connection


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
async def central_store(central: Central) -> AsyncIterator[Store]:
    async with open_store(StoreConfig(url=central.valkey.url)) as store:
        yield store


async def run(connection: Connection) -> Closed:
    async def ignore(_: bytes) -> None:
        await trio.lowlevel.checkpoint()

    return await connection.run(ignore)


async def test_a_denied_certificate_ends_its_session_and_a_bad_one_is_counted_with_its_reason(
    central: Central, site: Site, central_store: Store
) -> None:
    tenant = central.tenant()
    right = certificate("cp", issuer=site.authority, serial=7)
    expired = certificate("cp", issuer=site.authority, begins=NOW - 2 * DAY, ends=NOW - DAY)
    with trio.fail_after(120):
        async with central.gateway(**site.settings) as gateway, tenant.api() as api:
            async with site.charge_point(gateway, tenant, "cp", right) as cp:
                attached = (await api.get("/charge-points/cp")).json()["connection"]
                assert attached["online"]
                shown = read(right.certificate.public_bytes(Encoding.DER))
                await denied_certificates.deny(central_store, shown.fingerprint, "stolen", 1)
                closed = await run(cp)
                assert closed.code == Close.CERTIFICATE_INVALID.code
            with pytest.raises(UpgradeRefused, match="401"):
                async with site.charge_point(gateway, tenant, "cp", right):
                    pass
            with pytest.raises(ssl.SSLError, match="CERTIFICATE_EXPIRED"):
                async with site.charge_point(gateway, tenant, "cp", expired):
                    pass
            metrics = await gateway.read_metrics()
            assert metrics["csms_handshakes_total", "client_certificate_expired", "tls"] == 1
            assert metrics["csms_handshakes_total", "certificate_revoked", "admission"] == 1
            assert metrics["csms_handshakes_total", "accepted", "admission"] == 1


async def test_after_a_hangup_signal_a_gateway_uses_its_new_certificate_and_keeps_its_connections(
    central: Central, site: Site
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with central.gateway(**site.settings) as gateway:
            first = certificate("a", issuer=site.authority, serial=7)
            async with site.charge_point(gateway, tenant, "a", first) as kept:
                write(site.folder, "server", certificate("cs.example", serial=2))
                os.kill(gateway.pid, signal.SIGHUP)

                async def renewed() -> bool:
                    async with site.charge_point(
                        gateway, tenant, "b", certificate("b", issuer=site.authority)
                    ) as new:
                        assert new.tls is not None
                        assert new.tls.peer_certificate is not None
                        served = x509.load_der_x509_certificate(new.tls.peer_certificate)
                        return served.serial_number == 2

                await until(renewed)
                await kept.send(b'[2,"1","Heartbeat",{}]')
                replies = []

                async def on_text(text: bytes) -> None:
                    replies.append(text)
                    await kept.close(Close.LOAD_TEST_OVER)

                await kept.run(on_text)
                assert len(replies) == 1


@pytest.mark.parametrize("encrypted", [True, False])
async def test_a_proxy_names_the_address_of_a_charge_point_and_its_word_on_tls_makes_profile_2(
    central: Central, central_store: Store, *, encrypted: bool
) -> None:
    """Where TLS ends at the proxy, the floor refuses what the proxy received without TLS."""
    tenant = central.tenant()
    settings = {"listen__proxy_protocol": "true", "listen__trusted_networks": "127.0.0.0/8"}
    with trio.fail_after(120):
        async with central.gateway(**settings) as gateway, tenant.api() as api:
            assert (await api.put("/charge-points/cp", json={})).status_code == 201
            keys = ChargePointKeys(tenant.id, "cp")
            digest = passwords.digest(PEPPER.encode(), keys.member, bytes(range(20)))
            await security.set_password(central_store, keys, digest, 1)
            await security.set_floor(central_store, keys, 2)
            body = socket.inet_aton("203.0.113.9") + socket.inet_aton("10.0.0.1") + b"\x12\x67\x01\xbb"
            body += b"\x20\0\5" + (b"\1\0\0\0\0" if encrypted else b"\0\0\0\0\1")
            header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + len(body).to_bytes(2) + body
            basic = base64.b64encode(b"cp:" + bytes(range(20))).decode()
            url = tenant.url(gateway, "cp")
            asked = request(urlsplit(url).path, headers=[f"Authorization: Basic {basic}"])

            def ask(sock: socket.socket) -> Answer:
                sock.sendall(header + asked)
                return read_answer(sock)

            with dial(url) as sock:
                answer = await trio.to_thread.run_sync(ask, sock)
                assert answer.status == (101 if encrypted else 403)
                found = (await api.get("/charge-points/cp")).json()["connection"]
                assert found["address"] == ("203.0.113.9" if encrypted else None)


def test_the_proxy_protocol_needs_to_know_the_proxies(central: Central) -> None:
    process = central.start_gateway(listen__proxy_protocol="true")
    with pytest.raises(AssertionError, match=r"listen\.trusted_networks is empty"):
        process.wait_ready()
    process.stop()


@pytest.mark.slow
async def test_a_certificate_in_a_new_revocation_list_ends_its_session_within_a_minute(
    central: Central, site: Site, central_store: Store
) -> None:
    tenant = central.tenant()
    async with central.gateway(**site.settings) as gateway:
        right = certificate("cp", issuer=site.authority, serial=7)
        async with site.charge_point(gateway, tenant, "cp", right) as cp:
            site.revoke(7)
            with trio.fail_after(60):
                assert (await run(cp)).code == Close.CERTIFICATE_INVALID.code
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            async with site.charge_point(gateway, tenant, "cp", certificate("cp")):
                pass

        async def recorded() -> bool:
            found = (await refusal_records.list_(central_store, None, Filter())).items
            reason, words = "client_certificate_self_signed", "self-signed certificate (18)"
            return (reason, words, "127.0.0.1") in [(one.reason, one.detail, one.address) for one in found]

        await until(recorded)
