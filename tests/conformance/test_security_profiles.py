"""Security profiles: 1 is Basic authentication without TLS, 2 is Basic authentication with TLS, and 3 is
client certificates.

The cases need features that do not exist yet (see `cases.py`). After each such case, another test covers the
part of the case that can be tested today. Only `secured` knows how an operator sets a profile and a password.
"""

import secrets
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID
from websockets import InvalidStatus

from tests.conformance import keys
from tests.conformance.charge_point import ChargePoint
from tests.conformance.keys import Family
from tests.conformance.laboratory import Laboratory
from tests.conformance.station import Json

ACCEPTED = {"status": "Accepted"}
RENEW = {"requestedMessage": "SignChargePointCertificate"}
SUITES = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": "ECDSA",
    "ECDHE-ECDSA-AES256-GCM-SHA384": "ECDSA",
    "AES128-GCM-SHA256": "RSA",
    "AES256-GCM-SHA384": "RSA",
}
FAMILIES: list[Family] = ["ECDSA", "RSA"]

type Profile = Literal[1, 2, 3]


async def secured(lab: Laboratory, profile: Profile, key: str) -> None:
    """Set the charge point's security profile and its AuthorizationKey (hexadecimal), as an operator does."""
    await lab.settings()
    await require(lab, profile)
    done = await lab.api.put(f"/charge-points/{lab.id}/authorization-key", json={"value": key})
    assert done.status_code == 200, done.text


async def require(lab: Laboratory, profile: Profile) -> None:
    done = await lab.api.patch(f"/charge-points/{lab.id}/security", json={"security_profile": profile})
    assert done.status_code == 200, done.text


def new_key() -> str:
    return secrets.token_hex(20)


def basic(lab: Laboratory, profile: Profile, key: str) -> dict[str, Any]:
    """Return the arguments for a connection with security profile 1 or 2."""
    scheme = "ws" if profile == 1 else "wss"
    return {"scheme": scheme, "headers": keys.basic(lab.id, key)}


async def refused(lab: Laboratory, **options: Any) -> int:
    """Return the HTTP status, or 0 if the TLS handshake failed."""
    try:
        async with lab.connected(**options):
            pass
    except InvalidStatus as error:
        return error.response.status_code
    except (OSError, trio.BrokenResourceError):
        return 0
    raise AssertionError("the connection was accepted")


# --- Passwords ---


@pytest.mark.parametrize("profile", [1, 2])
async def test_tc_073_the_charge_point_can_connect_only_with_its_new_password(
    lab: Laboratory, profile: Profile
) -> None:
    old, new = new_key(), secrets.token_hex(16)
    await secured(lab, profile, old)
    async with lab.connected(**basic(lab, profile, old)) as cp:
        await cp.cold_boot()
        asked = {"key": "AuthorizationKey", "value": new}
        await lab.command(cp, "ChangeConfiguration", asked, ACCEPTED)
    async with lab.connected(**basic(lab, profile, new)) as cp:
        await cp.quiet()
    assert await refused(lab, **basic(lab, profile, old)) == 401


@pytest.mark.parametrize("profile", [1, 2])
async def test_tc_085_the_charge_point_can_connect_only_with_the_right_password(
    lab: Laboratory, profile: Profile
) -> None:
    key = new_key()
    await secured(lab, profile, key)
    assert await refused(lab, **(basic(lab, profile, key) | {"headers": None})) == 401
    assert await refused(lab, **basic(lab, profile, new_key())) == 401
    async with lab.connected(**basic(lab, profile, key)) as cp:
        await cp.cold_boot()


async def test_a_new_password_is_sent_unchanged_and_never_shown_to_the_operator(lab: Laboratory) -> None:
    """Part of TC_073."""
    key = new_key()
    async with lab.booted() as cp:
        asked = {"key": "AuthorizationKey", "value": key}
        done = await lab.command(cp, "ChangeConfiguration", asked, ACCEPTED)
        assert done.heard.payload == asked
        assert done.command["payload"]["value"] != key
        assert key not in (await lab.api.get(f"/commands/{done.command['id']}")).text


# --- Certificates of the charge point ---


async def renewed(
    lab: Laboratory, cp: ChargePoint, family: Family, purpose: str, status: str = "Accepted"
) -> str:
    """Return the chain that the central system sends for a new key. The charge point answers `status`."""
    asked = await lab.command(cp, "ExtendedTriggerMessage", RENEW, ACCEPTED)
    assert asked.heard.payload == RENEW
    cp.expect("CertificateSigned")
    csr = keys.signing_request(family, purpose, lab.id)
    assert await cp.call("SignCertificate", {"csr": csr}) == ACCEPTED
    signed = await cp.expected()
    await cp.answer(signed, {"status": status})
    chain: str = signed.payload["certificateChain"]
    check_chain(lab, chain, family, purpose)
    return chain


def check_chain(lab: Laboratory, chain: str, family: Family, purpose: str) -> None:
    assert "\r" not in chain
    leaf = x509.load_pem_x509_certificates(chain.encode())[0]
    assert leaf.public_key() == keys.private_key(family, purpose).public_key()
    assert [each.value for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [lab.id]
    assert (
        leaf.signature_algorithm_oid
        == {
            "ECDSA": SignatureAlgorithmOID.ECDSA_WITH_SHA256,
            "RSA": SignatureAlgorithmOID.RSA_WITH_SHA256,
        }[family]
    )
    check_strength(leaf)


def check_strength(certificate: x509.Certificate) -> None:
    public = certificate.public_key()
    assert isinstance(public, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey))
    assert public.key_size >= (2048 if isinstance(public, rsa.RSAPublicKey) else 224)
    assert certificate.serial_number > 0


@asynccontextmanager
async def with_certificate(
    lab: Laboratory, family: Family, directory: Path
) -> AsyncIterator[tuple[ChargePoint, dict[str, Any]]]:
    """Boot with security profile 3 and a certificate that was received with profile 2. Return the charge
    point and the arguments of its connection.
    """
    key = new_key()
    await secured(lab, 2, key)
    async with lab.connected(**basic(lab, 2, key)) as cp:
        await cp.cold_boot()
        chain = await renewed(lab, cp, family, "first")
    await require(lab, 3)
    private = keys.private_key(family, "first")
    shown: dict[str, Any] = {"tls": keys.client_tls(lab.running.ca_file, chain, private, directory)}
    async with lab.connected(**shown) as cp:
        await cp.cold_boot()
        yield cp, shown


@pytest.mark.parametrize("family", FAMILIES)
async def test_tc_074_the_charge_point_connects_with_its_new_certificate(
    lab: Laboratory, family: Family, tmp_path: Path
) -> None:
    async with with_certificate(lab, family, tmp_path) as (cp, _):
        chain = await renewed(lab, cp, family, "second")
    private = keys.private_key(family, "second")
    async with lab.connected(tls=keys.client_tls(lab.running.ca_file, chain, private, tmp_path)) as cp:
        await cp.quiet()


@pytest.mark.parametrize("family", FAMILIES)
async def test_tc_077_the_charge_point_rejects_an_invalid_certificate_and_keeps_the_old_one(
    lab: Laboratory, family: Family, tmp_path: Path
) -> None:
    async with with_certificate(lab, family, tmp_path) as (cp, shown):
        await renewed(lab, cp, family, "second", "Rejected")
        await lab.report_security_event(cp, "InvalidChargePointCertificate")
    async with lab.connected(**shown) as cp:
        await cp.quiet()


@pytest.mark.parametrize("family", FAMILIES)
async def test_tc_087_a_charge_point_without_a_client_certificate_is_refused(
    lab: Laboratory, family: Family, tmp_path: Path
) -> None:
    async with with_certificate(lab, family, tmp_path):
        pass
    assert await refused(lab) in {0, 401, 403}


async def test_an_extended_trigger_message_for_a_new_certificate_does_not_name_a_connector(
    lab: Laboratory,
) -> None:
    """Part of TC_074."""
    async with lab.booted() as cp:
        answer = {"status": "NotImplemented"}
        done = await lab.command(cp, "ExtendedTriggerMessage", RENEW, answer)
        assert done.heard.payload == RENEW


async def test_the_report_of_an_invalid_charge_point_certificate_is_stored_as_a_security_event(
    lab: Laboratory,
) -> None:
    """Part of TC_077."""
    async with lab.booted() as cp:
        await lab.report_security_event(cp, "InvalidChargePointCertificate")


# --- The next profile ---


async def raise_profile(lab: Laboratory, cp: ChargePoint, profile: Profile) -> None:
    """Accept the new profile and receive the reset over the same connection."""
    asked = {"key": "SecurityProfile", "value": str(profile)}
    await lab.command(cp, "ChangeConfiguration", asked, ACCEPTED)
    await cp.quiet()
    await lab.command(cp, "Reset", {"type": "Hard"}, ACCEPTED)


@pytest.mark.parametrize("profile", [1, 2])
async def test_tc_083_the_charge_point_connects_with_a_higher_security_profile(
    lab: Laboratory, profile: Profile, tmp_path: Path
) -> None:
    key = new_key()
    old: Json = basic(lab, profile, key)
    await secured(lab, profile, key)
    async with lab.connected(**old) as cp:
        await cp.cold_boot()
        if profile == 1:
            await lab.install_root(cp, "CentralSystemRootCertificate")
            new: Json = basic(lab, 2, key)
            await raise_profile(lab, cp, 2)
        else:
            chain = await renewed(lab, cp, "ECDSA", "first")
            private = keys.private_key("ECDSA", "first")
            new = {"tls": keys.client_tls(lab.running.ca_file, chain, private, tmp_path)}
            await raise_profile(lab, cp, 3)
    async with lab.connected(**new) as cp:
        await cp.cold_boot()
    assert await refused(lab, **old) in {0, 401, 403}
    async with lab.connected(**new) as cp:
        await cp.quiet()


async def test_a_charge_point_can_connect_after_a_change_of_its_security_profile(lab: Laboratory) -> None:
    """Part of TC_083."""
    async with lab.booted() as cp:
        await raise_profile(lab, cp, 2)
    async with lab.connected() as cp:
        await cp.cold_boot()


# --- TLS ---


def check_tls(lab: Laboratory) -> None:
    """Part of TC_086. This function blocks."""
    for suite, family in SUITES.items():
        certificate = _certificate(lab, suite)
        check_strength(certificate)
        is_rsa = isinstance(certificate.public_key(), rsa.RSAPublicKey)
        assert is_rsa is (family == "RSA")
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert [each.value for each in names] == [urlsplit(lab.running.wss).hostname]
        if is_rsa:
            usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
            assert usage.key_encipherment
    old = ssl.create_default_context(cafile=lab.running.ca_file)
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        _shake_hands(lab, old)


def _certificate(lab: Laboratory, suite: str) -> x509.Certificate:
    """Return the certificate that the server presents to a client with only this cipher suite."""
    context = ssl.create_default_context(cafile=lab.running.ca_file)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suite)
    return x509.load_der_x509_certificate(_shake_hands(lab, context))


def _shake_hands(lab: Laboratory, context: ssl.SSLContext) -> bytes:
    url = urlsplit(lab.running.wss)
    with (
        socket.create_connection(("127.0.0.1", url.port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname=url.hostname) as wrapped,
    ):
        return wrapped.getpeercert(binary_form=True) or b""


async def test_tc_086_a_charge_point_verifies_the_server_certificate_and_connects(lab: Laboratory) -> None:
    await trio.to_thread.run_sync(check_tls, lab)
    key = new_key()
    await secured(lab, 2, key)
    async with lab.connected(**basic(lab, 2, key)) as cp:
        await cp.cold_boot()


async def test_the_server_has_certificates_with_both_key_types_and_all_four_required_cipher_suites(
    lab: Laboratory,
) -> None:
    """Part of TC_086."""
    await trio.to_thread.run_sync(check_tls, lab)
