"""Every combination of what a request may show, and of what is stored about its charge point."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from gateway.admission.proof import Evidence
from gateway.admission.reasons import Reason
from gateway.service.client_certificates import ClientCertificate, owner_uri
from state.charge_points.security import (
    CertificateStatus,
    IssuedCertificate,
    NextPassword,
    Password,
    Security,
)
from state.tenants.tenants import SecurityProfile, Tenant
from state.tenants.tokens import Shown, Token

DIGEST, NEXT_DIGEST = b"\1" * 32, b"\2" * 32
PROFILES: tuple[SecurityProfile, ...] = (0, 1, 2, 3)
TOKENS = ("none", "right", "retired", "bound_to_it", "bound_to_another", "bound_to_it_and_retired")
HEADERS = ("none", "malformed", "wrong_user", "wrong", "right", "right_next")

CERTIFICATES_SHOWN = (
    *(
        "none",
        "own_name",
        "name_of_another",
        "other_organisation",
        "issued",
        "issued_to_another",
        "not_listed",
    ),
    *("replaced", "rejected", "revoked", "expired", "unreadable"),
)

STATUSES: dict[str, tuple[str, CertificateStatus]] = {
    "replaced": ("a2", "replaced"),
    "rejected": ("a3", "rejected"),
    "revoked": ("a4", "revoked"),
    "issued": ("a1", "accepted"),
}

ISSUED = tuple(
    IssuedCertificate(serial_number=serial, issuer="CN=ca", issued_ms=1, not_after_ms=2, status=status)
    for serial, status in STATUSES.values()
)


class Case(NamedTuple):
    tenant_floor: SecurityProfile
    floor: SecurityProfile
    auto_register: bool
    registered: bool
    token: str
    header: str
    has_password: bool
    encrypted: bool
    certificate: str

    @property
    def password_is_right(self) -> bool:
        return self.header in {"right", "right_next"} and self.registered and self.has_password

    @property
    def certificate_is_bound(self) -> bool:
        return self.certificate in {"own_name", "issued", "not_listed"}

    @property
    def lowest(self) -> int:
        return max(self.tenant_floor, self.floor if self.registered else 0)

    @property
    def is_proved_by_more_than_the_token(self) -> bool:
        return self.password_is_right or self.certificate_is_bound

    @property
    def profile(self) -> SecurityProfile:
        """What the connection is, in the words of the issue."""
        if self.certificate_is_bound:
            return 3
        if self.password_is_right:
            return 2 if self.encrypted else 1
        return 0


def cases() -> Iterator[Case]:
    for values in product(
        PROFILES,
        PROFILES,
        (False, True),
        (False, True),
        TOKENS,
        HEADERS,
        (False, True),
        (False, True),
        CERTIFICATES_SHOWN,
    ):
        case = Case(*values)
        if case.certificate != "none" and not case.encrypted:
            continue  # A certificate comes with TLS only.
        if not case.registered and (case.has_password or case.floor or case.certificate in STATUSES):
            continue  # The store has nothing about an unknown charge point.
        if case.header.startswith("right") and not case.has_password:
            continue
        yield case


def token_of(case: Case) -> Token | None:
    if case.token == "none":
        return None
    bound = {"bound_to_it": "CP", "bound_to_it_and_retired": "CP", "bound_to_another": "CP-2"}
    retired_ms = 5 if case.token in {"retired", "bound_to_it_and_retired"} else None
    return Token(id="t1", label="", created_ms=1, charge_point=bound.get(case.token), retired_ms=retired_ms)


def certificate_of(case: Case) -> ClientCertificate | None:
    if case.certificate in {"none", "unreadable"}:
        return None
    owners = {
        "issued": "CP",
        "issued_to_another": "CP-2",
        **dict.fromkeys(("not_listed", "replaced", "rejected", "revoked", "expired"), "CP"),
    }
    owner = owners.get(case.certificate)
    return ClientCertificate(
        subject="CN=x",
        common_names=("CP-2" if case.certificate == "name_of_another" else "CP",),
        organisations=("Other" if case.certificate == "other_organisation" else "Acme",),
        serial_number=STATUSES.get(case.certificate, ("ff", ""))[0],
        issuer="CN=ca",
        fingerprint="00",
        owner=None if owner is None else owner_uri("acme", owner),
        not_before_ms=0,
        not_after_ms=1,
    )


def evidence_of(case: Case) -> Evidence:
    tenant = Tenant(
        id="acme",
        name="",
        auto_register=case.auto_register,
        created_ms=1,
        security_profile=case.tenant_floor,
        certificate_organisations=("Acme",),
    )
    security = Security(
        floor=case.floor,
        password=Password(DIGEST.hex(), 1) if case.has_password else None,
        next_passwords=(NextPassword(NEXT_DIGEST.hex(), "aa.x"),) if case.has_password else (),
        certificates=ISSUED if case.registered else (),
    )
    header = {
        "malformed": Reason.MALFORMED_AUTHORIZATION,
        "wrong_user": Reason.WRONG_USER,
        "wrong": Reason.WRONG_PASSWORD,
    }.get(case.header)
    faults = {"expired": Reason.CERTIFICATE_EXPIRED, "unreadable": Reason.CERTIFICATE_UNREADABLE}
    return Evidence(
        identity="CP",
        shown=Shown(tenant=tenant, token=token_of(case)),
        registered=case.registered,
        security=security,
        encrypted=case.encrypted,
        header=header,
        digest={"right": DIGEST, "right_next": NEXT_DIGEST}.get(case.header),
        certificate=certificate_of(case),
        certificate_fault=faults.get(case.certificate),
    )
