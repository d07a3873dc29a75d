"""Which client certificates are no longer valid, although OpenSSL verified them in the TLS handshake.

OpenSSL verifies the chain and the dates once. A session may live longer than its certificate, and a
certificate may be revoked at any time.
"""

from typing import Literal

from gateway.service.client_certificates import ClientCertificate

type CertificateFault = Literal["expired", "revoked", "list_overdue"]


class Revocations:
    """The certificates that must not be used, as this process knows them."""

    def find_fault(self, certificate: ClientCertificate, now_ms: int) -> CertificateFault | None:
        if not certificate.not_before_ms <= now_ms <= certificate.not_after_ms:
            return "expired"
        return None
