"""A charge point asks for a certificate, and csms signs and sends it, over real sockets and processes."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from ocpp.routing import on
from ocpp.v16 import call, call_result
from ocpp.v16.enums import Action, CertificateSignedStatus

from admin.cli.authority_files import create_directory
from gateway.service.client_certificates import owner_uri
from tests.support.certificates import Key, request
from tests.support.charge_point_peer import charge_point
from tests.support.csms_up import Running
from tests.support.waiting import GENEROUS_S, until, wait_until
from tests.system import independent
from tests.system.central import Central, Process, Tenant

type Gateways = tuple[Process, Process]

KEYS: dict[str, Key] = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "ec": ec.generate_private_key(ec.SECP256R1()),
}


class Asking(independent.Independent):
    """A charge point that takes or refuses the certificate that the central system sends."""

    answer = CertificateSignedStatus.accepted

    def __init__(self, id_: str, connection: Any) -> None:
        super().__init__(id_, connection)
        self.chains: asyncio.Queue[str] = asyncio.Queue()

    @on(Action.certificate_signed)
    def on_certificate_signed(self, certificate_chain: str) -> Any:
        self.chains.put_nowait(certificate_chain)
        return call_result.CertificateSigned(status=self.answer)


class Refusing(Asking):
    answer = CertificateSignedStatus.rejected


@contextmanager
def tenant_of(running: Running, name: str, signing: str) -> Iterator[tuple[Running, httpx.Client]]:
    """Make a tenant of its own, because other tests use the tenant of `running`."""
    headers = {"Authorization": f"Bearer {running.api_key}"}
    with httpx.Client(
        base_url=f"{running.admin}/v1/tenants/{name}", headers=headers, timeout=GENEROUS_S
    ) as api:
        settings = {
            "name": "Example Ltd",
            "auto_register": True,
            "security_profile": 0,
            "certificate_signing": signing,
        }
        assert api.put(str(api.base_url).rstrip("/"), json=settings).status_code in {200, 201}
        token = api.post("/tokens", json={}).json()["secret"]
        found = {name: getattr(running, name) for name in Running.__struct_fields__}
        yield Running(**found | {"tenant": name, "token": token}), api


async def renew(
    running: Running, api: httpx.Client, family: str, kind: type[Asking], *, approve: bool
) -> str:
    """Ask for a certificate, and return the chain after csms has recorded the answer."""
    given = None if approve else give_password(api, "CP1")
    async with independent.charge_point(running, "CP1", kind, given) as cp:
        await cp.boot()
        answered = await cp.call(call.SignCertificate(csr=request(KEYS[family], "CP1")))
        assert answered.status == "Accepted"
        if approve:
            assert cp.chains.empty()
            path = "/charge-points/CP1/certificate-request"
            waiting = await asyncio.to_thread(api.get, path)
            assert waiting.json()["status"] == "waiting"
            approved = await asyncio.to_thread(api.post, f"{path}/approve")
            assert approved.status_code == 200, approved.text
        async with asyncio.timeout(GENEROUS_S):
            chain = await cp.chains.get()
            wanted = "rejected" if kind is Refusing else "accepted"
        await asyncio.to_thread(wait_until, lambda: [one["status"] for one in issued(api)] == [wanted])
    return chain


def give_password(api: httpx.Client, id_: str) -> bytes:
    """Register a charge point with a password. Without one, no request is signed automatically."""
    assert api.put(f"/charge-points/{id_}", json={}).status_code == 201
    given = api.put(f"/charge-points/{id_}/authorization-key", json={})
    assert given.status_code == 200, given.text
    return bytes.fromhex(given.json()["value"])


def issued(api: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/charge-points/CP1/issued-certificates").json()["items"]
    return found


@pytest.mark.parametrize(
    ("family", "signing", "kind"),
    [("rsa", "automatic", Asking), ("ec", "manual", Asking), ("ec", "automatic", Refusing)],
)
def test_an_independent_charge_point_gets_a_certificate_that_openssl_verifies(
    running: Running, tmp_path: Path, family: str, signing: str, kind: type[Asking]
) -> None:
    name = f"pki-{family}-{signing}"
    with tenant_of(running, name, signing) as (own, api):
        chain = asyncio.run(renew(own, api, family, kind, approve=signing == "manual"))
        [known] = issued(api)
    leaf, issuing = x509.load_pem_x509_certificates(chain.encode())
    assert leaf.public_key() == KEYS[family].public_key()
    assert leaf.subject.rfc4514_string() == "CN=CP1,O=Example Ltd"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [owner_uri(name, "CP1")]
    assert known["serial_number"] == f"{leaf.serial_number:x}"
    assert known["issuer"] == issuing.subject.rfc4514_string()
    assert datetime.fromisoformat(known["not_after"]) == leaf.not_valid_after_utc
    assert leaf.not_valid_after_utc > datetime.now(UTC)
    (tmp_path / "chain.pem").write_text(chain)
    root = Path(running.data_dir) / "ca" / f"{family}-root.pem"
    done = subprocess.run(
        [
            *("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", root),
            *("-untrusted", tmp_path / "chain.pem", tmp_path / "chain.pem"),
        ],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pki") / "authority"
    create_directory(made, "Example", datetime.now(UTC))
    return made


async def connectable(tenant: Tenant, id_: str) -> str:
    """Register a charge point with a password, and return the header with which it connects."""
    async with tenant.api() as api:
        assert (await api.put(f"/charge-points/{id_}", json={})).status_code == 201
        given = (await api.put(f"/charge-points/{id_}/authorization-key", json={})).json()["value"]
    return f"Authorization: {independent.basic(id_, bytes.fromhex(given))}"


async def sign_automatically(tenant: Tenant) -> None:
    settings = {"auto_register": True, "security_profile": 0, "certificate_signing": "automatic"}
    async with tenant.api() as api:
        assert (await api.put(str(api.base_url).rstrip("/"), json=settings)).status_code == 200


@pytest.mark.slow
async def test_two_admin_processes_at_once_send_each_charge_point_one_certificate(
    central: Central, gateways: Gateways, directory: Path
) -> None:
    tenant, url, chains = central.tenant(), central.valkey.url, dict[str, list[str]]()
    await sign_automatically(tenant)

    async def ask(id_: str) -> None:
        own = await connectable(tenant, id_)
        async with charge_point(tenant.url(gateways[len(chains) % 2], id_), header=own) as cp:
            csr = request(common_name=id_)
            assert await cp.call("SignCertificate", {"csr": csr}) == {"status": "Accepted"}
            await cp.wait_asked()

            async def accepted() -> bool:
                items = (await api.get(f"/charge-points/{id_}/issued-certificates")).json()["items"]
                return [one["status"] for one in items] == ["accepted"]

            await until(accepted, every_s=0.2)
            chains[id_] = [payload["certificateChain"] for _, _, payload in cp.asked]

    with trio.fail_after(120):
        async with (
            central.second_admin(url, pki__directory=directory),
            central.second_admin(url, pki__directory=directory),
            tenant.api() as api,
            trio.open_nursery() as nursery,
        ):
            for number in range(30):
                nursery.start_soon(ask, f"cp{number}")
    assert len(chains) == 30
    assert [id_ for id_, sent in chains.items() if len(sent) != 1] == []


@pytest.mark.slow
async def test_a_chain_that_a_killed_admin_process_had_signed_is_sent_by_another_one(
    central: Central, gateways: Gateways, directory: Path
) -> None:
    tenant, url = central.tenant(), central.valkey.url
    await sign_automatically(tenant)
    path = "/charge-points/cp/certificate-request"
    with trio.fail_after(180):
        async with tenant.api() as api:
            own = await connectable(tenant, "cp")
            async with charge_point(tenant.url(gateways[0], "cp"), header=own) as cp:
                sent = {"csr": request(common_name="cp")}
                assert await cp.call("SignCertificate", sent) == {"status": "Accepted"}

            async with central.second_admin(url, pki__directory=directory) as first:

                async def signed() -> bool:
                    return bool((await api.get(path)).json()["status"] == "signed")

                await until(signed, every_s=0.1)
                before = (await api.get(path)).json()["serial_number"]
                await trio.to_thread.run_sync(first.kill)
            async with (
                central.second_admin(url, pki__directory=directory),
                charge_point(tenant.url(gateways[1], "cp"), header=own) as cp,
            ):
                await cp.wait_asked()
                [(_, action, payload)] = cp.asked
                assert action == "CertificateSigned"
                leaf = x509.load_pem_x509_certificates(payload["certificateChain"].encode())[0]
                assert f"{leaf.serial_number:x}" == before
            items = (await api.get("/charge-points/cp/issued-certificates")).json()["items"]
            assert [one["serial_number"] for one in items] == [before]


async def test_a_request_for_a_certificate_with_a_name_of_another_charge_point_is_rejected(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp")) as cp:
            boot = {
                "chargePointModel": "m",
                "chargePointVendor": "v",
                "chargePointSerialNumber": "SN 1",
                "chargeBoxSerialNumber": "BOX 2",
            }
            assert (await cp.call("BootNotification", boot))["status"] == "Accepted"
            for name, status in (
                ("cp", "Accepted"),
                ("SN 1", "Accepted"),
                ("BOX 2", "Accepted"),
                ("x", "Rejected"),
            ):
                csr = request(KEYS["ec"], name)
                assert await cp.call("SignCertificate", {"csr": csr}) == {"status": status}
            shown = (await api.get("/charge-points/cp/certificate-request")).json()
            assert shown["subject"] == "CN=BOX 2"
            check = {"binding": "common_name", "common_name": "x"}
            assert (await api.patch("/charge-points/cp/security", json=check)).status_code == 200
            csr = request(KEYS["ec"], "x")
            assert await cp.call("SignCertificate", {"csr": csr}) == {"status": "Accepted"}
