"""Lists of certificates are stored as reported. After an installation, a stored list is out of date."""

import msgspec

from state.features import certificates
from state.features.certificates import (
    INSTALLED,
    LISTED,
    CertificateHash,
    InstalledCertificate,
    ReportedCertificates,
)
from state.keys import ChargePointKeys
from state.store import Store
from tests.support.leases import events

KEYS = ChargePointKeys("acme", "CP-1")
CENTRAL, MAKER = certificates.TYPES


def hash_data(n: int = 1, **changes: str) -> CertificateHash:
    made = CertificateHash(
        hash_algorithm="SHA256",
        issuer_name_hash=f"ab{n:x}",
        issuer_key_hash=f"cd{n:x}",
        serial_number=f"ef{n:x}",
    )
    return msgspec.structs.replace(made, **changes)


def an_installation(command: str, *hashes: CertificateHash, at: int = 1) -> InstalledCertificate:
    return InstalledCertificate(
        command=command, certificate_type=CENTRAL, installed_ms=at, subject="CN=root", hash_data=hashes
    )


async def read_all(store: Store) -> certificates.Certificates:
    return await certificates.read(store, "acme", "CP-1")


async def test_a_list_of_certificates_is_stored_as_the_charge_point_reported_it(store: Store) -> None:
    assert await read_all(store) == certificates.Certificates(listings={}, installed=[])
    upper = hash_data(issuer_name_hash="AB1")
    await certificates.record_list(store, KEYS, CENTRAL, [upper, hash_data(2)], 5)
    await certificates.record_list(store, KEYS, MAKER, [], 6)
    found = await read_all(store)
    assert found.listings == {
        CENTRAL: ReportedCertificates(hash_data=(upper, hash_data(2)), read_ms=5),
        MAKER: ReportedCertificates(read_ms=6),
    }
    # The certificate is found by its id in upper or lower case. Its hash data is as reported.
    assert found.find(hash_data().id) == upper
    assert found.find("no id") is None
    await certificates.record_list(store, KEYS, CENTRAL, [], 7)
    assert (await read_all(store)).listings[CENTRAL] == ReportedCertificates(read_ms=7)


async def test_a_certificate_list_is_out_of_date_after_an_installation_until_the_list_is_reported_again(
    store: Store,
) -> None:
    await certificates.record_list(store, KEYS, CENTRAL, [hash_data()], 1)
    await certificates.record_list(store, KEYS, MAKER, [], 1)
    for _ in range(2):  # After an outage the outcome is stored again.
        await certificates.record_installed(store, KEYS, an_installation("c1", hash_data(2)))
    found = await read_all(store)
    assert (found.listings[CENTRAL].out_of_date, found.listings[MAKER].out_of_date) == (True, False)
    assert found.listings[CENTRAL].hash_data == (hash_data(),)
    assert [one.command for one in found.installed] == ["c1"]
    await certificates.record_list(store, KEYS, CENTRAL, [hash_data(), hash_data(2)], 2)
    assert not (await read_all(store)).listings[CENTRAL].out_of_date
    kinds = [kind for kind, _ in await events(store)]
    assert kinds == [*["certificates.read"] * 2, "certificates.installed", "certificates.read"]


async def test_an_installation_marks_a_certificate_list_as_out_of_date_even_if_it_was_never_reported(
    store: Store,
) -> None:
    await certificates.record_installed(store, KEYS, an_installation("c1"))
    assert (await read_all(store)).listings == {CENTRAL: ReportedCertificates(out_of_date=True)}


async def test_a_deleted_certificate_is_removed_from_every_list_even_if_the_letter_case_of_its_hash_differs(
    store: Store,
) -> None:
    for certificate_type in certificates.TYPES:
        await certificates.record_list(store, KEYS, certificate_type, [hash_data(), hash_data(2)], 1)
    await certificates.record_installed(store, KEYS, an_installation("c1", hash_data(), hash_data(3)))
    await certificates.record_installed(store, KEYS, an_installation("c2", hash_data(2)))
    for _ in range(2):
        await certificates.record_deleted(store, KEYS, hash_data(serial_number="EF1"))
    found = await read_all(store)
    assert [listing.hash_data for listing in found.listings.values()] == [(hash_data(2),)] * 2
    assert [one.command for one in found.installed] == ["c2"]
    assert [data for kind, data in await events(store) if kind == "certificates.deleted"] == [
        {"certificate": hash_data().id, "certificate_types": [CENTRAL, MAKER]}
    ]
    await certificates.record_deleted(store, KEYS, hash_data(2, hash_algorithm="SHA512"))
    assert (await read_all(store)).listings == found.listings


async def test_at_most_128_listed_and_32_installed_certificates_are_kept(store: Store) -> None:
    await certificates.record_list(store, KEYS, CENTRAL, map(hash_data, range(LISTED + 9)), 1)
    for n in range(INSTALLED + 3):
        await certificates.record_installed(store, KEYS, an_installation(f"c{n}"))
    found = await read_all(store)
    assert len(found.listings[CENTRAL].hash_data) == LISTED
    assert [one.command for one in found.installed] == [f"c{n}" for n in range(INSTALLED + 2, 2, -1)]
