"""Certificate request of a simulated charge point, and the hashes that identify an installed root."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPRequestBuilder
from cryptography.x509.oid import NameOID

from gateway.ocpp16.messages.security import CertificateHashData


def request_for(charge_point: str) -> str:
    """Make a PKCS#10 certificate request in PEM with a new key. The key is not kept."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, charge_point[:64])])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), SHA256()).public_bytes(Encoding.PEM).decode()


def hash_data(pem: str) -> CertificateHashData | None:
    """Return the hashes by which OCSP names a self-signed root, or None if the text is not a certificate."""
    try:
        root = x509.load_pem_x509_certificate(pem.encode())
        named = OCSPRequestBuilder().add_certificate(root, root, SHA256()).build()
    except ValueError:
        return None
    return CertificateHashData(
        hash_algorithm="SHA256",
        issuer_name_hash=named.issuer_name_hash.hex(),
        issuer_key_hash=named.issuer_key_hash.hex(),
        serial_number=f"{named.serial_number:x}",
    )
