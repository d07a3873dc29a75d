"""Certificates that a charge point reports, installs, deletes or asks to have signed."""

from gateway.handlers.charge_point import ChargePoint, now_ms
from gateway.handlers.handler import Answered
from gateway.ocpp16.messages import security
from gateway.service import certificate_requests
from gateway.service import certificates as pem
from state import charge_points
from state.charge_points import ChargePointRecord
from state.charge_points.security import CertificateStatus, NameCheck, settle_certificate
from state.features import certificates, signing_requests


async def sign_certificate(
    request: security.SignCertificate, charge_point: ChargePoint
) -> security.SignCertificateResult:
    """Keep the signing request for an admin process, and answer the charge point at once (A02.FR.02).

    The request must be for the charge point's id, for one of the names that an operator set, or for a serial
    number of its last BootNotification. The status Accepted means only that the request can be signed.
    """
    store, keys = charge_point.store, charge_point.lease.keys
    try:
        # Reading a request takes at most 1 ms (certificate_requests.py), so no thread is needed.
        asked = certificate_requests.read(request.csr)
    except certificate_requests.RequestRefused as error:
        return await _refuse_request(charge_point, str(error))
    if asked.other_version:
        charge_point.fault("csr_version")
    record, proof = await charge_points.get_with_security(store, keys.tenant, keys.id)
    foreign = certificate_requests.find_foreign_name(asked, _own_names(keys.id, record, proof.name_check))
    if foreign is not None:
        return await _refuse_request(charge_point, foreign)
    kept = signing_requests.SigningRequest(
        csr=request.csr,
        subject=asked.subject,
        key=asked.key,
        received_ms=now_ms(),
        security_profile=charge_point.memory.security_profile,
    )
    await signing_requests.record(store, keys, kept)
    return security.SignCertificateResult(status="Accepted")


async def _refuse_request(charge_point: ChargePoint, why: str) -> security.SignCertificateResult:
    await signing_requests.report_refused(charge_point.store, charge_point.lease.keys, why)
    return security.SignCertificateResult(status="Rejected")


def _own_names(identity: str, record: ChargePointRecord | None, check: NameCheck) -> list[str]:
    boot = {} if record is None or record.boot is None else record.boot
    serials = (boot.get("chargePointSerialNumber"), boot.get("chargeBoxSerialNumber"))
    return [
        identity,
        check.serial_number,
        check.common_name,
        *(one for one in serials if isinstance(one, str)),
    ]


async def certificate_signed(
    answered: Answered[security.CertificateSigned, security.CertificateSignedResult],
) -> None:
    """Record whether the charge point took the certificate.

    A certificate that another authority issued is not recorded.
    """
    try:
        leaf = pem.read_all(answered.request.certificate_chain)[0]
    except pem.Unreadable:
        return
    charge_point = answered.charge_point
    status: CertificateStatus = "accepted" if answered.result.status == "Accepted" else "rejected"
    keys = charge_point.lease.keys
    await settle_certificate(charge_point.store, keys, leaf.serial_number, status)


async def get_installed_certificate_ids(
    answered: Answered[security.GetInstalledCertificateIds, security.GetInstalledCertificateIdsResult],
) -> None:
    """Store the list of certificates that the charge point reported.

    If the charge point answered NotFound, the stored list is empty.
    """
    charge_point, result = answered.charge_point, answered.result
    found = (result.certificate_hash_data or ()) if result.status == "Accepted" else ()
    await certificates.record_list(
        charge_point.store,
        charge_point.lease.keys,
        answered.request.certificate_type,
        map(_hash_data, found),
        now_ms(),
    )


async def install_certificate(
    answered: Answered[security.InstallCertificate, security.InstallCertificateResult],
) -> None:
    if answered.result.status != "Accepted":
        return
    charge_point, request = answered.charge_point, answered.request
    try:
        root = pem.read_all(request.certificate)[0]
    except pem.Unreadable:
        root = None  # The charge point accepted a certificate that csms cannot read.
    new = certificates.InstalledCertificate(
        command=answered.command_id,
        certificate_type=request.certificate_type,
        installed_ms=now_ms(),
        subject=None if root is None else root.subject,
        not_before_ms=None if root is None else root.not_before_ms,
        not_after_ms=None if root is None else root.not_after_ms,
        hash_data=tuple(map(_hash_data, root.hash_data)) if root is not None else (),
    )
    await certificates.record_installed(charge_point.store, charge_point.lease.keys, new)


async def delete_certificate(
    answered: Answered[security.DeleteCertificate, security.DeleteCertificateResult],
) -> None:
    """Remove the deleted certificate from the store.

    The status Failed means that the certificate is in use and stays installed.
    """
    if answered.result.status == "Failed":
        return
    charge_point = answered.charge_point
    gone = _hash_data(answered.request.certificate_hash_data)
    await certificates.record_deleted(charge_point.store, charge_point.lease.keys, gone)


def _hash_data(of: security.CertificateHashData | pem.HashData) -> certificates.CertificateHash:
    return certificates.CertificateHash(
        hash_algorithm=of.hash_algorithm,
        issuer_name_hash=of.issuer_name_hash,
        issuer_key_hash=of.issuer_key_hash,
        serial_number=of.serial_number,
    )
