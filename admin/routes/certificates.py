"""Routes of the root certificates that a charge point reported, and of its certificate signing request."""

from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.commands import PROBLEMS, CommandAnswer, DeleteQuery, WaitQuery, send
from admin.http import (
    Next,
    Problem,
    bodies,
    convert,
    convert_all,
    describes,
    lookup,
    must_exist,
    new_blueprint,
    times,
)
from admin.http.times import Time
from admin.pki.signing import advance
from admin.routes.members import CommandId, ReceivedAt
from admin.services import current_store, services
from gateway.ocpp16.messages.security import (
    CertificateHashData,
    DeleteCertificate,
    GetInstalledCertificateIds,
)
from state.features import certificates, signing_requests
from state.features.certificates import CertificateHash, Certificates, CertificateType, HashAlgorithm
from state.features.signing_requests import RequestStatus, SigningRequest

blueprint = new_blueprint("certificates", "Security")


CERTIFICATE_TYPES = (
    "The charge point uses a CentralSystemRootCertificate to check the server certificate of the central "
    "system, and a ManufacturerRootCertificate to check the signature of firmware."
)

CertificateUse = Annotated[CertificateType, msgspec.Meta(description=CERTIFICATE_TYPES)]
NotBefore = Annotated[
    Time | None,
    msgspec.Meta(
        description="Time from which the certificate is valid. null means that the certificate was not "
        "installed through this API, or that csms could not read it."
    ),
]
NotAfter = Annotated[
    Time | None,
    msgspec.Meta(
        description="Time until which the certificate is valid. null means that the certificate was not "
        "installed through this API, or that csms could not read it."
    ),
]
Subject = Annotated[
    str | None,
    msgspec.Meta(
        description="Subject of the certificate. null means that the certificate was not installed through "
        "this API, or that csms could not read it.",
        examples=["CN=Example Root,O=Example"],
    ),
]


class RefreshQuery(WaitQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    type: Annotated[
        CertificateType, msgspec.Meta(description=f"Which certificates to ask for. {CERTIFICATE_TYPES}")
    ]


class CertificateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The hash data of a certificate that the charge point reported.

    OCPP has no message that reports whole certificates.
    """

    id: Annotated[
        str,
        msgspec.Meta(
            description="Id of the certificate in this API; use it to delete the certificate. Equal hash "
            "data always has the same id."
        ),
    ]
    hash_algorithm: Annotated[HashAlgorithm, msgspec.Meta(description="Algorithm of both hashes.")]
    issuer_name_hash: Annotated[
        str, msgspec.Meta(description="Hash of the issuer's distinguished name, in hexadecimal.")
    ]
    issuer_key_hash: Annotated[
        str, msgspec.Meta(description="Hash of the issuer's public key, in hexadecimal.")
    ]
    serial_number: Annotated[
        str, msgspec.Meta(description="Serial number of the certificate, in hexadecimal.")
    ]
    subject: Subject
    not_before: NotBefore
    not_after: NotAfter


class CertificateList(msgspec.Struct, frozen=True, kw_only=True):
    """The certificates of one type that the charge point reported."""

    certificate_type: CertificateUse
    read_at: Annotated[
        Time | None,
        msgspec.Meta(
            description="When the charge point last reported this list. null means that the charge point has "
            "never reported it."
        ),
    ]
    out_of_date: Annotated[
        bool,
        msgspec.Meta(
            description="Whether another certificate of this type was installed after the charge point "
            "reported this list. If `out_of_date` is true, refresh the list."
        ),
    ]
    certificates: Annotated[
        tuple[CertificateAnswer, ...],
        msgspec.Meta(description="The certificates, as the charge point listed them; 128 at most."),
    ]


class InstalledAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that the charge point accepted with InstallCertificate."""

    certificate_type: CertificateUse
    command: CommandId
    installed_at: Annotated[Time, msgspec.Meta(description="When the charge point accepted the certificate.")]
    subject: Subject
    not_before: NotBefore
    not_after: NotAfter


class CertificatesAnswer(msgspec.Struct, frozen=True):
    """The certificates that a charge point has, as far as csms knows."""

    items: Annotated[
        tuple[CertificateList, ...],
        msgspec.Meta(
            description="One item for each type of certificate. A type is listed if the charge point "
            "reported certificates of this type, or if one was installed in the charge point."
        ),
    ]
    next: Next
    installed: Annotated[
        tuple[InstalledAnswer, ...],
        msgspec.Meta(
            description="The latest 32 certificates that were installed through this API and have not been "
            "deleted, the latest first."
        ),
    ]


class CertificateRequestAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The last SignCertificate of the charge point that csms answered with Accepted.

    The content of a signing request proves nothing about the identity of the charge point.
    """

    id: Annotated[
        str,
        msgspec.Meta(description="Id of the request. Each new request of the charge point has another id."),
    ]
    csr: Annotated[
        str,
        msgspec.Meta(
            description="Certificate signing request (PKCS#10) in PEM, as the charge point sent it."
        ),
    ]
    subject: Annotated[
        str, msgspec.Meta(description="Subject for which the request asks.", examples=["CN=CP-1,O=Example"])
    ]
    key: Annotated[
        str, msgspec.Meta(description="Type and size of the public key.", examples=["EC secp256r1"])
    ]
    received_at: ReceivedAt
    status: Annotated[
        RequestStatus,
        msgspec.Meta(
            description="`waiting` means that the request waits for an operator, or, if the tenant signs "
            "automatically, for an admin process. `approved` means that an operator approved the request. "
            "`signed` means that csms issued a certificate and sends it as soon as the charge point is "
            "connected. `sent` means that csms sent the certificate with the command in `command`. `failed` "
            "means that csms gave up; `problem` says why. `rejected` means that an operator rejected the "
            "request."
        ),
    ]
    problem: Annotated[
        str,
        msgspec.Meta(
            description="Why csms gave up the request, or, if the tenant signs automatically, why the "
            "request waits for an operator. Otherwise the text is empty."
        ),
    ]
    serial_number: Annotated[
        str | None,
        msgspec.Meta(description="Serial number of the issued certificate. null means that there is none."),
    ]
    command: Annotated[
        str | None,
        msgspec.Meta(
            description="Id of the command CertificateSigned. null means that csms has not sent the "
            "certificate."
        ),
    ]


class ApproveQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Annotated[
        str | None,
        msgspec.Meta(
            description="Id of the request that you have read. If the charge point has sent another request "
            "since, nothing is approved. Without `id`, the present request is approved.",
            examples=["kD3x0aQz1v9bW5eT"],
        ),
    ] = None


_OF_CHARGE_POINT = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>"
_BASE = f"{_OF_CHARGE_POINT}/certificates"


@blueprint.get(_BASE)
@document_response(CertificatesAnswer)
async def list_certificates(tenant: str, charge_point: str) -> Response:
    """List the certificates as the charge point last reported them.

    csms sends nothing to the charge point.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    found = await certificates.read(current_store(), tenant, charge_point)
    items = tuple(
        convert(
            listing,
            CertificateList,
            certificate_type=certificate_type,
            certificates=tuple(_certificate(one, found) for one in listing.hash_data),
        )
        for certificate_type, listing in found.listings.items()
    )
    return bodies.answer(CertificatesAnswer(items, None, convert_all(found.installed, InstalledAnswer)))


@blueprint.post(f"{_BASE}/refresh")
@document_querystring(RefreshQuery)
@document_response(CommandAnswer, 200)
@document_response(CommandAnswer, 202)
@describes(problems=PROBLEMS)
async def refresh_certificates(tenant: str, charge_point: str) -> Response:
    """Ask a charge point which certificates of one type it has.

    csms sends GetInstalledCertificateIds. The answer of the charge point replaces the list that csms stored
    for the same type of certificate.
    """
    asked = bodies.query(RefreshQuery)
    request = GetInstalledCertificateIds(certificate_type=asked.type)
    return send.respond(
        await send.send(services(), tenant, charge_point, request, timeout_s=asked.timeout, wait_s=asked.wait)
    )


@blueprint.delete(f"{_BASE}/<digest:certificate>")
@document_querystring(DeleteQuery)
@document_response(CommandAnswer, 200)
@document_response(CommandAnswer, 202)
@document_response(None, 204)
@describes(problems=PROBLEMS)
async def delete_certificate(tenant: str, charge_point: str, certificate: str) -> Response:
    """Ask a charge point to delete a certificate that it reported.

    csms sends DeleteCertificate with exactly the hash data that the charge point reported. `response` says
    whether the charge point deleted the certificate. With `only_here`, csms sends nothing to the charge point
    and answers 204.
    """
    asked, store = bodies.query(DeleteQuery), current_store()
    keys = await lookup.charge_point_keys(store, tenant, charge_point)
    found = must_exist(
        (await certificates.read(store, tenant, charge_point)).find(certificate),
        "certificate among those that the charge point reported",
    )
    if asked.only_here:
        await certificates.record_deleted(store, keys, found)
        return bodies.no_content()
    request = DeleteCertificate(certificate_hash_data=convert(found, CertificateHashData))
    return send.respond(
        await send.send(services(), tenant, charge_point, request, timeout_s=asked.timeout, wait_s=asked.wait)
    )


@blueprint.get(f"{_OF_CHARGE_POINT}/certificate-request")
@document_response(CertificateRequestAnswer)
async def get_certificate_request(tenant: str, charge_point: str) -> Response:
    """Read the last certificate signing request that a charge point sent and csms accepted.

    csms signs the request after you approve it, or by itself if the tenant's `certificate_signing` is
    `automatic`. Your own certificate authority can sign the request too. In this case, send the certificate
    chain with the command CertificateSigned, and then delete the request.
    """
    return bodies.answer(_request(await _find_request(tenant, charge_point)))


@blueprint.post(f"{_OF_CHARGE_POINT}/certificate-request/approve")
@document_querystring(ApproveQuery)
@document_response(CertificateRequestAnswer)
@describes(
    problems={
        409: "csms cannot issue or send the certificate, or `id` is not the id of the present request. The "
        "`detail` says which."
    }
)
async def approve_certificate_request(tenant: str, charge_point: str) -> Response:
    """Let csms sign the certificate signing request, and send the certificate to the charge point.

    If a certificate was issued for the request before, csms sends the same certificate again. If the charge
    point is offline, csms sends the certificate when it connects, within a day. The answer does not wait for
    the charge point; read the outcome in the list of issued certificates.
    """
    asked, store, signing = bodies.query(ApproveQuery), current_store(), services().signing
    keys = await lookup.charge_point_keys(store, tenant, charge_point)
    request = await _find_request(tenant, charge_point)
    if asked.id not in {None, request.id}:
        raise Problem(
            409, "another-request", "The charge point has sent another request since; read it first."
        )
    approved = await signing_requests.approve(store, keys, request.id, store.server_time_ms())
    must_exist(approved, "certificate request")
    if signing.authority is not None:
        await advance(signing, keys)
    request = await _find_request(tenant, charge_point)
    if request.status == "failed":
        raise Problem(409, "certificate-not-issued", request.problem)
    return bodies.answer(_request(request))


@blueprint.post(f"{_OF_CHARGE_POINT}/certificate-request/reject")
@document_response(CertificateRequestAnswer)
@describes(problems={409: "A certificate was already issued; revoke it instead."})
async def reject_certificate_request(tenant: str, charge_point: str) -> Response:
    """Let csms not sign the certificate signing request.

    csms sends nothing to the charge point, because OCPP has no message for this.
    """
    store = current_store()
    keys = await lookup.charge_point_keys(store, tenant, charge_point)
    request = await _find_request(tenant, charge_point)
    rejected = must_exist(await signing_requests.reject(store, keys, request.id), "certificate request")
    if rejected.status != "rejected":
        raise Problem(
            409, "certificate-issued", "csms has issued a certificate for this request; revoke it instead."
        )
    return bodies.answer(_request(rejected))


@blueprint.delete(f"{_OF_CHARGE_POINT}/certificate-request")
@document_response(None, 204)
async def forget_certificate_request(tenant: str, charge_point: str) -> Response:
    """Delete the certificate signing request of a charge point.

    csms sends nothing to the charge point.
    """
    keys = await lookup.charge_point_keys(current_store(), tenant, charge_point)
    must_exist(await signing_requests.forget(current_store(), keys), "certificate request")
    return bodies.no_content()


async def _find_request(tenant: str, charge_point: str) -> SigningRequest:
    found = await signing_requests.get(current_store(), tenant, charge_point)
    return must_exist(found, "certificate request")


def _request(found: SigningRequest) -> CertificateRequestAnswer:
    return convert(
        found,
        CertificateRequestAnswer,
        serial_number=found.serial_number or None,
        command=found.command or None,
    )


def _certificate(hash_data: CertificateHash, known: Certificates) -> CertificateAnswer:
    of = next((one for one in known.installed if one.has_hash(hash_data)), None)
    return convert(
        hash_data,
        CertificateAnswer,
        subject=None if of is None else of.subject,
        not_before=None if of is None else times.maybe_text(of.not_before_ms),
        not_after=None if of is None else times.maybe_text(of.not_after_ms),
    )
