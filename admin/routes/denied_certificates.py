"""Routes of denied client certificates. The certificates may be of any issuer."""

from typing import Annotated

import msgspec
from quart import Response, g
from quart_schema import document_request, document_response

from admin.http import (
    AllInOne,
    Problem,
    bodies,
    convert,
    describes,
    invalid,
    must_exist,
    new_blueprint,
    not_found,
)
from admin.http.openapi import describe_choices
from admin.http.times import Time
from admin.services import current_store
from state.charge_points import denied_certificates
from state.charge_points.denied_certificates import Denied, by_fingerprint, by_serial_number

blueprint = new_blueprint("denied_certificates", "Security")

_BASE = "/v1/denied-certificates"
_FULL = (
    f"{denied_certificates.CERTIFICATES_MAX:,} certificates are denied already. Allow some of them again, or "
    "use a revocation list."
)


class DeniedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A client certificate that gateways refuse."""

    name: Annotated[
        str,
        msgspec.Meta(
            description="The fingerprint of the certificate, or its issuer, a bar and its serial number. Use "
            "the name to allow the certificate again.",
            examples=["CN=Acme issuing CA,O=Acme|3f07"],
        ),
    ]
    why: Annotated[str, msgspec.Meta(description="The reason, for other operators. The text may be empty.")]
    denied_at: Annotated[Time, msgspec.Meta(description="When the certificate was denied.")]


class DeniedPage(msgspec.Struct, frozen=True):
    """The denied certificates, the latest first."""

    items: Annotated[
        tuple[DeniedAnswer, ...], msgspec.Meta(description="All denied certificates; 100,000 at most.")
    ]
    next: AllInOne = None


class Denial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The certificate to deny: its `fingerprint`, or its `issuer` and `serial_number`."""

    fingerprint: Annotated[
        Annotated[str, msgspec.Meta(pattern=r"^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$")] | None,
        msgspec.Meta(
            description="SHA-256 of the certificate in DER, as 64 hexadecimal digits, with or without "
            "colons. null means that `issuer` and `serial_number` name the certificate."
        ),
    ] = None
    issuer: Annotated[
        Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)] | None,
        msgspec.Meta(
            description="Issuer of the certificate as RFC 4514 writes it, for example by `openssl x509 "
            "-noout -issuer -nameopt RFC2253`. null means that `fingerprint` names the certificate.",
            examples=["CN=Acme issuing CA,O=Acme"],
        ),
    ] = None
    serial_number: Annotated[
        Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f:]{1,80}$")] | None,
        msgspec.Meta(
            description="Serial number of the certificate in hexadecimal digits. null means that "
            "`fingerprint` names the certificate.",
            examples=["3f07"],
        ),
    ] = None
    why: Annotated[str, msgspec.Meta(max_length=255, description="The reason, for other operators.")] = ""


_GIVEN = {"type": "string", "description": "Names the certificate."}
_LEFT_OUT = {"type": "null", "description": "Absent or null, because other members name the certificate."}
_NAMED = (
    {
        "required": ["fingerprint"],
        "properties": {"fingerprint": _GIVEN, "issuer": _LEFT_OUT, "serial_number": _LEFT_OUT},
    },
    {
        "required": ["issuer", "serial_number"],
        "properties": {"fingerprint": _LEFT_OUT, "issuer": _GIVEN, "serial_number": _GIVEN},
    },
)
"""The two ways in which a Denial names its certificate."""


@blueprint.get(_BASE)
@document_response(DeniedPage)
async def list_denied_certificates() -> Response:
    """List the client certificates that operators denied. Only a key for all tenants may read this list."""
    _require_all_tenants()
    found = await denied_certificates.list_(current_store())
    return bodies.answer(DeniedPage(tuple(convert(one, DeniedAnswer) for one in found)))


@blueprint.post(_BASE)
@document_request(Denial)
@document_response(DeniedAnswer, 201)
@describes(
    problems={409: _FULL},
    **describe_choices(Denial, _NAMED, {"issuer": "CN=Acme issuing CA,O=Acme", "serial_number": "3f07"}),
)
async def deny_certificate() -> Response:
    """Deny a client certificate of any authority.

    Gateways refuse the certificate at once, and close a connection that uses it within a minute. To revoke a
    certificate that csms issued, use the issued certificates of its charge point. Only a key for all tenants
    may deny certificates, because a certificate may be used with any tenant.
    """
    _require_all_tenants()
    denial, store = await bodies.body(Denial), current_store()
    name, now_ms = _name(denial), store.server_time_ms()
    if await denied_certificates.deny(store, name, denial.why, now_ms) == "full":
        raise Problem(409, "too-many-denied-certificates", _FULL)
    denied = Denied(name=name, denied_ms=now_ms, why=denial.why)
    return bodies.answer(convert(denied, DeniedAnswer), 201)


@blueprint.delete(f"{_BASE}/<name:denied>")
@document_response(None, 204)
async def allow_certificate(denied: str) -> Response:
    """Allow a denied client certificate again."""
    _require_all_tenants()
    must_exist(await denied_certificates.allow_again(current_store(), denied), "denied certificate")
    return bodies.no_content()


def _name(denial: Denial) -> str:
    """Return the name of the certificate. Raises Problem (422)."""
    fingerprint, issuer, serial_number = denial.fingerprint, denial.issuer, denial.serial_number
    if fingerprint is not None and issuer is None and serial_number is None:
        return by_fingerprint(fingerprint)
    if fingerprint is None and issuer is not None and serial_number is not None:
        return by_serial_number(issuer, serial_number)
    raise invalid("Give either `fingerprint`, or both `issuer` and `serial_number`.", pointer="")


def _require_all_tenants() -> None:
    if g.api_key.tenants is not None:
        raise not_found("page")
