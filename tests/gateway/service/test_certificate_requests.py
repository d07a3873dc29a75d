"""Certificate requests of hostile charge points are judged quickly by their form, key and signature."""

import math
import time
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.service.certificate_requests import CHARACTERS_MAX, RequestRefused, read
from tests.support.certificates import Key, certificate, name, request
from tests.support.csr_versions import of_version, pem

GOOD = request()
DER = x509.load_pem_x509_csr(GOOD.encode()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("key", "described"),
    [
        (rsa.generate_private_key(65537, 2048), "RSA 2048"),
        (rsa.generate_private_key(65537, 3072), "RSA 3072"),
        (ec.generate_private_key(ec.SECP224R1()), "EC secp224r1"),
        (ec.generate_private_key(ec.SECP521R1()), "EC secp521r1"),
        (ec.generate_private_key(ec.BrainpoolP256R1()), "EC brainpoolP256r1"),
    ],
    ids=["RSA 2048", "RSA 3072", "P-224", "P-521", "brainpool"],
)
def test_the_fields_of_a_valid_certificate_signing_request_are_read(key: Key, described: str) -> None:
    found = read(request(key, "Serial 7"))
    assert (found.subject, found.key) == ("CN=Serial 7", described)
    assert found.public_key == key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("changed", [GOOD.replace("\n", "\r\n"), f"junk\n{GOOD}\nmore junk\n", GOOD.rstrip()])
def test_text_around_a_certificate_signing_request_is_ignored(changed: str) -> None:
    assert read(changed) == read(GOOD)


def weak_curve() -> str:
    return request(ec.generate_private_key(ec.SECP192R1()))


def of_ed25519() -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name("x"))
    return builder.sign(ed25519.Ed25519PrivateKey.generate(), None).public_bytes(Encoding.PEM).decode()


def another_name() -> str:
    """Make a request whose content was changed after it was signed."""
    der = x509.load_pem_x509_csr(request(common_name="Serial 1").encode()).public_bytes(Encoding.DER)
    return pem(der.replace(b"Serial 1", b"Serial 2"))


def large_exponent() -> str:
    """Make an RSA key with an exponent nearly as long as the key; verifying takes 5 ms instead of 30 us."""
    usual = rsa.generate_private_key(65537, 2048).private_numbers()
    p, q, modulus = usual.p, usual.q, usual.public_numbers.n
    totient, e = (p - 1) * (q - 1), 2**2040 + 1
    while math.gcd(e, totient) != 1:
        e += 2
    d = pow(e, -1, totient)
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), usual.iqmp, rsa.RSAPublicNumbers(e, modulus)
    )
    return request(numbers.private_key())


@pytest.mark.parametrize(
    ("csr", "why"),
    [
        ("", "must be PKCS#10"),
        ("nonsense", "must be PKCS#10"),
        ("\0" * 5500, "must be PKCS#10"),
        (GOOD.replace("REQUEST", "NONSENSE"), "must be PKCS#10"),
        (pem(b""), "must be PKCS#10"),
        (pem(DER[:-1]), "must be PKCS#10"),
        (pem(b"\x30\x84\xff\xff\xff\xff"), "must be PKCS#10"),
        (pem(b"\x30\x80" * 1500), "must be PKCS#10"),
        (certificate().pem, "must be PKCS#10"),
        (GOOD + "\n" * CHARACTERS_MAX, "at most 5500"),
        (request(rsa.generate_private_key(65537, 1024)), "1024 bits"),
        (of_ed25519(), "neither RSA nor EC"),
        (another_name(), "not signed with its own key"),
        (pem(DER[:-1] + bytes([DER[-1] ^ 1])), "not signed with its own key"),
    ],
)
def test_a_bad_certificate_signing_request_is_refused_with_the_reason(csr: str, why: str) -> None:
    with pytest.raises(RequestRefused, match=why):
        read(csr)


def test_a_certificate_signing_request_with_a_weak_curve_is_refused() -> None:
    with pytest.raises(RequestRefused, match=r"192 bits|must be PKCS#10"):
        read(weak_curve())


def test_a_certificate_request_with_a_key_that_is_slow_to_verify_is_refused_before_verification() -> None:
    with pytest.raises(RequestRefused, match="exponent has more than 32 bits"):
        read(large_exponent())


@given(st.data())
def test_a_damaged_certificate_signing_request_is_either_read_or_refused_and_raises_no_other_error(
    data: st.DataObject,
) -> None:
    der = bytearray(DER)
    for at in data.draw(st.lists(st.integers(0, len(der) - 1), min_size=1, max_size=4)):
        der[at] = data.draw(st.integers(0, 255))
    if bytes(der) != DER:
        with suppress(RequestRefused):
            assert read(pem(bytes(der))).key == "EC secp256r1"


def test_the_slowest_certificate_signing_request_that_is_allowed_is_verified_quickly() -> None:
    """The test uses the slowest kind of key. A busy machine does not affect the best of 50 measurements."""
    csr, best = request(ec.generate_private_key(ec.BrainpoolP512R1())), 9.0
    for _ in range(50):
        began = time.process_time()
        read(csr)
        best = min(best, time.process_time() - began)
    assert best < 0.01


KEYS = (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize("key", KEYS, ids=["RSA", "EC"])
@pytest.mark.parametrize("version", [1, 2, 3, 127])
def test_a_certificate_request_of_another_version_is_read_and_marked(version: int, key: Key) -> None:
    found = read(of_version(version, key))
    assert found.other_version
    assert found.subject == read(request(key)).subject
    assert found.public_key == key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert not read(of_version(0, key)).other_version


@pytest.mark.parametrize("key", KEYS, ids=["RSA", "EC"])
def test_a_certificate_request_whose_version_was_changed_after_it_was_signed_is_refused(key: Key) -> None:
    with pytest.raises(RequestRefused, match="not signed with its own key"):
        read(of_version(1, key, sign_again=False))
