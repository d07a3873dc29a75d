"""A charge point connects with the certificate that csms issued, until the certificate is revoked."""

import ssl
from pathlib import Path

import httpx
import pytest
import trio
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.websocket.client import UpgradeRefused
from tests.support.certificates import Key, ec_key, request
from tests.support.charge_point_peer import charge_point
from tests.support.csms_up import Running
from tests.support.waiting import until
from tests.system import independent


def client_tls(running: Running, chain: str, key: Key, directory: Path) -> ssl.SSLContext:
    (directory / "chain.pem").write_text(chain)
    (directory / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(cafile=running.ca_file)
    context.load_cert_chain(directory / "chain.pem", directory / "key.pem")
    return context


async def test_a_charge_point_connects_with_its_certificate_and_loses_the_connection_when_it_is_revoked(
    running: Running, tmp_path: Path
) -> None:
    key, headers = ec_key(), {"Authorization": f"Bearer {running.api_key}"}
    base = f"{running.admin}/v1/tenants/pki-revoked"
    server = ssl.create_default_context(cafile=running.ca_file)
    with trio.fail_after(180):
        async with httpx.AsyncClient(headers=headers, timeout=60, verify=False) as api:
            made = await api.put(
                base, json={"auto_register": True, "security_profile": 0, "certificate_signing": "automatic"}
            )
            assert made.status_code == 201, made.text
            token = (await api.post(f"{base}/tokens", json={})).json()["secret"]
            url = f"{running.wss}/OCPP16/pki-revoked/{token}/cp"
            of_charge_point = f"{base}/charge-points/cp"
            assert (await api.put(of_charge_point, json={})).status_code == 201
            given = (await api.put(f"{of_charge_point}/authorization-key", json={})).json()["value"]
            password = f"Authorization: {independent.basic('cp', bytes.fromhex(given))}"
            async with charge_point(url, tls=server, header=password) as cp:
                csr = {"csr": request(key, "cp")}
                assert await cp.call("SignCertificate", csr) == {"status": "Accepted"}
                await cp.wait_asked()
            chain = cp.asked[0][2]["certificateChain"]
            own = client_tls(running, chain, key, tmp_path)
            async with charge_point(url, tls=own) as cp:
                shown = (await api.get(f"{of_charge_point}/security")).json()
                assert shown["security_profile"] == 3
                with pytest.raises(UpgradeRefused):
                    async with charge_point(url, tls=server, header=password):
                        pass
                [one] = (await api.get(f"{of_charge_point}/issued-certificates")).json()["items"]
                assert one["status"] == "accepted"
                path = f"{of_charge_point}/issued-certificates/{one['serial_number']}/revoke"
                assert (await api.post(path)).status_code == 200

                async def closed() -> bool:
                    return cp.ended.is_set()

                await until(closed)
            with pytest.raises(UpgradeRefused):
                async with charge_point(url, tls=own):
                    pass
