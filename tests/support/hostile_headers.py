"""Authorization headers that no charge point should send."""

import base64

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
