from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from state.charge_points.denied_certificates import by_serial_number, deny
from state.store import Store
from tests.support.up_process import csms, one_line


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pki") / "authority"
    done = csms("pki", "init", str(made), "--organisation", "Example")
    assert done.returncode == 0, done.stderr
    assert f"pki.directory = {made}" in done.stdout
    assert f"tls.client_authorities_file = {made / 'client-authorities.pem'}" in done.stdout
    return made


def certificates(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def test_the_command_that_makes_an_authority_writes_private_files_and_never_replaces_an_authority(
    directory: Path,
) -> None:
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    before = {path: path.read_bytes() for path in directory.iterdir()}
    assert "has an authority already" in one_line(csms("pki", "init", str(directory)))
    assert {path: path.read_bytes() for path in directory.iterdir()} == before
    assert "1 to 64 printable characters" in one_line(
        csms("pki", "init", str(directory / "new"), "--organisation", "x" * 65)
    )
    roots, authorities = (
        certificates(directory / "roots.pem"),
        certificates(directory / "client-authorities.pem"),
    )
    assert [one.issuer == one.subject for one in authorities] == [True, True, False, False]
    assert authorities[:2] == roots


def test_the_command_for_server_certificates_makes_one_of_each_family(
    directory: Path, tmp_path: Path
) -> None:
    done = csms(
        *("pki", "server-certificate", "csms.example.org", "--directory", str(directory)),
        *("--out", str(tmp_path / "tls"), "--days", "90"),
    )
    assert done.returncode == 0, done.stderr
    for word, family, kind in (("ecdsa", "ec", ec.EllipticCurvePublicKey), ("rsa", "rsa", rsa.RSAPublicKey)):
        server, issuing = certificates(tmp_path / "tls" / f"{word}.pem")
        assert server.subject.rfc4514_string() == "CN=csms.example.org,O=Example"
        assert isinstance(server.public_key(), kind)
        assert [issuing] == certificates(directory / f"{family}-issuing.pem")
        server.verify_directly_issued_by(issuing)
        assert (tmp_path / "tls" / f"{word}.key").stat().st_mode & 0o777 == 0o600
        assert timedelta(days=89) < server.not_valid_after_utc - datetime.now(UTC) < timedelta(days=91)


def test_the_command_that_shows_an_authority_prints_a_line_for_each_certificate(directory: Path) -> None:
    lines = csms("pki", "show", str(directory)).stdout.splitlines()
    assert len(lines) == 4
    for line, name in zip(lines, ("rsa-root", "rsa-issuing", "ec-root", "ec-issuing"), strict=True):
        [one] = certificates(directory / f"{name}.pem")
        assert line.startswith(f"{name}.pem  {one.subject.rfc4514_string()}  serial {one.serial_number:x}")
    assert "No such file" in one_line(csms("pki", "show", str(directory / "absent")))


@pytest.mark.parametrize("host", ["*.example.org", "192.0.2.7"])
def test_a_name_that_is_not_a_host_name_gets_no_server_certificate(
    directory: Path, tmp_path: Path, host: str
) -> None:
    out = tmp_path / "tls"
    done = csms("pki", "server-certificate", host, "--directory", str(directory), "--out", str(out))
    assert "is not a host name" in one_line(done)
    assert not out.exists()


async def test_the_revocation_lists_have_the_certificates_that_operators_revoked(
    directory: Path, tmp_path: Path, store: Store, redis_url: str
) -> None:
    issuers = {family: certificates(directory / f"{family}-issuing.pem")[0] for family in ("rsa", "ec")}
    await deny(store, by_serial_number(issuers["ec"].subject.rfc4514_string(), "ab12"), "stolen", 5)
    pepper, config = tmp_path / "pepper", tmp_path / "admin.toml"
    pepper.write_text("0123456789" * 4)
    config.write_text(
        f'[store]\nurl = "{redis_url}"\n[security]\npepper_file = "{pepper}"\n'
        f'[pki]\ndirectory = "{directory}"\n'
    )
    command = ("pki", "revocation-list", "--out", str(tmp_path / "lists"), "--config", str(config))
    done = csms(*command, "--days", "3")
    assert done.returncode == 0, done.stderr
    for family, numbers in (("ec", [0xAB12]), ("rsa", [])):
        signed = x509.load_pem_x509_crl((tmp_path / "lists" / f"{family}.crl").read_bytes())
        key = issuers[family].public_key()
        assert isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey))
        assert signed.is_signature_valid(key)
        assert [one.serial_number for one in signed] == numbers
        assert signed.next_update_utc is not None
        assert signed.next_update_utc - datetime.now(UTC) < timedelta(days=3)
    without = csms(*command, env={"CSMS__PKI__DIRECTORY": str(tmp_path / "absent")})
    assert "cannot read" in one_line(without)
