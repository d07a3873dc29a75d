"""Every field that is checked is read from the certificate, and no certificate makes the reader fail."""

import hashlib
from contextlib import suppress
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from gateway.service.client_certificates import ClientCertificate, Unreadable, owner_uri, read
from tests.support.certificates import NOW, ec_key

KEY = ec_key()


def made(
    *names: tuple[x509.ObjectIdentifier, str],
    uris: tuple[str, ...] = (),
    other: tuple[x509.GeneralName, ...] = (),
    serial: int = 0x0ABC,
) -> bytes:
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA 1, of Acme")]))
        .public_key(KEY.public_key())
        .serial_number(serial)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    if uris or other:
        general = [*(x509.UniformResourceIdentifier(uri) for uri in uris), *other]
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


CN, O = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME  # noqa: E741  The names of the fields.
WHOLE = made((CN, "CP-1"), (O, "Acme"), (O, "Other"), uris=("https://x/", owner_uri("acme", "CP-1")))


def test_all_fields_are_read() -> None:
    start = round(NOW.timestamp() * 1000)
    assert read(WHOLE) == ClientCertificate(
        subject="O=Other,O=Acme,CN=CP-1",
        common_names=("CP-1",),
        organisations=("Acme", "Other"),
        serial_number="abc",
        issuer="CN=CA 1\\, of Acme",
        fingerprint=hashlib.sha256(WHOLE).hexdigest(),
        owner="urn:csms:acme:CP-1",
        not_before_ms=start,
        not_after_ms=start + 86_400_000,
    )


def test_a_certificate_of_another_issuer_has_no_owner() -> None:
    other = (x509.DNSName("urn:csms:acme:CP-1"), x509.RFC822Name("a@b"))
    for der in (made((CN, "CP-1")), made((CN, "CP-1"), uris=("https://urn:csms:acme",)), made(other=other)):
        assert read(der).owner is None


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_the_owner_names_one_charge_point_of_one_tenant(tenant: str, one: str, other: str) -> None:
    names = [text.encode("utf-8", "replace").decode() for text in (tenant, one, other)]
    if names[1] != names[2]:
        assert owner_uri(names[0], names[1]) != owner_uri(names[0], names[2])
        assert owner_uri(names[1], names[0]) != owner_uri(names[2], names[0])
    if names[0] != names[1]:
        assert owner_uri(names[0], names[1]) != owner_uri(names[1], names[0])


@pytest.mark.parametrize("serial", [1, 2**159 - 1, 0x0A])
def test_the_serial_number_is_in_lower_case_without_leading_zeros(serial: int) -> None:
    assert read(made((CN, "x"), serial=serial)).serial_number == f"{serial:x}"


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), st.integers(0, 3))
def test_a_certificate_with_a_changed_byte_is_read_or_refused_and_raises_nothing_else(
    at: int, byte: int, cut: int
) -> None:
    spoiled = bytearray(WHOLE)
    spoiled[at] = byte
    with suppress(Unreadable):
        read(bytes(spoiled)[: len(spoiled) - cut])


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(der: bytes) -> None:
    with pytest.raises(Unreadable):
        read(der)


def test_a_certificate_that_repeats_an_extension_is_refused_with_a_text_without_its_bytes() -> None:
    """The library raises an error for it that is not a ValueError."""
    with pytest.raises(Unreadable) as refused:
        read(with_doubled_extension(made(*[(O, "x" * 60)] * 3, uris=("urn:csms:acme:CP-1",))))
    assert "DuplicateExtension" in str(refused.value)


def with_doubled_extension(der: bytes) -> bytes:
    """Replace `[3] { SEQUENCE { extension } }` by the same with the extension twice."""
    at = der.rindex(b"\xa3", 0, der.index(bytes.fromhex("0603551d11")))
    inner = der[at + 4 : at + 4 + der[at + 3]]
    doubled = b"\xa3" + bytes([2 + 2 * len(inner), 0x30, 2 * len(inner)]) + 2 * inner
    return grown(der, at, der[at + 1] + 2, doubled)


def grown(der: bytes, at: int, length: int, new: bytes) -> bytes:
    """Put `new` in the place of a part of the certificate, and correct the lengths of what contains it."""
    more = len(new) - length
    spoiled = bytearray(der[:at] + new + der[at + length :])
    for outer in (2, 6):  # Certificate and TBSCertificate, each with a length of two bytes (30 82 ...).
        assert spoiled[outer - 1] == 0x82
        size = int.from_bytes(spoiled[outer : outer + 2]) + more
        spoiled[outer : outer + 2] = size.to_bytes(2)
    return bytes(spoiled)
