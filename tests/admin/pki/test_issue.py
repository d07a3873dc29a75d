import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from admin.pki.authority import FAMILIES, Authority, Family, create_key, write_pem
from admin.pki.issue import CannotIssue, Owner, issue
from gateway.service import client_certificates
from gateway.service.client_certificates import owner_uri
from state.tenants.tenants import Tenant
from tests.admin.pki.authority import NOW, authority, hierarchies
from tests.support.certificates import request
from tests.support.csr_versions import of_version

TENANT = Tenant(id="acme/1", name="Acme", auto_register=False, created_ms=1)
OWNER = Owner(TENANT, "CP 1")
NOW_MS = round(NOW.timestamp() * 1000)
KEYS = {family: create_key(family) for family in FAMILIES}


def leaf_of(chain: str) -> x509.Certificate:
    return x509.load_pem_x509_certificates(chain.encode())[0]


def organised(*organisations: str, key: Family = "ec") -> str:
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organisations]
    names.append(x509.NameAttribute(NameOID.COMMON_NAME, "Serial 7"))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    return builder.sign(KEYS[key], hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_certificate_of_a_charge_point_has_the_fields_that_the_security_whitepaper_requires(
    family: Family,
) -> None:
    issued = issue(authority(), request(KEYS[family], "Serial 7"), OWNER, NOW_MS, 30)
    leaf = leaf_of(issued.chain)
    assert leaf.public_key() == KEYS[family].public_key()
    assert leaf.subject.rfc4514_string() == "CN=Serial 7,O=Acme"
    if family == "rsa":
        assert isinstance(leaf.signature_algorithm_parameters, padding.PKCS1v15)
    else:
        assert isinstance(leaf.signature_algorithm_parameters, ec.ECDSA)
    assert leaf.signature_hash_algorithm is not None
    assert leaf.signature_hash_algorithm.name == "sha256"
    extension = leaf.extensions.get_extension_for_class
    assert not extension(x509.BasicConstraints).value.ca
    assert list(extension(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    usage = extension(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment) == (True, family == "rsa")
    assert not usage.key_cert_sign
    issuer = authority().issuers[family].certificate
    assert leaf.issuer == issuer.subject
    assert (
        extension(x509.AuthorityKeyIdentifier).value.key_identifier
        == issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    )
    assert leaf.not_valid_after_utc == NOW + timedelta(days=30)
    assert issued.not_after_ms == NOW_MS + 30 * 86_400_000
    assert issued.serial_number == f"{leaf.serial_number:x}"
    assert 0 < leaf.serial_number < 1 << 159


def test_a_gateway_finds_the_owner_and_the_issuer_in_a_certificate_of_a_charge_point() -> None:
    issued = issue(authority(), request(), OWNER, NOW_MS, 30)
    read = client_certificates.read(leaf_of(issued.chain).public_bytes(Encoding.DER))
    assert read.owner == owner_uri("acme/1", "CP 1")
    assert (read.serial_number, read.issuer) == (issued.serial_number, issued.issuer)


@pytest.mark.parametrize("family", FAMILIES)
def test_openssl_verifies_the_chain_of_a_charge_point_strictly(family: Family, tmp_path: Path) -> None:
    issued = issue(authority(), request(KEYS[family]), OWNER, NOW_MS, 30)
    certificates = x509.load_pem_x509_certificates(issued.chain.encode())
    assert len(certificates) == 2
    assert "\r" not in issued.chain
    (tmp_path / "root.pem").write_bytes(write_pem([hierarchies()[family].root.certificate]))
    (tmp_path / "leaf.pem").write_bytes(write_pem(certificates[:1]))
    (tmp_path / "chain.pem").write_text(issued.chain)
    done = subprocess.run(
        [
            *("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", tmp_path / "root.pem"),
            *("-untrusted", tmp_path / "chain.pem", tmp_path / "leaf.pem"),
        ],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_each_certificate_for_the_same_request_has_its_own_serial_number() -> None:
    csr = request()
    assert len({issue(authority(), csr, OWNER, NOW_MS, 30).serial_number for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("demanded", "asked", "expected"),
    [
        (("First", "Second"), ("Asked",), "First"),
        ((), ("Asked", "Other"), "Asked"),
        ((), (), "Acme"),
        (("",), ("Asked",), "Asked"),
        ((), ("line\nbreak", "Asked"), "Asked"),
    ],
)
def test_the_organisation_is_that_of_the_tenant_or_of_the_request_or_the_name_of_the_tenant(
    demanded: tuple[str, ...], asked: tuple[str, ...], expected: str
) -> None:
    tenant = Tenant(
        id="a", name="Acme", auto_register=False, created_ms=1, certificate_organisations=demanded
    )
    issued = issue(authority(), organised(*asked), Owner(tenant, "CP"), NOW_MS, 30)
    found = leaf_of(issued.chain).subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [one.value for one in found] == [expected]


@pytest.mark.parametrize(("name", "expected"), [("", "id"), ("ü" * 255, "ü" * 64)])
def test_a_tenant_with_no_name_or_a_long_name_has_an_organisation_too(name: str, expected: str) -> None:
    tenant = Tenant(id="id", name=name, auto_register=False, created_ms=1)
    issued = issue(authority(), request(), Owner(tenant, "CP"), NOW_MS, 30)
    [found] = leaf_of(issued.chain).subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert found.value == expected


def test_a_request_of_another_version_gets_a_certificate() -> None:
    issued = issue(authority(), of_version(1, KEYS["rsa"]), OWNER, NOW_MS, 30)
    assert leaf_of(issued.chain).public_key() == KEYS["rsa"].public_key()


def test_a_key_on_any_strong_curve_gets_a_certificate_of_the_ec_authority() -> None:
    for key in (ec.generate_private_key(ec.SECP224R1()), ec.generate_private_key(ec.SECP521R1())):
        issued = issue(authority(), request(key), OWNER, NOW_MS, 30)
        assert leaf_of(issued.chain).issuer == authority().issuers["ec"].certificate.subject


def test_no_certificate_is_issued_for_a_chain_that_is_too_long_for_the_charge_point() -> None:
    csr = request(rsa.generate_private_key(65537, 2048))
    length = len(issue(authority(), csr, OWNER, NOW_MS, 30).chain)
    for most in (length - 200, 1):
        with pytest.raises(CannotIssue, match=rf"takes at most {most} \(CertificateSignedMaxChainSize\)"):
            issue(authority(), csr, Owner(TENANT, "CP 1", most), NOW_MS, 30)
    assert issue(authority(), csr, Owner(TENANT, "CP 1", length + 200), NOW_MS, 30)


def test_the_reason_says_why_no_certificate_is_issued() -> None:
    only_ec = Authority({"ec": authority().issuers["ec"]})
    with pytest.raises(CannotIssue, match=r"RSA 2048.*set pki\.rsa"):
        issue(only_ec, request(KEYS["rsa"]), OWNER, NOW_MS, 30)
    with pytest.raises(CannotIssue, match=r"is valid only from .*; make a new one"):
        issue(authority(), request(), OWNER, NOW_MS + 3700 * 86_400_000, 30)
    with pytest.raises(CannotIssue, match="must be PKCS#10"):
        issue(authority(), "junk", OWNER, NOW_MS, 30)
    two = [x509.NameAttribute(NameOID.COMMON_NAME, one) for one in ("a", "b")]
    for names in ([], two):
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
        csr = builder.sign(KEYS["ec"], hashes.SHA256()).public_bytes(Encoding.PEM).decode()
        with pytest.raises(CannotIssue, match="one common name"):
            issue(authority(), csr, OWNER, NOW_MS, 30)
