"""The root certificates that a charge point reported or installed.

For each type of certificate, csms keeps the list from the charge point's last answer to
GetInstalledCertificateIds. When a certificate of this type is installed later, the list is marked as out of
date. For each charge point at most 128 reported certificates of each type and the latest 32 installed
certificates are kept. The same hash has the charge point's signing request (signing_requests.py).
"""

from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from state import ids, versioned
from state.keys import ChargePointKeys
from state.store import Store
from state.versioned import Change, Fields

CertificateType = Literal["CentralSystemRootCertificate", "ManufacturerRootCertificate"]
HashAlgorithm = Literal["SHA256", "SHA384", "SHA512"]
TYPES: tuple[CertificateType, ...] = get_args(CertificateType)

LISTED = 128
INSTALLED = 32

_INSTALLED = "installed"
_encode = msgspec.json.encode


class CertificateHash(msgspec.Struct, frozen=True, kw_only=True):
    """CertificateHashDataType as the charge point spelled it.

    The values are hexadecimal, in upper or lower case.
    """

    hash_algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str

    @property
    def id(self) -> str:
        """Id of the certificate, which differs for each hash algorithm.

        The case of the values makes no difference.
        """
        return ids.digest(_encode(self.folded))

    def is_same(self, other: "CertificateHash") -> bool:
        return self.folded == other.folded

    @property
    def folded(self) -> tuple[str, ...]:
        hashes = (self.issuer_name_hash, self.issuer_key_hash, self.serial_number)
        return (self.hash_algorithm, *(value.lower() for value in hashes))


class ReportedCertificates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The reported certificates of one type. `read_ms` is None if the list was never read.

    `out_of_date` means that another certificate was installed after the list was read.
    """

    hash_data: tuple[CertificateHash, ...] = ()
    read_ms: int | None = None
    out_of_date: bool = False


class InstalledCertificate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A certificate that the charge point accepted for installation, as far as csms could read it.

    `hash_data` has a hash for each algorithm that the charge point may choose.
    """

    command: str
    certificate_type: CertificateType
    installed_ms: int
    subject: str | None = None
    not_before_ms: int | None = None
    not_after_ms: int | None = None
    hash_data: tuple[CertificateHash, ...] = ()

    def has_hash(self, hash_data: CertificateHash) -> bool:
        return any(map(hash_data.is_same, self.hash_data))


class Certificates(msgspec.Struct, frozen=True, kw_only=True):
    """The certificates of a charge point.

    The certificate that was installed last is the first in `installed`.
    """

    listings: dict[CertificateType, ReportedCertificates]
    installed: list[InstalledCertificate]

    def find(self, id_: str) -> CertificateHash | None:
        """Return the hash of a certificate that the charge point reported, or None."""
        return next((one for one in self.all_hashes() if one.id == id_), None)

    def all_hashes(self) -> Iterable[CertificateHash]:
        return (one for listing in self.listings.values() for one in listing.hash_data)


async def record_list(
    store: Store,
    keys: ChargePointKeys,
    certificate_type: CertificateType,
    hash_data: Iterable[CertificateHash],
    read_ms: int,
) -> None:
    """Store the list of one type that a charge point reported, in place of the previous one."""
    listing = ReportedCertificates(hash_data=tuple(hash_data)[:LISTED], read_ms=read_ms)
    event = {"certificate_type": certificate_type, "count": len(listing.hash_data)}
    change = Change({certificate_type: _encode(listing)}, (), [("certificates.read", _encode(event))])
    await versioned.change(store, keys, keys.certificates, lambda _: change)


async def record_installed(store: Store, keys: ChargePointKeys, new: InstalledCertificate) -> None:
    """Store an installed certificate, once for each command, and mark the list of its type as out of date."""

    def decide(fields: Fields) -> Change | None:
        known = _installed(fields)
        if any(one.command == new.command for one in known):
            return None
        listing = msgspec.structs.replace(_listing(fields, new.certificate_type), out_of_date=True)
        event = {"certificate_type": new.certificate_type, "command": new.command}
        return Change(
            {
                new.certificate_type: _encode(listing),
                _INSTALLED: _encode([new, *known][:INSTALLED]),
            },
            (),
            [("certificates.installed", _encode(event))],
        )

    await versioned.change(store, keys, keys.certificates, decide)


async def record_deleted(store: Store, keys: ChargePointKeys, deleted: CertificateHash) -> None:
    """Remove a certificate that the charge point deleted, or that it does not have."""

    def decide(fields: Fields) -> Change | None:
        put: dict[str, bytes] = {}
        for certificate_type in TYPES:
            listing = _listing(fields, certificate_type)
            left = tuple(one for one in listing.hash_data if not one.is_same(deleted))
            if len(left) < len(listing.hash_data):
                put[certificate_type] = _encode(msgspec.structs.replace(listing, hash_data=left))
        known = _installed(fields)
        still = [one for one in known if not one.has_hash(deleted)]
        if len(still) < len(known):
            put[_INSTALLED] = _encode(still)
        if not put:
            return None
        event = {"certificate": deleted.id, "certificate_types": [name for name in put if name in TYPES]}
        return Change(put, (), [("certificates.deleted", _encode(event))])

    await versioned.change(store, keys, keys.certificates, decide)


async def read(store: Store, tenant: str, charge_point: str) -> Certificates:
    fields = await versioned.read(store, ChargePointKeys(tenant, charge_point).certificates)
    listings = {name: _listing(fields, name) for name in TYPES if name in fields}
    return Certificates(listings=listings, installed=_installed(fields))


def _listing(fields: Fields, certificate_type: CertificateType) -> ReportedCertificates:
    return msgspec.json.decode(fields.get(certificate_type, b"{}"), type=ReportedCertificates)


def _installed(fields: Fields) -> list[InstalledCertificate]:
    return msgspec.json.decode(fields.get(_INSTALLED, b"[]"), type=list[InstalledCertificate])
