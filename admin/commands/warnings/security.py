"""Warnings of the security extension: certificates, signatures and request ids that look wrong."""

import time

from admin.commands.warnings import firmware_signature
from admin.commands.warnings.remote_trigger import check_connector
from admin.commands.warnings.view import View, Warner
from admin.http import convert
from gateway.ocpp16.messages import security
from gateway.ocpp16.messages.types import Message
from gateway.service import certificate_requests
from gateway.service import certificates as pem
from state.features import certificates, job_record, jobs, signing_requests
from state.features.certificates import CertificateHash


async def install_certificate(request: security.InstallCertificate, _view: View) -> list[str]:
    """Warn of a certificate that a charge point may refuse (M05), and of PEM with CRLF."""
    found = _check_line_ends(request.certificate, "The certificate")
    try:
        [root, *more] = pem.read_all(request.certificate)
    except pem.Unreadable as error:
        return [*found, f"The charge point will most likely answer Rejected. {error}"]
    if more:
        found.append("The text has more than one certificate; InstallCertificate takes one root.")
    if not root.self_signed:
        found.append("The certificate is not self-signed, so it is not a root.")
    return found + _check_dates(root, "The certificate")


async def delete_certificate(request: security.DeleteCertificate, view: View) -> list[str]:
    """Warn if the charge point has not reported exactly this hash data (M04.FR.07)."""
    known = await certificates.read(view.store, view.tenant, view.charge_point)
    asked = convert(request.certificate_hash_data, CertificateHash)
    reported = list(known.all_hashes())
    if asked in reported:
        return []
    if any(map(asked.is_same, reported)):
        return ["The charge point reported these hashes with different upper and lower case."]
    return ["The charge point has not reported a certificate with this hash data (M04.FR.07)."]


async def extended_trigger_message(request: security.ExtendedTriggerMessage, view: View) -> list[str]:
    if request.requested_message == "SignChargePointCertificate" and request.connector_id is not None:
        return ["SignChargePointCertificate concerns the whole charge point; omit connectorId."]
    return await check_connector(request.requested_message, request.connector_id, view)


async def certificate_signed(request: security.CertificateSigned, view: View) -> list[str]:
    chain = request.certificate_chain
    found = _check_line_ends(chain, "The chain")
    settings = await view.configuration()
    most = settings.number("CertificateSignedMaxChainSize")
    if most is not None and len(chain) > most:
        found.append(
            f"The chain has {len(chain)} characters, and the charge point takes {most} "
            "(CertificateSignedMaxChainSize)."
        )
    try:
        leaf = pem.read_all(chain)[0]
    except pem.Unreadable as error:
        return [*found, f"The charge point will most likely answer Rejected. {error}"]
    found += _check_dates(leaf, "The first certificate")
    kept = await signing_requests.get(view.store, view.tenant, view.charge_point)
    if kept is None:
        found.append("The charge point has not asked for a certificate (SignCertificate).")
    elif certificate_requests.read(kept.csr).public_key != leaf.public_key:
        found.append(
            "The first certificate has another key than the latest SignCertificate of the charge point."
        )
    return found


async def signed_update_firmware(request: security.SignedUpdateFirmware, view: View) -> list[str]:
    """Warn of a wrong signature or signing certificate of firmware (A00.FR.706)."""
    firmware = request.firmware
    chain = firmware.signing_certificate
    found = _check_line_ends(chain, "The signing certificate")
    try:
        found += _check_dates(pem.read_all(chain)[0], "The signing certificate")
    except pem.Unreadable as error:
        found.append(f"The charge point will most likely answer InvalidCertificate. {error}")
    else:
        known = await certificates.read(view.store, view.tenant, view.charge_point)
        listing = known.listings.get("ManufacturerRootCertificate")
        roots = None if listing is None or listing.read_ms is None else listing.hash_data
        found += firmware_signature.check_signature(chain, firmware.signature, view.firmware_sha256)
        found += firmware_signature.check_chain(chain, roots)
    return found + await _check_request_id(request.request_id, "SignedUpdateFirmware", view)


async def get_log(request: security.GetLog, view: View) -> list[str]:
    return await _check_request_id(request.request_id, "GetLog", view)


async def _check_request_id(request_id: int, kind: job_record.Kind, view: View) -> list[str]:
    known = (await jobs.read(view.store, view.tenant, view.charge_point)).items
    if not any((job.kind, job.request_id) == (kind, request_id) for job in known):
        return []
    return [
        f"requestId {request_id} was already used for a {kind}, so its statuses may be taken for the other's."
    ]


def _check_line_ends(text: str, what: str) -> list[str]:
    return [f"{what} has CRLF line ends, and some charge points read only LF."] if "\r" in text else []


def _check_dates(certificate: pem.Certificate, what: str) -> list[str]:
    now_ms = time.time_ns() // 1_000_000
    if certificate.not_after_ms < now_ms:
        return [f"{what} has expired."]
    return [f"{what} is not valid yet."] if certificate.not_before_ms > now_ms else []


WARNERS: dict[type[Message], Warner] = {
    security.CertificateSigned: certificate_signed,
    security.DeleteCertificate: delete_certificate,
    security.ExtendedTriggerMessage: extended_trigger_message,
    security.GetLog: get_log,
    security.InstallCertificate: install_certificate,
    security.SignedUpdateFirmware: signed_update_firmware,
}
