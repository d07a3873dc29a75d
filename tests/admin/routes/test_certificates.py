"""Certificates over HTTP: how they are installed, listed as the charge point reports them, and deleted."""

import base64
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.handlers.certificates import sign_certificate
from gateway.handlers.charge_point import ChargePoint, SessionMemory
from gateway.ocpp16.messages import security
from gateway.service import certificates as pem
from state.charge_points import configuration
from state.charge_points import security as security_state
from state.charge_points.configuration import ReportedKey
from state.charge_points.security import NameCheck
from state.keys import ChargePointKeys
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, connected
from tests.admin.problem import is_problem
from tests.admin.remembering import remembering
from tests.support.certificates import DAY, NOW, certificate, ec_key, request

BASE = f"/v1/tenants/{TENANT}/charge-points/CP-1"
PATH = f"{BASE}/certificates"
CENTRAL, MAKER = "CentralSystemRootCertificate", "ManufacturerRootCertificate"
ROOT = certificate("Root 1", serial=0xABCDEF)
OTHER = certificate("Root 2")


def hash_data(of: str, algorithm: str = "SHA256") -> dict[str, str]:
    """Return the hash data in capital letters, as the charge point reports it."""
    [root] = pem.read_all(of)
    [one] = [one for one in root.hash_data if one.hash_algorithm == algorithm]
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": one.issuer_name_hash.upper(),
        "issuerKeyHash": one.issuer_key_hash.upper(),
        "serialNumber": one.serial_number.upper(),
    }


class Store:
    """The certificates of a charge point, and its answers to calls about them."""

    def __init__(self) -> None:
        self.held: dict[str, list[dict[str, str]]] = {CENTRAL: [], MAKER: []}
        self.algorithm = "SHA256"
        self.word: str | None = None

    def __call__(self, action: str, payload: Any) -> Any:
        match action:
            case "InstallCertificate":
                self.held[payload["certificateType"]].append(
                    hash_data(payload["certificate"], self.algorithm)
                )
            case "GetInstalledCertificateIds":
                found = self.held[payload["certificateType"]]
                return (
                    {"status": "Accepted", "certificateHashData": found} if found else {"status": "NotFound"}
                )
            case "DeleteCertificate" if self.word is None:
                gone = payload["certificateHashData"]
                self.held = {name: [one for one in held if one != gone] for name, held in self.held.items()}
        return {"status": self.word or "Accepted"}


async def ok(response: Any) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


async def install(api: Api, certificate: str, certificate_type: str = CENTRAL) -> Any:
    body = {"certificateType": certificate_type, "certificate": certificate}
    return await ok(await api.client.post(f"{BASE}/commands/InstallCertificate", json=body))


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
async def test_a_certificate_can_be_installed_and_reported_and_deleted(api: Api, algorithm: str) -> None:
    answers = Store()
    answers.algorithm = algorithm
    answering, asked = remembering(answers)
    async with connected(api.store, TENANT, "CP-1", answering):
        assert (await ok(await api.client.get(PATH)))["items"] == []
        assert (await install(api, ROOT.pem))["warnings"] == []
        before = await ok(await api.client.get(PATH))
        assert before["items"] == [
            {"certificate_type": CENTRAL, "read_at": None, "out_of_date": True, "certificates": []}
        ]
        [installed] = before["installed"]
        assert (installed["subject"], installed["certificate_type"]) == ("CN=Root 1", CENTRAL)
        refreshed = await ok(await api.client.post(f"{PATH}/refresh?type={CENTRAL}"))
        assert refreshed["response"]["certificateHashData"] == [hash_data(ROOT.pem, algorithm)]
        [listing] = (await ok(await api.client.get(PATH)))["items"]
        assert (listing["out_of_date"], listing["read_at"] is None) == (False, False)
        [shown] = listing["certificates"]
        assert (shown["subject"], shown["hash_algorithm"]) == ("CN=Root 1", algorithm)
        assert shown["not_before"] == (NOW - DAY).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        deleted = await ok(await api.client.delete(f"{PATH}/{shown['id']}"))
        assert deleted["response"] == {"status": "Accepted"}
        assert deleted["warnings"] == []
        assert asked[-1] == ("DeleteCertificate", {"certificateHashData": hash_data(ROOT.pem, algorithm)})
        after = await ok(await api.client.get(PATH))
        assert (after["items"][0]["certificates"], after["installed"]) == ([], [])
        is_problem(await api.client.delete(f"{PATH}/{shown['id']}"), 404, "not-found")


async def test_a_certificate_stays_listed_until_the_charge_point_deletes_it_or_does_not_find_it(
    api: Api,
) -> None:
    answers = Store()
    answering, _ = remembering(answers)
    async with connected(api.store, TENANT, "CP-1", answering):
        await install(api, ROOT.pem)
        await ok(await api.client.post(f"{PATH}/refresh?type={CENTRAL}"))
        [shown] = (await ok(await api.client.get(PATH)))["items"][0]["certificates"]
        for word, left in (("Failed", 1), ("NotFound", 0)):
            answers.word = word
            deleted = await ok(await api.client.delete(f"{PATH}/{shown['id']}"))
            assert deleted["response"] == {"status": word}
            [listing] = (await ok(await api.client.get(PATH)))["items"]
            assert len(listing["certificates"]) == left


async def test_a_root_certificate_that_the_charge_point_refuses_does_not_change_the_certificate_list(
    api: Api,
) -> None:
    answers = Store()
    answering, _ = remembering(answers)
    async with connected(api.store, TENANT, "CP-1", answering):
        for word in ("Rejected", "Failed"):
            answers.word = word
            await install(api, ROOT.pem, MAKER)
        found = await ok(await api.client.get(PATH))
        assert (found["items"], found["installed"]) == ([], [])


async def test_a_request_to_refresh_the_certificates_is_answered_422_if_it_names_no_certificate_type(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        for query in ("", "?type=V2GRootCertificate"):
            document = is_problem(await api.client.post(f"{PATH}/refresh{query}"), 422, "invalid-request")
            assert document["errors"][0]["parameter"] == "type"
        assert session.claimed == []


async def ask_to_sign(session: FakeSession, csr: str) -> str:
    charge_point = ChargePoint(session.store, session.lease, SessionMemory(300, None))
    return (await sign_certificate(security.SignCertificate(csr=csr), charge_point)).status


async def test_a_certificate_signing_request_is_shown_and_compared_with_the_certificate_issued_for_it(
    api: Api,
) -> None:
    key = ec_key()
    csr = request(key, "Serial 7")
    async with connected(api.store, TENANT, "CP-1") as session:
        is_problem(await api.client.get(f"{BASE}/certificate-request"), 404, "not-found")
        assert await ask_to_sign(session, "nonsense") == "Rejected"
        assert await ask_to_sign(session, csr) == "Rejected"
        check = NameCheck(binding="serial_number", serial_number="Serial 7")
        await security_state.change_name_check(api.store, session.lease.keys, lambda _: check)
        assert await ask_to_sign(session, csr) == "Accepted"
        shown = await ok(await api.client.get(f"{BASE}/certificate-request"))
        assert (shown["csr"], shown["subject"], shown["key"]) == (csr, "CN=Serial 7", "EC secp256r1")
        for signed, expected in (
            (certificate("Serial 7", issuer=ROOT, key=key), []),
            (certificate("Serial 7", issuer=ROOT), ["has another key"]),
        ):
            chain = {"certificateChain": signed.pem + ROOT.pem}
            assert_warned(await command(api, "CertificateSigned", chain), expected)


async def command(api: Api, action: str, payload: Any) -> list[str]:
    """Send a command, check that its payload is unchanged, and return its warnings."""
    answer = await ok(await api.client.post(f"{BASE}/commands/{action}", json=payload))
    assert answer["payload"] == payload
    found: list[str] = answer["warnings"]
    return found


def assert_warned(found: list[str], expected: list[str]) -> None:
    assert len(found) == len(expected), found
    for sentence, part in zip(found, expected, strict=True):
        assert part in sentence
        assert sentence.endswith((".", ")."))


EXPIRED = certificate("old", begins=NOW - 2 * DAY, ends=NOW - DAY)
NOT_YET = certificate("new", begins=NOW + DAY, ends=NOW + 2 * DAY)
LEAF = certificate("leaf", issuer=ROOT)


async def test_a_root_certificate_that_looks_wrong_is_sent_with_a_warning(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        for root, expected in (
            (ROOT.pem, []),
            (ROOT.pem.replace("\n", "\r\n"), ["CRLF"]),
            (ROOT.pem + OTHER.pem, ["more than one"]),
            (LEAF.pem, ["not self-signed"]),
            (EXPIRED.pem, ["expired"]),
            (NOT_YET.pem, ["not valid yet"]),
            ("nonsense\r\n", ["CRLF", "not a certificate in PEM"]),
        ):
            body = {"certificateType": MAKER, "certificate": root}
            assert_warned(await command(api, "InstallCertificate", body), expected)


async def test_a_command_that_deletes_a_certificate_has_a_warning_if_the_certificate_was_never_reported(
    api: Api,
) -> None:
    answering, _ = remembering(Store())
    async with connected(api.store, TENANT, "CP-1", answering):
        await install(api, ROOT.pem)
        await ok(await api.client.post(f"{PATH}/refresh?type={CENTRAL}"))
    reported = hash_data(ROOT.pem)
    lower = {name: value if name == "hashAlgorithm" else value.lower() for name, value in reported.items()}
    async with connected(api.store, TENANT, "CP-1"):
        for asked, expected in (
            (reported, []),
            (lower, ["different upper and lower case"]),
            (reported | {"serialNumber": "1"}, ["M04.FR.07"]),
            (hash_data(ROOT.pem, "SHA512"), ["M04.FR.07"]),
        ):
            assert_warned(await command(api, "DeleteCertificate", {"certificateHashData": asked}), expected)


async def test_a_trigger_for_a_message_without_a_connector_has_a_warning_if_the_trigger_names_a_connector(
    api: Api,
) -> None:
    sign = {"requestedMessage": "SignChargePointCertificate"}
    async with connected(api.store, TENANT, "CP-1"):
        for payload, expected in (
            (sign, []),
            (sign | {"connectorId": 1}, ["omit connectorId"]),
            ({"requestedMessage": "StatusNotification", "connectorId": 1}, []),
        ):
            assert_warned(await command(api, "ExtendedTriggerMessage", payload), expected)


async def test_a_signed_firmware_update_that_looks_wrong_is_sent_with_a_warning(api: Api) -> None:
    firmware = {
        "location": "https://firmware.example/1.bin",
        "retrieveDateTime": "2026-01-01T00:00:00Z",
        "signingCertificate": LEAF.pem,
        "signature": "YWJj",
    }
    no_roots = "did not look for the manufacturer root"
    changes: list[tuple[dict[str, str], list[str]]] = [
        ({}, ["not an ECDSA signature", "did not verify the signature", no_roots]),
        ({"signingCertificate": "nonsense"}, ["InvalidCertificate"]),
        ({"signingCertificate": EXPIRED.pem, "signature": "!"}, ["expired", "not base64", no_roots]),
        (
            {"signingCertificate": LEAF.pem.replace("\n", "\r\n"), "signature": ""},
            ["CRLF", "not base64", no_roots],
        ),
    ]
    async with connected(api.store, TENANT, "CP-1"):
        for number, (changed, expected) in enumerate(changes):
            payload = {"requestId": number, "firmware": firmware | changed}
            assert_warned(await command(api, "SignedUpdateFirmware", payload), expected)


async def test_the_signature_of_firmware_is_verified_with_the_hash_that_the_operator_gives(api: Api) -> None:
    key, image = ec_key(), b"firmware"
    signing = certificate("signer", issuer=ROOT, key=key)
    signature = base64.b64encode(key.sign(image, ec.ECDSA(hashes.SHA256()))).decode()
    firmware = {
        "location": "https://firmware.example/1.bin",
        "retrieveDateTime": "2026-01-01T00:00:00Z",
        "signingCertificate": signing.pem + ROOT.pem,
        "signature": signature,
    }
    path, digest = f"{BASE}/commands/SignedUpdateFirmware", hashlib.sha256(image).hexdigest()
    answers = Store()
    answers.held[MAKER] = [hash_data(ROOT.pem, "SHA512")]
    answering, asked = remembering(answers)
    async with connected(api.store, TENANT, "CP-1", answering):
        await ok(await api.client.post(f"{PATH}/refresh?type={MAKER}"))
        for number, (given, expected) in enumerate(
            ((digest.upper(), []), (hashlib.sha256(b"other").hexdigest(), ["The signature is wrong"]))
        ):
            body = {"requestId": number, "firmware": firmware}
            answer = await ok(await api.client.post(path, params={"firmware_sha256": given}, json=body))
            assert_warned(answer["warnings"], expected)
            assert asked[-1] == ("SignedUpdateFirmware", body)
        body = {"requestId": 9, "firmware": firmware}
        for action, given in (("SignedUpdateFirmware", "abc"), ("ClearCache", digest)):
            wrong = await api.client.post(
                f"{BASE}/commands/{action}", params={"firmware_sha256": given}, json=body
            )
            is_problem(wrong, 422, "invalid-request")


async def test_a_request_for_the_log_has_a_warning_if_its_request_id_was_used_before(api: Api) -> None:
    answering, _ = remembering(lambda *_: {"status": "Accepted"})
    log = {"logType": "DiagnosticsLog", "log": {"remoteLocation": "https://x/"}, "requestId": 1}
    async with connected(api.store, TENANT, "CP-1", answering):
        assert_warned(await command(api, "GetLog", log), [])
        assert_warned(await command(api, "GetLog", log), ["requestId 1"])
        assert_warned(await command(api, "GetLog", log | {"requestId": 2}), [])


async def test_a_certificate_chain_that_looks_wrong_is_sent_with_a_warning(api: Api) -> None:
    keys = ChargePointKeys(TENANT, "CP-1")
    async with connected(api.store, TENANT, "CP-1") as session:
        told = [ReportedKey("CertificateSignedMaxChainSize", "600", readonly=True)]
        await configuration.learn(session.store, keys, told, (), complete=False)
        for chain, expected in (
            (LEAF.pem, ["has not asked"]),
            (LEAF.pem + ROOT.pem, ["MaxChainSize", "has not asked"]),
            ("nonsense", ["not a certificate in PEM"]),
            (EXPIRED.pem, ["expired", "has not asked"]),
        ):
            assert_warned(await command(api, "CertificateSigned", {"certificateChain": chain}), expected)


async def test_a_request_for_certificates_of_an_unknown_charge_point_is_answered_404(api: Api) -> None:
    for method, path in (("GET", PATH), ("POST", f"{PATH}/refresh?type={CENTRAL}"), ("DELETE", f"{PATH}/x")):
        is_problem(await api.client.request(method, path), 404, "not-found")


async def test_an_operator_can_remove_a_certificate_from_the_list_without_a_call_to_the_charge_point(
    api: Api,
) -> None:
    answering, asked = remembering(Store())
    async with connected(api.store, TENANT, "CP-1", answering):
        await install(api, ROOT.pem)
        await ok(await api.client.post(f"{PATH}/refresh?type={CENTRAL}"))
        [shown] = (await ok(await api.client.get(PATH)))["items"][0]["certificates"]
        before = len(asked)
        assert (await api.client.delete(f"{PATH}/{shown['id']}?only_here=true")).status_code == 204
        after = await ok(await api.client.get(PATH))
        assert (after["items"][0]["certificates"], after["installed"]) == ([], [])
        is_problem(await api.client.delete(f"{PATH}/{shown['id']}?only_here=true"), 404, "not-found")
    assert len(asked) == before


async def test_a_certificate_signing_request_can_be_deleted(api: Api) -> None:
    wanted, path = security.SignCertificate(csr=request()), f"{BASE}/certificate-request"
    async with connected(api.store, TENANT, "CP-1") as session:
        is_problem(await api.client.delete(path), 404, "not-found")
        for _ in range(2):
            await sign_certificate(wanted, ChargePoint(api.store, session.lease, SessionMemory(300, None)))
            assert (await ok(await api.client.get(path)))["csr"] == wanted.csr
            assert (await api.client.delete(path)).status_code == 204
            is_problem(await api.client.get(path), 404, "not-found")
