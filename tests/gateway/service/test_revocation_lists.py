"""Revocation lists are read from PEM and DER files. A list that cannot be trusted raises a clear error."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.service import revocation_lists
from gateway.service.config import ConfigError
from gateway.service.revocation_lists import read_authorities, read_lists
from tests.support.certificates import DAY, NOW, certificate, ec_key, revocation_list

ROOT, ISSUING = certificate("root"), certificate("issuing, \u00e4")
AUTHORITIES = [ROOT.certificate, ISSUING.certificate]


def test_a_pem_file_may_hold_several_lists_and_a_der_file_holds_one(tmp_path: Path) -> None:
    first, second = revocation_list(ROOT, 0xABC, 2), revocation_list(ISSUING, next_update=NOW - DAY)
    pem, der = tmp_path / "lists.pem", tmp_path / "list.crl"
    pem.write_bytes(first.public_bytes(Encoding.PEM) + b"\n# between\n" + second.public_bytes(Encoding.PEM))
    der.write_bytes(first.public_bytes(Encoding.DER))
    one, two = read_lists(pem, AUTHORITIES)
    assert (one.issuer, one.serial_numbers, one.file) == ("CN=root", frozenset({0xABC, 2}), pem)
    assert (two.issuer, two.serial_numbers) == (ISSUING.certificate.subject.rfc4514_string(), frozenset())
    assert two.next_update_ms == (NOW - DAY).timestamp() * 1000
    assert read_lists(der, AUTHORITIES) == [one._replace(file=der)]


def test_a_list_that_no_known_authority_signed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "list.pem"
    namesake = certificate("root", key=ec_key())
    for signer in (certificate("foreign"), namesake):
        file.write_bytes(revocation_list(signer, 1).public_bytes(Encoding.PEM))
        with pytest.raises(ConfigError, match=r"no authority in .* signed .*list\.pem"):
            read_lists(file, AUTHORITIES)


@pytest.mark.parametrize(
    "extension",
    [
        x509.DeltaCRLIndicator(1),
        x509.IssuingDistributionPoint(
            full_name=None,
            relative_name=None,
            only_contains_user_certs=False,
            only_contains_ca_certs=False,
            only_some_reasons=None,
            indirect_crl=True,
            only_contains_attribute_certs=False,
        ),
    ],
    ids=["delta", "indirect"],
)
def test_a_list_that_is_not_the_complete_list_of_its_issuer_is_refused(
    tmp_path: Path, extension: x509.ExtensionType
) -> None:
    file = tmp_path / "list.pem"
    made = revocation_list(ROOT, 1, extensions=[(extension, True)])
    file.write_bytes(made.public_bytes(Encoding.PEM))
    with pytest.raises(ConfigError, match=r"not a complete list .*2\.5\.29\."):
        read_lists(file, AUTHORITIES)


def test_a_file_that_is_no_list_or_is_too_long_or_is_absent_is_named_in_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "list.pem"
    with pytest.raises(ConfigError, match=r"cannot read .*list\.pem: No such file"):
        read_lists(file, AUTHORITIES)
    whole = revocation_list(ROOT, 1).public_bytes(Encoding.DER)
    for content in (b"", b"nonsense", ROOT.pem.encode(), whole[:-9], b"-----BEGIN X509 CRL-----\nAAAA"):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match=r"list\.pem .*revocation list"):
            read_lists(file, AUTHORITIES)
        with pytest.raises(ConfigError, match=r"list\.pem does not hold certificates"):
            read_authorities(file) if content != ROOT.pem.encode() else read_authorities(_empty(file))
    file.write_bytes(whole)
    monkeypatch.setattr(revocation_lists, "FILE_BYTES_MAX", len(whole) - 1)
    with pytest.raises(ConfigError, match=r"list\.pem is too long"):
        read_lists(file, AUTHORITIES)


def _empty(file: Path) -> Path:
    file.write_bytes(b"")
    return file
