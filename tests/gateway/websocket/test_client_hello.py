"""Which ClientHello may ask for an earlier session."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.websocket.client_hello import RECORD_MAX, may_resume


def hello(highest: ssl.TLSVersion) -> bytes:
    """Return the first bytes of OpenSSL as a client."""
    context = ssl.create_default_context()
    context.maximum_version = highest
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="cs.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def with_session_id(start: bytes, session_id: bytes) -> bytes:
    """Put a session id into a ClientHello that has none."""
    body = start[5 + 4 :]
    assert body[34] == 0
    body = body[:34] + bytes([len(session_id)]) + session_id + body[35:]
    message = start[5:6] + len(body).to_bytes(3) + body
    return start[:3] + len(message).to_bytes(2) + message


OLD, NEW = hello(ssl.TLSVersion.TLSv1_2), hello(ssl.TLSVersion.TLSv1_3)


def test_only_a_client_of_tls_1_2_with_a_session_id_may_resume_a_session() -> None:
    assert may_resume(OLD) is False
    assert may_resume(with_session_id(OLD, b"s" * 32)) is True
    assert may_resume(NEW) is False, "its session id means nothing in TLS 1.3"


def test_the_answer_comes_with_the_last_byte_of_the_record() -> None:
    whole = with_session_id(OLD, b"s" * 32)
    assert {may_resume(whole[:size]) for size in range(len(whole))} == {None}
    assert may_resume(whole + b"more") is True


def test_a_hello_that_is_cut_into_several_records_counts_as_one_that_may_resume() -> None:
    cut = OLD[:3] + (20).to_bytes(2) + OLD[5:25]
    assert may_resume(cut) is True


def test_bytes_that_are_not_a_tls_handshake_are_left_to_openssl() -> None:
    assert may_resume(b"GET / HTTP/1.1\r\n") is False
    assert may_resume(b"") is None


@given(st.binary(max_size=600), st.integers(0, 600))
def test_any_bytes_get_an_answer_without_an_error(noise: bytes, place: int) -> None:
    for start in (noise, b"\x16\x03\x01" + noise, OLD[:place] + noise, NEW[:place] + noise):
        assert may_resume(start) in {True, False, None}
        assert may_resume(start.ljust(RECORD_MAX, b"\0")) is not None
