"""Makes hostile certificate requests: damaged, nested, endless, or well-formed with strange content."""

import base64
import random
from collections.abc import Callable, Iterator
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.certificates import Key
from tests.support.csr_versions import of_version, pem

_TEXTS = ("", "\0", "\n", "ü", "x" * 64, "CP-1", "../..", "*", "'\"", "\u202e", "a=b,c+d")
_OIDS = ("2.5.4.3", "2.5.4.10", "2.5.4.5", "1.2.840.113549.1.9.1", "2.5.4.6", "1.3.6.1.4.1.99999.1")


def hostile_requests(seed: int, number: int) -> Iterator[str]:
    rng = random.Random(seed)
    for _ in range(number):
        yield rng.choice(_MAKERS)(rng)


@cache
def _keys() -> tuple[Key, ...]:
    curves = (ec.SECP256R1(), ec.SECP384R1(), ec.SECP224R1(), ec.SECP192R1())
    keys: list[Key] = [ec.generate_private_key(curve) for curve in curves]
    return (*keys, rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 1024))


@cache
def _originals() -> tuple[bytes, ...]:
    return tuple(
        x509.load_pem_x509_csr(_signed(key, "CP-1").encode()).public_bytes(Encoding.DER) for key in _keys()
    )


def _signed(key: Key, *texts: str, oids: tuple[str, ...] = ("2.5.4.3",), value: bytes | None = None) -> str:
    names = []
    for text, oid in zip(texts, oids, strict=False):
        try:
            names.append(x509.NameAttribute(x509.ObjectIdentifier(oid), text))
        except ValueError:
            continue
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    if value is not None:
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), value)
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _flipped(rng: random.Random) -> str:
    der = bytearray(rng.choice(_originals()))
    for _ in range(rng.randint(1, 6)):
        der[rng.randrange(len(der))] = rng.randrange(256)
    return pem(bytes(der))


def _other_length(rng: random.Random) -> str:
    """Change the length of one element: to a huge, an indefinite, a wrong or a long-winded one."""
    der = bytearray(rng.choice(_originals()))
    at = rng.choice([i for i, octet in enumerate(der) if octet in {0x02, 0x03, 0x06, 0x0C, 0x30, 0x31, 0xA0}])
    length = rng.choice(
        (b"\x80", b"\x84\xff\xff\xff\xff", b"\x88" + b"\x7f" * 8, b"\x81\x01", b"\x00", b"\xff")
    )
    return pem(bytes(der[: at + 1]) + length + bytes(der[at + 2 :]))


def _spliced(rng: random.Random) -> str:
    one, other = rng.choice(_originals()), rng.choice(_originals())
    return pem(one[: rng.randrange(len(one))] + other[rng.randrange(len(other)) :])


def _nested(rng: random.Random) -> str:
    return pem(rng.choice((b"\x30\x80", b"\x31\x80", b"\xa0\x80", b"\x24\x80")) * rng.randint(1, 1900))


def _junk(rng: random.Random) -> str:
    return pem(rng.randbytes(rng.choice((0, 1, 2, 7, 100, 1000, 4000))))


def _other_text(rng: random.Random) -> str:
    text = pem(rng.choice(_originals()))
    at = rng.randrange(len(text))
    return rng.choice(
        (
            text[:at],
            text[at:],
            text * rng.randint(2, 8),
            text[:at]
            + rng.choice(("\0", "\r", "=", "-----BEGIN ", "\ud7ff", "é")) * rng.randint(1, 50)
            + text[at:],
            text.replace("\n", rng.choice(("", "\r", " ", "\n\n\n"))),
            text.replace("CERTIFICATE REQUEST", rng.choice(("CERTIFICATE", "", "NEW CERTIFICATE REQUEST"))),
            "-----BEGIN CERTIFICATE REQUEST-----\n" * rng.randint(1, 150),
            base64.b64encode(rng.choice(_originals())).decode(),
            "A" * rng.randint(5_000, 7_000),
        )
    )


def _strange_names(rng: random.Random) -> str:
    number = rng.randint(0, 6)
    texts = [rng.choice(_TEXTS) for _ in range(number)]
    value = rng.choice((None, None, b"", b"\x30\x00", rng.randbytes(40)))
    try:
        return _signed(rng.choice(_keys()), *texts, oids=tuple(rng.choices(_OIDS, k=number)), value=value)
    except ValueError:  # The library refuses some texts for some attributes.
        return _flipped(rng)


def _other_version(rng: random.Random) -> str:
    return of_version(rng.randint(1, 127), rng.choice(_keys()), sign_again=rng.random() < 0.7)


_MAKERS: tuple[Callable[[random.Random], str], ...] = (
    *(_flipped, _other_length, _spliced, _nested, _junk, _other_text, _strange_names, _other_version),
)
