"""Routes of the client certificates that csms issued to charge points."""

from datetime import datetime
from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.http import (
    AllInOne,
    Next,
    Paging,
    Problem,
    bodies,
    convert,
    describes,
    lookup,
    must_exist,
    new_blueprint,
    times,
)
from admin.http.times import Time
from admin.services import current_store
from state.charge_points import security
from state.charge_points.denied_certificates import by_serial_number, deny
from state.charge_points.security import CertificateStatus
from state.features import issued_certificates

blueprint = new_blueprint("issued_certificates", "Security")

_LAST_MS = 253_402_300_799_999
_BASE = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/issued-certificates"


class IssuedCertificateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A client certificate that csms issued to a charge point."""

    serial_number: Annotated[
        str, msgspec.Meta(description="Serial number of the certificate in hexadecimal.", examples=["3f8a"])
    ]
    issuer: Annotated[
        str,
        msgspec.Meta(
            description="Subject of the issuing authority.",
            examples=["CN=csms EC issuing authority 1a2b3c4d,O=csms"],
        ),
    ]
    issued_at: Annotated[Time, msgspec.Meta(description="When csms issued the certificate.")]
    not_after: Annotated[Time, msgspec.Meta(description="Time until which the certificate is valid.")]
    status: Annotated[
        CertificateStatus,
        msgspec.Meta(
            description="`sent` means that csms issued the certificate and knows no answer of the charge "
            "point. `accepted` means that the charge point accepted or used the certificate. `rejected` "
            "means that the charge point rejected the certificate. `replaced` means that the charge point "
            "used a newer certificate since. `revoked` means that an operator revoked the certificate. Only "
            "a certificate that is `sent` or `accepted` may be used."
        ),
    ]


class IssuedCertificates(msgspec.Struct, frozen=True):
    """The latest 16 certificates that csms issued to a charge point, the latest first."""

    items: Annotated[tuple[IssuedCertificateAnswer, ...], msgspec.Meta(description="The certificates.")]
    next: AllInOne = None


class ExpiringAnswer(IssuedCertificateAnswer, frozen=True, kw_only=True):
    """A client certificate that a charge point of the tenant may use."""

    charge_point: Annotated[str, msgspec.Meta(description="Identity of the charge point.", examples=["CP-1"])]


class ExpiringPage(msgspec.Struct, frozen=True):
    """A page of the certificates of a tenant, the next to expire first."""

    items: Annotated[tuple[ExpiringAnswer, ...], msgspec.Meta(description="The certificates of this page.")]
    next: Next


class ExpiringQuery(Paging, frozen=True, forbid_unknown_fields=True):
    expires_before: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(
            description="List only certificates that expire before this time.",
            examples=["2026-02-01T00:00:00Z"],
        ),
    ] = None


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a certificate is revoked."""

    why: Annotated[
        str,
        msgspec.Meta(
            max_length=255,
            description="The reason, for other operators.",
            examples=["The charge point was stolen."],
        ),
    ] = ""


_FULL = (
    "The charge point can no longer prove itself with the certificate. But the list of denied certificates "
    "is full, so an open connection stays open, and revocation lists do not have the certificate. "
    "Disconnect the charge point, and do not delete it before the certificate expires."
)


@blueprint.get(_BASE)
@document_response(IssuedCertificates)
async def list_issued_certificates(tenant: str, charge_point: str) -> Response:
    """List the client certificates that csms issued to a charge point."""
    await lookup.charge_point(current_store(), tenant, charge_point)
    found = (await security.read(current_store(), tenant, charge_point)).certificates
    return bodies.answer(
        IssuedCertificates(tuple(convert(one, IssuedCertificateAnswer) for one in found[::-1]))
    )


@blueprint.get(f"{_BASE}/<name:serial_number>")
@document_response(IssuedCertificateAnswer)
async def get_issued_certificate(tenant: str, charge_point: str, serial_number: str) -> Response:
    """Read a client certificate that csms issued to a charge point."""
    found = (await security.read(current_store(), tenant, charge_point)).find_certificate(
        serial_number.lower()
    )
    return bodies.answer(convert(must_exist(found, "certificate"), IssuedCertificateAnswer))


@blueprint.post(f"{_BASE}/<name:serial_number>/revoke")
@document_request(Revocation)
@document_response(IssuedCertificateAnswer)
@describes(problems={409: _FULL})
async def revoke_issued_certificate(tenant: str, charge_point: str, serial_number: str) -> Response:
    """Revoke a client certificate for good.

    No charge point can connect with the certificate after this. Within a minute, csms closes a connection
    that uses the certificate. A revocation list that `csms pki revocation-list` makes later has the
    certificate.
    """
    revocation, store = await bodies.body(Revocation), current_store()
    keys = await lookup.charge_point_keys(store, tenant, charge_point)
    found = (await security.read(store, tenant, charge_point)).find_certificate(serial_number.lower())
    known = must_exist(found, "certificate")
    # The certificate is denied first. If csms stops after that, the operator sees the certificate as usable,
    # and revokes it again.
    denied = await deny(
        store,
        by_serial_number(known.issuer, known.serial_number),
        revocation.why,
        store.server_time_ms(),
        not_after_ms=known.not_after_ms,
    )
    await security.settle_certificate(store, keys, known.serial_number, "revoked")
    await issued_certificates.remove(store, keys, known.serial_number, known.not_after_ms)
    if denied == "full":
        raise Problem(409, "too-many-denied-certificates", _FULL)
    after = (await security.read(store, tenant, charge_point)).find_certificate(known.serial_number)
    return bodies.answer(convert(must_exist(after, "certificate"), IssuedCertificateAnswer))


@blueprint.get("/v1/tenants/<name:tenant>/certificates")
@document_querystring(ExpiringQuery)
@document_response(ExpiringPage)
async def list_expiring_certificates(tenant: str) -> Response:
    """List the client certificates of all charge points of a tenant, the next to expire first.

    Only certificates that a charge point may use are listed, and for 30 days those that have expired. A page
    may have fewer items than `limit` although another page follows.
    """
    asked = bodies.query(ExpiringQuery)
    before_ms = _LAST_MS if asked.expires_before is None else times.milliseconds(asked.expires_before)
    page = await issued_certificates.list_(
        current_store(), tenant, before_ms=before_ms, cursor=asked.cursor, limit=asked.limit
    )
    items = tuple(
        convert(one.certificate, ExpiringAnswer, charge_point=one.charge_point) for one in page.items
    )
    return bodies.answer(ExpiringPage(items, page.next))
