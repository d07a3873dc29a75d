import base64
import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from admin.commands.warnings.firmware_signature import check_chain, check_signature
from admin.http import convert
from admin.pki.authority import Issuer, Pair, create_key, issue_server, write_pem
from gateway.service import certificates as pem
from state.features.certificates import CertificateHash
from tests.admin.pki.authority import NOW, authority
from tests.support.certificates import Key, Made, certificate

IMAGE = b"firmware"
SHA256 = hashlib.sha256(IMAGE).digest()
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
ROOT = certificate("Maker Root")


def text(signature: bytes) -> str:
    return base64.b64encode(signature).decode()


def signed(key: Key, image: bytes = IMAGE) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return text(key.sign(image, PSS, hashes.SHA256()))
    return text(key.sign(image, ec.ECDSA(hashes.SHA256())))


@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY], ids=["RSA", "EC"])
def test_a_signature_is_verified_only_with_the_hash_of_the_firmware(key: Key) -> None:
    chain = certificate("signer", key=key).pem
    assert check_signature(chain, signed(key), SHA256) == []
    [unverified] = check_signature(chain, signed(key), None)
    assert "csms did not verify the signature" in unverified
    [wrong] = check_signature(chain, signed(key, b"other"), SHA256)
    assert wrong.startswith("The signature is wrong")
    other = RSA_KEY if key is EC_KEY else EC_KEY
    assert len(check_signature(chain, signed(other), None)) == 2


def test_a_signature_of_pkcs1_is_right_but_not_as_the_whitepaper_demands() -> None:
    chain = certificate("signer", key=RSA_KEY).pem
    old = text(RSA_KEY.sign(IMAGE, padding.PKCS1v15(), hashes.SHA256()))
    [warning] = check_signature(chain, old, SHA256)
    assert warning == "The signature is right, but it is PKCS#1 v1.5 instead of RSA-PSS."


@pytest.mark.parametrize(
    ("key", "signature", "expected"),
    [
        (RSA_KEY, b"x" * 255, "has 255 bytes, but a signature by the RSA key has 256"),
        (EC_KEY, b"x" * 64, "may be ECSchnorr"),
        (EC_KEY, b"x" * 63, "not an ECDSA signature in DER"),
    ],
)
def test_a_signature_that_cannot_be_one_of_the_key_is_found_without_the_firmware(
    key: Key, signature: bytes, expected: str
) -> None:
    chain = certificate("signer", key=key).pem
    assert expected in check_signature(chain, text(signature), None)[0]
    [with_hash] = check_signature(chain, text(signature), SHA256)
    assert expected in with_hash


def test_a_key_that_is_weak_is_reported() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    found = check_signature(certificate("signer", key=weak).pem, signed(weak), SHA256)
    assert found == ["The RSA key of 1024 bits is too weak; 2048 are needed."]


def test_a_signing_certificate_with_another_kind_of_key_verifies_nothing() -> None:
    other = Made(ROOT.certificate, ROOT.key)
    key = ed25519.Ed25519PrivateKey.generate()
    made = certificate("signer", issuer=other, key=key)  # type: ignore[arg-type]
    [warning] = check_signature(made.pem, text(b"x" * 64), SHA256)
    assert "neither RSA nor EC; csms verified nothing" in warning


@given(st.binary(min_size=1, max_size=600))
def test_any_signature_is_right_or_warned_of_and_raises_no_error(signature: bytes) -> None:
    for key in (RSA_KEY, EC_KEY):
        chain = certificate("signer", key=key).pem
        assert check_signature(chain, text(signature), SHA256)


def roots(made: Made, algorithm: str = "SHA256") -> list[CertificateHash]:
    hash_data = pem.read_all(made.pem)[0].hash_data
    return [convert(one, CertificateHash) for one in hash_data if one.hash_algorithm == algorithm]


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
def test_a_chain_that_ends_with_a_reported_root_has_no_warning(algorithm: str) -> None:
    leaf = certificate("signer", issuer=ROOT)
    assert check_chain(leaf.pem + ROOT.pem, roots(ROOT, algorithm)) == []


def test_a_warning_says_how_far_the_chain_was_followed() -> None:
    leaf, twin = certificate("signer", issuer=ROOT), certificate("Maker Root")
    for chain, known, expected in (
        (leaf.pem, None, "has not reported its manufacturer roots"),
        (leaf.pem, [], "no manufacturer root with the name CN=Maker Root"),
        (leaf.pem, roots(certificate("Other")), "no manufacturer root with the name CN=Maker Root"),
        (leaf.pem, roots(ROOT), "did not verify that this root issued"),
        (
            certificate("signer", issuer=twin).pem + twin.pem,
            roots(ROOT),
            "of the same name, but not this one",
        ),
        (leaf.pem + twin.pem, roots(ROOT), "was not issued by the next one"),
    ):
        [warning] = check_chain(chain, known)
        assert expected in warning


def test_a_certificate_that_may_not_sign_is_reported() -> None:
    issuer = authority().issuers["ec"]
    [warning, _] = check_chain(write_pem([issuer.certificate]).decode(), None)
    assert warning == "The signing certificate may not sign (no digitalSignature)."
    key = create_key("ec")
    may = issue_server(
        Issuer(Pair(issuer.certificate, issuer.pair.key), ()), key, "x", organisation="x", now=NOW
    )
    assert len(check_chain(write_pem([may]).decode(), None)) == 1
