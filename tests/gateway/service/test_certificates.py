"""OCPP's hash data equals hashes that the tests compute from the DER. Unreadable texts raise clear errors."""

import base64
import hashlib
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.service.certificates import Unreadable, is_base64, read_all
from tests.support.certificates import DAY, NOW, Key, certificate, ec_key


@pytest.mark.parametrize("key", [ec_key(), rsa.generate_private_key(65537, 2048)], ids=["EC", "RSA"])
def test_the_hash_data_of_a_root_certificate_is_computed_as_ocsp_defines_it(key: Key) -> None:
    made = certificate("Root Ä", key=key, serial=0x0A_BC)
    [read] = read_all(made.pem)
    assert (read.subject, read.self_signed) == ("CN=Root Ä", True)
    assert read.not_before_ms == (NOW - DAY).timestamp() * 1000
    assert read.not_after_ms == (NOW + DAY).timestamp() * 1000
    assert [one.hash_algorithm for one in read.hash_data] == ["SHA256", "SHA384", "SHA512"]
    distinguished_name = made.certificate.issuer.public_bytes()
    for one in read.hash_data:
        digest = one.hash_algorithm.lower()
        assert one.issuer_name_hash == hashlib.new(digest, distinguished_name).hexdigest()
        assert one.issuer_key_hash == hashlib.new(digest, _bit_string(key)).hexdigest()
        assert one.serial_number == "abc"


def _bit_string(key: Key) -> bytes:
    """Return the contents of subjectPublicKey, without tag, length and unused bits."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def test_a_certificate_that_is_not_self_signed_has_no_hash_data() -> None:
    root = certificate()
    [leaf] = read_all(certificate("leaf", issuer=root).pem)
    assert (leaf.self_signed, leaf.hash_data) == (False, ())
    [impostor] = read_all(certificate("root", issuer=root, key=ec_key()).pem)
    assert not impostor.self_signed  # It names "root" as its issuer, but another key signed it.


def test_the_certificates_of_a_chain_are_read_in_their_order_with_any_kind_of_line_ends() -> None:
    root = certificate()
    leaf = certificate("leaf", issuer=root)
    chain = (leaf.pem + root.pem).replace("\n", "\r\n")
    assert [one.subject for one in read_all(chain)] == ["CN=leaf", "CN=root"]


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\0", "\u20ac" * 100],
)
def test_a_text_that_is_not_a_certificate_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="not a certificate in PEM"):
        read_all(text)


def test_the_error_for_an_unreadable_certificate_leaves_out_the_advice_of_the_cryptography_library() -> None:
    framed = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"
    for text, reason in (
        ("nonsense", "which begins with -----BEGIN CERTIFICATE-----"),
        (framed, "InvalidData"),
    ):
        with pytest.raises(Unreadable, match=f"in PEM \\({reason}") as refused:
            read_all(text)
        assert "http" not in str(refused.value)


@given(st.data())
def test_a_damaged_certificate_is_either_read_or_refused_and_raises_no_other_error(
    data: st.DataObject,
) -> None:
    der = bytearray(_ROOT)
    for at in data.draw(st.lists(st.integers(0, len(der) - 1), min_size=1, max_size=3)):
        der[at] = data.draw(st.integers(0, 255))
    with suppress(Unreadable):
        [read] = read_all(_pem(bytes(der)))
        assert bool(read.hash_data) == read.self_signed


_ROOT = certificate().certificate.public_bytes(Encoding.DER)


def _pem(der: bytes) -> str:

    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("YWJj", True), ("YW\nJj\n", True), ("YWI=", True), ("", False), ("YWI", False), ("not base64!", False)],
)
def test_hash_data_can_be_written_in_base64(text: str, verdict: bool) -> None:  # noqa: FBT001  a parameter of the test
    assert is_base64(text) is verdict
