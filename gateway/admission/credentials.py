"""Collects the evidence in an upgrade request: password, certificate, and encryption.

The work is the same for each request, whatever the store knows about the tenant and the charge point, so that
the time of the answer tells nothing about them.
"""

from gateway.admission import basic
from gateway.admission.proof import Evidence
from gateway.admission.reasons import Reason
from gateway.node import Node
from gateway.service import client_certificates
from gateway.service.client_certificates import ClientCertificate
from gateway.websocket.http_upgrade import Upgrade
from state.charge_points import passwords
from state.charge_points.security import Security
from state.keys import ChargePointKeys
from state.tenants.tokens import Shown

_FAULTS = {
    "expired": Reason.CERTIFICATE_EXPIRED,
    "revoked": Reason.CERTIFICATE_REVOKED,
    "list_overdue": Reason.REVOCATION_UNKNOWN,
}


def examine(
    node: Node,
    upgrade: Upgrade,
    keys: ChargePointKeys,
    shown: Shown,
    security: Security,
    *,
    authorization: basic.Authorization,
    user: str,
    registered: bool,
) -> Evidence:
    """Collect the evidence. `user` is the id as the path spells it, which must be the user name too."""
    password, header = _read_password(authorization, user)
    digest = passwords.find_match(node.pepper, keys.member, password or b"", security.digests)
    if password is not None and digest is None:
        header = Reason.WRONG_PASSWORD
    certificate, certificate_fault = _read_certificate(node, upgrade)
    return Evidence(
        identity=keys.id,
        shown=shown,
        registered=registered,
        security=security,
        encrypted=upgrade.encrypted,
        header=header,
        digest=None if password is None else digest,
        certificate=certificate,
        certificate_fault=certificate_fault,
    )


def _read_password(authorization: basic.Authorization, user: str) -> tuple[bytes | None, Reason | None]:
    match authorization:
        case None:
            return None, None
        case basic.Malformed():
            return None, Reason.MALFORMED_AUTHORIZATION
        case found:
            password = found.password_of(user)
            return password, Reason.WRONG_USER if password is None else None


def _read_certificate(node: Node, upgrade: Upgrade) -> tuple[ClientCertificate | None, Reason | None]:
    tls = upgrade.tls
    if tls is None or tls.peer_certificate is None:
        return None, None
    try:
        certificate = client_certificates.read(tls.peer_certificate, tls.authorities)
    except client_certificates.Unreadable:
        return None, Reason.CERTIFICATE_UNREADABLE
    fault = node.revocations.find_fault(certificate, node.store.server_time_ms())
    return certificate, None if fault is None else _FAULTS[fault]
