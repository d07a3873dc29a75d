"""A charge point's certificates: those it reported, deleted as it reported them, and the one it wants."""

from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.commands import PROBLEMS, CommandAnswer, DeleteQuery, WaitQuery, send
from admin.http import Next, bodies, convert, convert_all, describes, lookup, must_exist, new_blueprint, times
from admin.services import current_store, services
from gateway.ocpp16.messages.security import (
    CertificateHashData,
    DeleteCertificate,
    GetInstalledCertificateIds,
)
from state.features import certificates
from state.features.certificates import CertificateHash, Certificates, CertificateType, HashAlgorithm

blueprint = new_blueprint("certificates", "Security")


class RefreshQuery(WaitQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    type: Annotated[CertificateType, msgspec.Meta(description="Which certificates to ask for.")]


class CertificateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate, by the hash data that the charge point reported."""

    id: Annotated[str, msgspec.Meta(description="To delete it by; the same for the same hash data.")]
    hash_algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    subject: Annotated[
        str | None, msgspec.Meta(description="null, as the dates: it was not installed from here.")
    ]
    not_before: str | None
    not_after: str | None


class CertificateList(msgspec.Struct, frozen=True, kw_only=True):
    """The certificates of one type."""

    certificate_type: CertificateType
    read_at: Annotated[str | None, msgspec.Meta(description="When the charge point was asked; null: never.")]
    out_of_date: Annotated[bool, msgspec.Meta(description="Another was installed since; refresh the list.")]
    certificates: tuple[CertificateAnswer, ...]


class InstalledAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an InstallCertificate that the charge point accepted held."""

    certificate_type: CertificateType
    command: str
    installed_at: str
    subject: Annotated[str | None, msgspec.Meta(description="null, as the dates: it could not be read here.")]
    not_before: str | None
    not_after: str | None


class CertificatesAnswer(msgspec.Struct, frozen=True):
    """What is known of a charge point's certificates; one item for each type that it was asked for."""

    items: tuple[CertificateList, ...]
    next: Next
    installed: Annotated[
        tuple[InstalledAnswer, ...],
        msgspec.Meta(description="The latest 32 that were installed from here and not deleted since."),
    ]


class CertificateRequestAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The last SignCertificate that was answered Accepted. Nothing here says who the charge point is."""

    csr: Annotated[str, msgspec.Meta(description="PKCS#10 in PEM, as it was sent.")]
    subject: Annotated[str, msgspec.Meta(examples=["CN=CP-1,O=Example"])]
    key: Annotated[str, msgspec.Meta(examples=["EC secp256r1"])]
    received_at: str


_OF_CHARGE_POINT = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>"
_BASE = f"{_OF_CHARGE_POINT}/certificates"


@blueprint.get(_BASE)
@document_response(CertificatesAnswer)
async def list_certificates(tenant: str, charge_point: str) -> Response:
    """List the certificates in a charge point, as it last reported them."""
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
    """Ask a charge point which certificates of one type it has (GetInstalledCertificateIds)."""
    asked = bodies.query(RefreshQuery)
    request = GetInstalledCertificateIds(certificate_type=asked.type)
    return send.respond(
        await send.send(services(), tenant, charge_point, request, timeout_s=asked.timeout, wait_s=asked.wait)
    )


@blueprint.delete(f"{_BASE}/<name:certificate>")
@document_querystring(DeleteQuery)
@document_response(CommandAnswer, 200)
@document_response(CommandAnswer, 202)
@document_response(None, 204)
@describes(problems=PROBLEMS)
async def delete_certificate(tenant: str, charge_point: str, certificate: str) -> Response:
    """Have a charge point delete a certificate that it reported (DeleteCertificate).

    With exactly the hash data that it reported. Look at `response` for whether it did. 204 answers
    `only_here`.
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
    """Read what a charge point wants signed.

    Have it signed, then send the chain with the command CertificateSigned.
    """
    found = await certificates.get_request(current_store(), tenant, charge_point)
    return bodies.answer(convert(must_exist(found, "certificate request"), CertificateRequestAnswer))


@blueprint.delete(f"{_OF_CHARGE_POINT}/certificate-request")
@document_response(None, 204)
async def forget_certificate_request(tenant: str, charge_point: str) -> Response:
    """Forget what a charge point wants signed, because it was settled. The charge point is told nothing."""
    keys = await lookup.charge_point_keys(current_store(), tenant, charge_point)
    must_exist(await certificates.forget_request(current_store(), keys), "certificate request")
    return bodies.no_content()


def _certificate(hash_data: CertificateHash, known: Certificates) -> CertificateAnswer:
    of = next((one for one in known.installed if one.has_hash(hash_data)), None)
    return convert(
        hash_data,
        CertificateAnswer,
        subject=None if of is None else of.subject,
        not_before=None if of is None else times.maybe_text(of.not_before_ms),
        not_after=None if of is None else times.maybe_text(of.not_after_ms),
    )
