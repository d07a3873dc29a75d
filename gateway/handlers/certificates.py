"""Certificates that a charge point reports, installs, deletes or asks to have signed."""

from gateway.handlers.charge_point import ChargePoint, now_ms
from gateway.handlers.handler import Answered
from gateway.ocpp16.messages import security
from gateway.service import certificate_requests
from gateway.service import certificates as pem
from state.features import certificates


async def sign_certificate(
    request: security.SignCertificate, charge_point: ChargePoint
) -> security.SignCertificateResult:
    """Keep the signing request for an operator, and answer the charge point at once (A02.FR.02).

    The status Accepted means only that an operator can have the request signed. The operator must check the
    subject name in the request. csms does not check the name, because charge points put identities, serial
    numbers or other text there.
    """
    keys = charge_point.lease.keys
    try:
        # Reading a request takes at most 1 ms (certificate_requests.py), so no thread is needed.
        asked = certificate_requests.read(request.csr)
    except certificate_requests.RequestRefused as error:
        await certificates.report_refused_request(charge_point.store, keys, str(error))
        return security.SignCertificateResult(status="Rejected")
    if asked.other_version:
        charge_point.fault("csr_version")
    kept = certificates.SigningRequest(
        csr=request.csr, subject=asked.subject, key=asked.key, received_ms=now_ms()
    )
    await certificates.record_request(charge_point.store, keys, kept)
    return security.SignCertificateResult(status="Accepted")


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
