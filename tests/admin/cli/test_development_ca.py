import shutil
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, SignatureAlgorithmOID

from admin.cli.development_ca import DevelopmentCa, ensure_development_ca
from gateway.service.config import ConfigError
from gateway.service.tls_files import read_server_names


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentCa:
    return ensure_development_ca(tmp_path_factory.mktemp("ca"))


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def serials(authority: DevelopmentCa) -> list[int]:
    roots = x509.load_pem_x509_certificates(authority.ca_file.read_bytes())
    servers = [certificate(chain) for chain, _ in (authority.ecdsa, authority.rsa)]
    return [one.serial_number for one in (*roots, *servers)]


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
async def test_a_strict_tls_client_accepts_the_server_certificates_of_the_development_ca(
    authority: DevelopmentCa, kind: str
) -> None:
    chain, key = getattr(authority, kind)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, key)
    client = ssl.create_default_context(cafile=authority.ca_file)
    assert client.verify_flags & ssl.VERIFY_X509_STRICT
    left, right = trio.testing.memory_stream_pair()
    ours = trio.SSLStream(left, server, server_side=True)
    theirs = trio.SSLStream(right, client, server_hostname="localhost")
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.do_handshake)
            nursery.start_soon(theirs.do_handshake)
    assert theirs.getpeercert()["subject"] == (
        (("organizationName", "csms development"),),
        (("commonName", "localhost"),),
    )


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_server_certificates_have_the_fields_that_the_ocpp_security_whitepaper_requires(
    authority: DevelopmentCa, kind: str
) -> None:
    found = certificate(getattr(authority, kind)[0])
    extension = found.extensions.get_extension_for_class
    assert extension(x509.KeyUsage).critical
    assert extension(x509.KeyUsage).value.key_encipherment == (kind == "rsa")
    assert extension(x509.KeyUsage).value.digital_signature
    assert list(extension(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert extension(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == ["localhost"]
    assert found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert extension(x509.AuthorityKeyIdentifier).value.key_identifier
    assert len(set(serials(authority))) == 4
    assert (
        found.signature_algorithm_oid
        == {
            "ecdsa": SignatureAlgorithmOID.ECDSA_WITH_SHA256,
            "rsa": SignatureAlgorithmOID.RSA_WITH_SHA256,
        }[kind]
    )


def test_the_files_of_the_development_ca_can_be_read_only_by_the_user_who_owns_them(
    authority: DevelopmentCa,
) -> None:
    for path in authority.ca_file.parent.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_the_development_ca_reuses_the_certificates_that_its_directory_already_contains(
    authority: DevelopmentCa,
) -> None:
    assert serials(ensure_development_ca(authority.directory)) == serials(authority)


def test_the_development_ca_renews_server_certificates_within_a_year_and_its_root_within_ten_years(
    tmp_path: Path,
) -> None:
    now = datetime.now(UTC)
    first = serials(ensure_development_ca(tmp_path, now))
    later = serials(ensure_development_ca(tmp_path, now + timedelta(days=340)))
    assert later[:2] == first[:2]
    assert set(later[2:]).isdisjoint(first)
    much_later = serials(ensure_development_ca(tmp_path, now + timedelta(days=3300)))
    assert set(much_later).isdisjoint(later)


@pytest.mark.parametrize(
    "name", ["ecdsa.pem", "rsa.key", "rsa-root.pem", "ec-issuing.pem", "rsa-issuing.key"]
)
def test_a_damaged_certificate_or_private_key_is_replaced(
    authority: DevelopmentCa, tmp_path: Path, name: str
) -> None:
    directory, first = shutil.copytree(authority.directory, tmp_path / "ca"), serials(authority)
    (directory / name).write_text("damaged")
    renewed = ensure_development_ca(directory)
    assert serials(renewed) != first
    assert read_server_names([renewed.ecdsa, renewed.rsa]) == ("localhost",)
    first_key, second_key = (certificate(chain).public_key() for chain, _ in (renewed.ecdsa, renewed.rsa))
    assert isinstance(first_key, ec.EllipticCurvePublicKey)
    assert first_key.curve.name == "secp256r1"
    assert isinstance(second_key, rsa.RSAPublicKey)
    assert second_key.key_size == 2048
    assert serials(ensure_development_ca(directory)) == serials(renewed)


@pytest.mark.parametrize("name", ["root.pem", "client-authorities.pem"])
def test_a_damaged_list_of_authorities_is_written_again_with_the_same_authorities(
    authority: DevelopmentCa, tmp_path: Path, name: str
) -> None:
    directory, first = shutil.copytree(authority.directory, tmp_path / "ca"), serials(authority)
    before = (directory / name).read_bytes()
    (directory / name).write_text("damaged")
    assert serials(ensure_development_ca(directory)) == first
    assert (directory / name).read_bytes() == before


def test_a_private_key_that_belongs_to_another_certificate_is_refused(authority: DevelopmentCa) -> None:
    with pytest.raises(ConfigError, match=r"rsa\.key is not the key of .*ecdsa\.pem|cannot be used with"):
        read_server_names([(authority.ecdsa[0], authority.rsa[1])])


def test_the_error_for_an_unusable_certificate_file_names_the_file(
    authority: DevelopmentCa, tmp_path: Path
) -> None:
    chain, key = authority.rsa
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    for pair, why in [
        ((tmp_path / "absent", key), "cannot read .*absent"),
        ((junk, key), r"junk\.pem does not hold certificates"),
        ((chain, junk), r"junk\.pem cannot be used with"),
    ]:
        with pytest.raises(ConfigError, match=why):
            read_server_names([pair])
    with pytest.raises(ConfigError, match="but today is"):
        read_server_names([authority.rsa], datetime.now(UTC) + timedelta(days=400))


def test_the_error_for_an_encrypted_private_key_says_that_the_key_is_encrypted(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  for this test alone

    issued = trustme.CA().issue_cert("localhost")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(chain)
    loaded = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    key.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
    )
    with pytest.raises(ConfigError, match="is encrypted"):
        read_server_names([(chain, key)])
