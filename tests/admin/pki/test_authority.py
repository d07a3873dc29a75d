import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from admin.cli.authority_files import create_directory
from admin.config import IssuerFiles, PkiConfig
from admin.pki.authority import (
    FAMILIES,
    Family,
    create_key,
    is_exposed,
    issue_server,
    load,
    load_issuer,
    revocation_list,
    write_key,
    write_pem,
)
from gateway.service.config import ConfigError
from tests.admin.pki.authority import NOW, authority, hierarchies

HOST = "csms.example.org"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pki") / "authority"
    create_directory(made, "Example", NOW)
    return made


def openssl(*arguments: str | Path, content: bytes = b"") -> str:
    done = subprocess.run(["openssl", *arguments], input=content, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
    return done.stdout.decode()


@pytest.mark.parametrize("family", FAMILIES)
def test_each_authority_signs_with_its_own_family_and_never_with_rsa_pss(family: Family) -> None:
    found = hierarchies()[family]
    for one in (found.root.certificate, found.issuing.certificate):
        key = one.public_key()
        if family == "rsa":
            assert isinstance(one.signature_algorithm_parameters, padding.PKCS1v15)
            assert isinstance(key, rsa.RSAPublicKey)
            assert key.key_size == {True: 3072, False: 2048}[one.subject == one.issuer]
        else:
            assert isinstance(one.signature_algorithm_parameters, ec.ECDSA)
            assert isinstance(key, ec.EllipticCurvePublicKey)
            assert key.curve.name == "secp256r1"
        assert one.signature_hash_algorithm is not None
        assert one.signature_hash_algorithm.name == "sha256"
    constraints = found.issuing.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.value.ca, constraints.value.path_length, constraints.critical) == (True, 0, True)


@pytest.mark.parametrize("family", FAMILIES)
def test_openssl_verifies_a_server_certificate_strictly_against_the_root(
    family: Family, tmp_path: Path
) -> None:
    issuer, key = authority().issuers[family], create_key(family)
    server = issue_server(issuer, key, HOST, organisation="Example", now=NOW)
    (tmp_path / "root.pem").write_bytes(write_pem([hierarchies()[family].root.certificate]))
    (tmp_path / "chain.pem").write_bytes(write_pem(issuer.chain))
    (tmp_path / "server.pem").write_bytes(write_pem([server]))
    files = ("-CAfile", tmp_path / "root.pem", "-untrusted", tmp_path / "chain.pem")
    how = ("-x509_strict", "-purpose", "sslserver", "-verify_hostname", HOST)
    assert ": OK" in openssl("verify", *how, *files, tmp_path / "server.pem")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_server_certificate_has_the_fields_that_the_security_whitepaper_requires(family: Family) -> None:
    server = issue_server(
        authority().issuers[family], create_key(family), HOST, organisation="Example", now=NOW
    )
    values = {
        oid: [one.value for one in server.subject.get_attributes_for_oid(oid)]
        for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    }
    assert values == {NameOID.ORGANIZATION_NAME: ["Example"], NameOID.COMMON_NAME: [HOST]}
    extension = server.extensions.get_extension_for_class
    assert extension(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == [HOST]
    assert list(extension(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    usage = extension(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment) == (True, family == "rsa")
    assert 0 < server.serial_number < 1 << 159
    assert server.not_valid_after_utc == NOW + timedelta(days=365)


def test_a_certificate_does_not_outlive_its_issuing_authority() -> None:
    issuer = authority().issuers["ec"]
    server = issue_server(issuer, create_key("ec"), HOST, organisation="x", now=NOW, days=36_500)
    assert server.not_valid_after_utc == issuer.certificate.not_valid_after_utc


@pytest.mark.parametrize("family", FAMILIES)
def test_openssl_finds_a_revoked_certificate_in_the_revocation_list(family: Family, tmp_path: Path) -> None:
    issuer = authority().issuers[family]
    server = issue_server(issuer, create_key(family), HOST, organisation="x", now=NOW)
    other = issue_server(issuer, create_key(family), HOST, organisation="x", now=NOW)
    revoked_ms = round(NOW.timestamp() * 1000)
    signed = revocation_list(issuer, {server.serial_number: revoked_ms}, NOW, 7)
    read = x509.load_pem_x509_crl(signed)
    key = issuer.certificate.public_key()
    assert isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey))
    assert read.is_signature_valid(key)
    assert read.next_update_utc == NOW + timedelta(days=7)
    [entry] = read
    assert (entry.serial_number, entry.revocation_date_utc) == (server.serial_number, NOW)
    (tmp_path / "ca.pem").write_bytes(
        write_pem([hierarchies()[family].root.certificate, *issuer.chain]) + signed
    )
    for one, right in ((server, False), (other, True)):
        (tmp_path / "server.pem").write_bytes(write_pem([one]))
        done = subprocess.run(
            [
                *("openssl", "verify", "-x509_strict", "-crl_check", "-CAfile", tmp_path / "ca.pem"),
                tmp_path / "server.pem",
            ],
            capture_output=True,
            check=False,
        )
        assert (done.returncode == 0) == right, done.stderr
        assert right or b"certificate revoked" in done.stderr


def test_later_revocation_lists_have_greater_numbers() -> None:
    numbers = [
        x509.load_pem_x509_crl(revocation_list(authority().issuers["ec"], {}, NOW + timedelta(seconds=s), 7))
        .extensions.get_extension_for_class(x509.CRLNumber)
        .value.crl_number
        for s in range(3)
    ]
    assert numbers == sorted(set(numbers))


def test_an_authority_is_loaded_from_its_directory_or_from_single_files(directory: Path) -> None:
    whole = load(PkiConfig(directory=str(directory)))
    assert whole is not None
    assert {family: issuer.chain for family, issuer in whole.issuers.items()}.keys() == set(FAMILIES)
    one = load(
        PkiConfig(ec=IssuerFiles(str(directory / "ec-issuing.pem"), str(directory / "ec-issuing.key")))
    )
    assert one is not None
    assert list(one.issuers) == ["ec"]
    assert one.issuers["ec"].certificate == whole.issuers["ec"].certificate
    assert load(PkiConfig()) is None
    with pytest.raises(ConfigError, match="set either directory, or rsa and ec"):
        load(PkiConfig(directory=str(directory), ec=IssuerFiles("x", "y")))


def test_only_the_owner_can_read_the_directory_and_the_keys_of_an_authority(directory: Path) -> None:
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_key_that_other_users_can_read_or_write_is_refused(
    directory: Path, tmp_path: Path, mode: int
) -> None:
    key = tmp_path / "ec.key"
    key.write_bytes((directory / "ec-issuing.key").read_bytes())
    key.chmod(mode)
    with pytest.raises(ConfigError, match="give it the mode 0600"):
        load_issuer("ec", directory / "ec-issuing.pem", key)


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
def test_the_group_may_read_a_key_that_root_gave_to_it_as_in_a_secret_of_kubernetes(mode: int) -> None:
    assert not is_exposed(mode, owner=0, user=10001)


@pytest.mark.parametrize(
    ("mode", "owner", "user"),
    [(0o660, 0, 10001), (0o444, 0, 10001), (0o440, 0, 0), (0o440, 10001, 10001), (0o640, 10002, 10001)],
)
def test_a_key_is_exposed_to_others_who_may_write_it_or_are_not_of_the_group_of_root(
    mode: int, owner: int, user: int
) -> None:
    assert is_exposed(mode, owner, user)


def test_a_wrong_file_of_an_authority_is_refused_with_its_name(directory: Path, tmp_path: Path) -> None:
    def private(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        path.chmod(0o600)
        return path

    chain, key = directory / "ec-issuing.pem", directory / "ec-issuing.key"
    leaf_key = create_key("ec")
    leaf = issue_server(authority().issuers["ec"], leaf_key, HOST, organisation="x", now=NOW)
    encrypted = leaf_key.private_bytes(
        Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    other = ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    family: Family
    for family, chain_file, key_file, why in (
        ("ec", tmp_path / "absent", key, "cannot read .*absent"),
        ("ec", chain, tmp_path / "absent", "cannot read .*absent"),
        ("ec", private("junk", b"junk"), key, "junk does not hold certificates"),
        ("ec", chain, private("junk", b"junk"), "junk does not hold a private key"),
        ("ec", chain, private("locked", encrypted), "locked is encrypted"),
        ("ec", chain, private("ed", other), "ed is neither an RSA nor an EC key"),
        ("rsa", chain, key, "is not an RSA key"),
        ("ec", chain, directory / "rsa-issuing.key", "is not an EC key"),
        ("ec", directory / "ec-root.pem", key, "is not the key of"),
        ("ec", private("leaf", write_pem([leaf])), private("leaf.key", write_key(leaf_key)), "may not sign"),
    ):
        with pytest.raises(ConfigError, match=why):
            load_issuer(family, chain_file, key_file)


def test_a_root_at_the_end_of_a_chain_file_is_left_out(directory: Path, tmp_path: Path) -> None:
    both = tmp_path / "chain.pem"
    both.write_bytes((directory / "ec-issuing.pem").read_bytes() + (directory / "ec-root.pem").read_bytes())
    issuer = load_issuer("ec", both, directory / "ec-issuing.key")
    assert issuer.chain == (issuer.certificate,)
    assert issuer.certificate.issuer != issuer.certificate.subject


def test_an_authority_shows_no_key_in_a_text(directory: Path) -> None:
    loaded = load(PkiConfig(directory=str(directory)))
    assert "PrivateKey" not in repr(loaded)


def test_a_certificate_begins_to_be_valid_an_hour_before_it_was_issued() -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    server = issue_server(authority().issuers["ec"], create_key("ec"), HOST, organisation="x", now=moment)
    assert server.not_valid_before_utc == moment - timedelta(hours=1)
