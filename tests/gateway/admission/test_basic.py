"""Any Authorization header is read or refused, and the password comes out as it went in, byte for byte."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import basic
from gateway.admission.basic import CREDENTIALS_BYTES_MAX, Credentials, Malformed
from tests.support.hostile_headers import HEADERS

SPEC_KEY = bytes.fromhex("0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF")


def header(joined: bytes, scheme: bytes = b"Basic") -> bytes:
    return scheme + b" " + base64.b64encode(joined)


def test_the_example_of_the_specification_gives_the_bytes_of_its_key() -> None:
    found = basic.read([b"Basic QUwxMDAwOgABAgMEBQYH////////////////"])
    assert isinstance(found, Credentials)
    assert found.password_of("AL1000") == SPEC_KEY


@given(st.text(max_size=60), st.binary(max_size=200))
def test_every_password_is_read_byte_for_byte_whatever_it_contains(identity: str, password: bytes) -> None:
    user = identity.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    found = basic.read([header(user.encode() + b":" + password)])
    assert isinstance(found, Credentials)
    assert found.password_of(user) == password


@given(st.binary(max_size=60), st.integers(0, 2))
def test_the_padding_may_be_left_out_and_the_scheme_may_be_written_in_any_case(
    password: bytes, scheme: int
) -> None:
    whole = header(b"CP:" + password, (b"Basic", b"BASIC", b"basic")[scheme])
    assert (
        basic.read([whole.rstrip(b"=")])
        == basic.read([b"  " + whole + b" "])
        == Credentials(b"CP:" + password)
    )


def test_a_user_name_that_is_not_the_identity_gives_no_password() -> None:
    found = basic.read([header(b"CP-1:secret of CP-1")])
    assert isinstance(found, Credentials)
    for identity in ("CP", "CP-", "CP-10", "cp-1", "", "CP-1:secret"):
        assert found.password_of(identity) is None


@pytest.mark.parametrize(
    "headers",
    [
        [b""],
        [b"Basic"],
        [b"Basic "],
        [b"Bearer " + base64.b64encode(b"CP:x")],
        [b"Digest username=CP"],
        [b"Basic Q1A6eA==", b"Basic Q1A6eA=="],
        [b"Basic not*base64"],
        [b"Basic Q"],
        [b"Basic Q1A=6eA=="],
        [header(b"no colon")],
        [header(b"CP:" + b"x" * CREDENTIALS_BYTES_MAX)],
        [b"Basic \xff\xfe"],
    ],
    ids=range(12),
)
def test_a_header_that_is_not_one_basic_header_is_malformed_and_its_text_shows_none_of_it(
    headers: list[bytes],
) -> None:
    found = basic.read(headers)
    assert isinstance(found, Malformed)
    assert "Q1A" not in found.why
    assert found.why


def test_a_request_without_the_header_shows_nothing() -> None:
    assert basic.read([]) is None


@given(HEADERS)
def test_no_header_raises_an_error(headers: list[bytes]) -> None:
    assert isinstance(basic.read(headers), (Credentials, Malformed, type(None)))


def test_the_text_form_of_credentials_does_not_show_them() -> None:
    assert "secret" not in repr(Credentials(b"CP:secret")) + str([Credentials(b"CP:secret")])
