"""Which client certificates are no longer valid, although OpenSSL verified them in the TLS handshake.

OpenSSL verifies the chain and the dates once. A session may live longer than its certificate, and a
certificate may be revoked at any time, by its authority with a revocation list, or by an operator who denies
it in the store.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import structlog

from gateway.service.client_certificates import Authority, ClientCertificate
from gateway.service.revocation_lists import RevocationList
from state.charge_points import denied_certificates
from state.store import Store

type CertificateFault = Literal["expired", "revoked", "list_overdue"]

WARN_AGAIN_MS = 86_400_000

_log = structlog.get_logger()


class _Issuer(NamedTuple):
    lists: tuple[RevocationList, ...]
    next_update_ms: int | None
    """The latest of the lists counts, because an authority may have been renewed under the same name."""


class Revocations:
    """The certificates that must not be used, as this process knows them."""

    def __init__(self, *, refuse_overdue: bool = False) -> None:
        self._refuse_overdue = refuse_overdue
        self._issuers: dict[str, _Issuer] = {}
        self._denied: frozenset[str] = frozenset()
        self._reading = self._asked = False
        self._warned: dict[str, int] = {}

    def set_lists(self, lists: Iterable[RevocationList]) -> None:
        """Replace all revocation lists."""
        of_issuer: dict[str, list[RevocationList]] = {}
        for one in lists:
            of_issuer.setdefault(one.issuer, []).append(one)
        self._issuers = {issuer: _Issuer(tuple(all_), _latest(all_)) for issuer, all_ in of_issuer.items()}
        self._warned = {issuer: at for issuer, at in self._warned.items() if issuer in self._issuers}

    async def read_denied(self, store: Store) -> None:
        """Read the denied certificates from the store. Raises StoreUnavailable, and then keeps those it has.

        If another task is reading, that task reads once more, and this one returns at once.
        """
        self._asked = True
        if self._reading:
            return
        self._reading = True
        try:
            while self._asked:
                self._asked = False
                self._denied = await denied_certificates.read_all(store)
        finally:
            self._reading = False

    def find_fault(self, certificate: ClientCertificate, now_ms: int) -> CertificateFault | None:
        """Return what is wrong with a certificate, or with an authority in its chain."""
        if not certificate.not_before_ms <= now_ms <= certificate.not_after_ms:
            return "expired"
        chain: tuple[ClientCertificate | Authority, ...] = (certificate, *certificate.authorities)
        if any(map(self._is_revoked, chain)):
            return "revoked"
        if not self._refuse_overdue:
            return None
        issuers = (self._issuers.get(one.issuer) for one in chain)
        overdue = any(one is not None and _is_overdue(one, now_ms) for one in issuers)
        return "list_overdue" if overdue else None

    def warn_of_overdue_lists(self, now_ms: int) -> None:
        """Log each revocation list that its authority should have replaced by now, once a day."""
        for name, issuer in self._issuers.items():
            if (
                not _is_overdue(issuer, now_ms)
                or now_ms - self._warned.get(name, -WARN_AGAIN_MS) < WARN_AGAIN_MS
            ):
                continue
            self._warned[name] = now_ms
            update = datetime.fromtimestamp((issuer.next_update_ms or 0) / 1000, UTC)
            _log.warning(
                "revocation_list.overdue",
                issuer=name,
                files=[str(one.file) for one in issuer.lists],
                next_update=update.isoformat().replace("+00:00", "Z"),
                refuses=self._refuse_overdue,
            )

    def _is_revoked(self, certificate: ClientCertificate | Authority) -> bool:
        if self._is_denied(certificate):
            return True
        issuer = self._issuers.get(certificate.issuer)
        if issuer is None:
            return False
        number = int(certificate.serial_number, 16)
        return any(number in one.serial_numbers for one in issuer.lists)

    def _is_denied(self, certificate: ClientCertificate | Authority) -> bool:
        denied = self._denied
        return bool(denied) and (
            denied_certificates.by_fingerprint(certificate.fingerprint) in denied
            or denied_certificates.by_serial_number(certificate.issuer, certificate.serial_number) in denied
        )


def _latest(lists: Iterable[RevocationList]) -> int | None:
    updates = [one.next_update_ms for one in lists]
    known = [one for one in updates if one is not None]
    return max(known) if len(known) == len(updates) else None


def _is_overdue(issuer: _Issuer, now_ms: int) -> bool:
    return issuer.next_update_ms is not None and issuer.next_update_ms < now_ms
