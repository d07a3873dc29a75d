"""Security: root certificates, logs, signed firmware, subprotocols."""

import pytest
from websockets import InvalidStatus

from tests.conformance import keys
from tests.conformance.charge_point import ChargePoint, now
from tests.conformance.laboratory import SECOND_ROOT, Laboratory
from tests.conformance.station import Json

ACCEPTED = {"status": "Accepted"}
REQUEST = 815


# --- Root certificates ---


async def installed(lab: Laboratory, cp: ChargePoint, use: str, *hash_data: Json) -> None:
    answer: Json = (
        ACCEPTED | {"certificateHashData": list(hash_data)} if hash_data else {"status": "NotFound"}
    )
    await lab.command(cp, "GetInstalledCertificateIds", {"certificateType": use}, answer)


async def _install_and_list(lab: Laboratory, use: str) -> None:
    async with lab.booted() as cp:
        await lab.install_root(cp, use)
        await installed(lab, cp, use, keys.hash_data(keys.root(SECOND_ROOT), "SHA256"))


async def test_tc_075_1_the_operator_installs_a_root_certificate_of_the_manufacturer(lab: Laboratory) -> None:
    await _install_and_list(lab, "ManufacturerRootCertificate")


async def test_tc_075_2_the_operator_installs_a_root_certificate_of_the_central_system(
    lab: Laboratory,
) -> None:
    await _install_and_list(lab, "CentralSystemRootCertificate")


@pytest.mark.parametrize("algorithm", list(keys.HASHES))
async def test_tc_076_the_operator_deletes_a_certificate_from_the_charge_point(
    lab: Laboratory, algorithm: str
) -> None:
    use = "CentralSystemRootCertificate"
    reported = keys.hash_data(keys.root(SECOND_ROOT), algorithm)
    async with lab.booted() as cp:
        await lab.install_root(cp, use)
        await installed(lab, cp, use, reported)
        [listing] = (await lab.read("/certificates"))["items"]
        [known] = listing["certificates"]
        path = f"/charge-points/{lab.id}/certificates/{known['id']}"
        asked = {"certificateHashData": reported}
        await lab.operate(cp, "DELETE", path, "DeleteCertificate", asked, ACCEPTED)
        await installed(lab, cp, use)
        [listing] = (await lab.read("/certificates"))["items"]
        assert listing["certificates"] == []


async def test_tc_078_the_charge_point_rejects_an_invalid_root_certificate_of_the_central_system(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        await lab.install_root(cp, "CentralSystemRootCertificate", "Rejected")
        await lab.report_security_event(cp, "InvalidCentralSystemCertificate")


# --- Logs ---


async def test_tc_079_the_charge_point_uploads_its_security_log(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        asked = {
            "log": {"remoteLocation": "https://octt.example/logs"},
            "logType": "SecurityLog",
            "requestId": REQUEST,
        }
        await lab.command(cp, "GetLog", asked, ACCEPTED | {"filename": "security.log"})
        await cp.report("LogStatusNotification", "Uploading", "Uploaded", requestId=REQUEST)
        await lab.check_job("GetLog", "Uploading", "Uploaded")


# --- Signed firmware ---


def update(signature: str) -> Json:
    return {
        "requestId": REQUEST,
        "firmware": {
            "location": "https://octt.example/firmware.bin",
            "retrieveDateTime": now(),
            "signingCertificate": keys.pem(keys.root("OCTT firmware")),
            "signature": signature,
        },
    }


async def test_tc_080_a_signed_firmware_update_is_installed(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "SignedUpdateFirmware", update(keys.signature(b"firmware")), ACCEPTED)
        await cp.report("SignedFirmwareStatusNotification", "Downloading", requestId=REQUEST)
        await cp.status(0, "Unavailable")
        more = "Downloaded", "SignatureVerified", "Installing", "InstallRebooting"
        await cp.report("SignedFirmwareStatusNotification", *more, requestId=REQUEST)
    async with lab.connected() as cp:
        await cp.boot()
        await lab.report_security_event(cp, "FirmwareUpdated")
        await cp.available()
        await cp.report("SignedFirmwareStatusNotification", "Installed", requestId=REQUEST)
        await lab.check_job("SignedUpdateFirmware", "Downloading", *more, "Installed")


async def test_tc_081_a_firmware_update_with_an_invalid_signature_is_not_installed(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "SignedUpdateFirmware", update("bm8gc2lnbmF0dXJl"), ACCEPTED)
        statuses = "Downloading", "Downloaded", "InvalidSignature"
        await cp.report("SignedFirmwareStatusNotification", *statuses, requestId=REQUEST)
        await lab.report_security_event(cp, "InvalidFirmwareSignature")
        await lab.check_job("SignedUpdateFirmware", *statuses)


# --- Subprotocol ---


async def test_tc_088_the_subprotocol_ocpp_1_6_is_chosen_and_an_unknown_subprotocol_is_refused(
    lab: Laboratory,
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with lab.connected(subprotocols=("ocpp0.1",)):
            pass
    assert 400 <= refused.value.response.status_code < 500
    async with lab.connected(subprotocols=("ocpp0.1", "ocpp1.6")) as cp:
        assert cp.websocket.subprotocol == "ocpp1.6"
        await cp.cold_boot()
