"""Authorization headers that no charge point should send."""

import base64
from random import Random

from hypothesis import strategies as st

_SCHEMES = st.sampled_from(
    [
        b"Basic",
        b"basic",
        b"BASIC",
        b"Bearer",
        b"Digest",
        b"Negotiate",
        b"",
        b"Basic:",
        b"Basic,",
        b"\xffBasic",
    ]
)
_GAPS = st.sampled_from([b" ", b"  ", b"\t", b"", b"=", b" \x80", b", "])
_SPOILED = st.sampled_from([b"", b"=", b"====", b"*", b" ", b"\xc3", b"-_", b"A", b"%3D"])


@st.composite
def _one(draw: st.DrawFn) -> bytes:
    user = draw(st.sampled_from([b"CP", b"cp", b"CP:", b"", b":", b"CP\0", b"../CP", "CP\u0130".encode()]))
    password = draw(st.one_of(st.binary(max_size=64), st.just(b"x" * 20), st.just(b"a" * 700)))
    colon = draw(st.sampled_from([b":", b"", b"::", b"\0"]))
    encoded = draw(
        st.one_of(
            st.binary(max_size=80),
            st.just(base64.b64encode(user + colon + password)),
            st.just(base64.urlsafe_b64encode(user + colon + password)),
            st.just(base64.b32encode(user + colon + password)),
        )
    )
    at = draw(st.integers(0, len(encoded)))
    return draw(_SCHEMES) + draw(_GAPS) + encoded[:at] + draw(_SPOILED) + encoded[at:] + draw(_SPOILED)


HEADERS = st.lists(st.one_of(_one(), st.binary(max_size=2_000)), max_size=3)


def generate(random: Random) -> list[bytes]:
    """Make the lines of a request's hostile Authorization headers. This is faster than Hypothesis."""
    return [_line(random) for _ in range(random.choice((1, 1, 1, 1, 2, 3, 9)))]


def _line(random: Random) -> bytes:
    name = random.choice(
        (b"Authorization", b"authorization", b"AUTHORIZATION", b"Authorization ", b"Author\xffization")
    )
    scheme = random.choice((b"Basic", b"basic", b"BASIC", b"Bearer", b"Digest", b"", b"Basic,", b"\xffBasic"))
    gap = random.choice((b" ", b" ", b"  ", b"\t", b"", b"=", b"\x80", b"\r\n "))
    user = random.choice(
        (b"CP-1", b"cp-1", b"CP-1:", b"", b":", b"CP-1\0", b"../CP-1", "CP-1\u0130".encode())
    )
    colon = random.choice((b":", b":", b"", b"::", b"\0"))
    password = random.randbytes(random.choice((0, 1, 16, 20, 40, 700, 1_500, 5_000)))
    encode = random.choice((base64.b64encode, base64.urlsafe_b64encode, base64.b32encode, bytes))
    encoded = bytearray(encode(user + colon + password))
    for _ in range(random.choice((0, 0, 1, 3))):
        encoded.insert(random.randint(0, len(encoded)), random.randrange(256))
    end = random.choice((b"", b"", b"=", b"====", b" ", b", Basic eDp5", b"\0"))
    return name + b":" + gap + scheme + gap + bytes(encoded) + end
