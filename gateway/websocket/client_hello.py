"""Finds out whether a TLS client may resume an earlier session, before OpenSSL sees its first bytes.

OpenSSL keeps the TLS 1.2 sessions of a context and resumes them by session id, even without tickets. Python
offers no switch for this. So a client that may ask for such a session is served by a context of its own,
which knows no session (`tls.without_sessions`).
"""

from collections.abc import Iterator

RECORD_MAX = 5 + 16_384
_HANDSHAKE, _CLIENT_HELLO, _SUPPORTED_VERSIONS = 22, 1, 43
_TLS_1_3 = b"\x03\x04"


def may_resume(data: bytes) -> bool | None:
    """Return whether these first bytes of a client may ask for a session. None means that more are needed.

    A client that offers TLS 1.3 gets TLS 1.3, in which a session id means nothing. If the first record does
    not hold the whole ClientHello, the answer is True.
    """
    if data and data[0] != _HANDSHAKE:
        return False  # OpenSSL refuses this.
    if len(data) < 5 or len(data) < (end := 5 + int.from_bytes(data[3:5])):
        return None if len(data) < RECORD_MAX else True
    try:
        session_id, versions = _read(data[5:end])
    except IndexError:
        return True
    return bool(session_id) and _TLS_1_3 not in versions


class _Reader:
    """Cuts bytes off the front. Raises IndexError if there are not enough."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bool__(self) -> bool:
        return bool(self._data)

    def cut(self, size: int) -> bytes:
        if size > len(self._data):
            raise IndexError
        part, self._data = self._data[:size], self._data[size:]
        return part

    def cut_vector(self, length_bytes: int) -> bytes:
        return self.cut(int.from_bytes(self.cut(length_bytes)))


def _read(record: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the session id of a ClientHello, and the versions in its extension supported_versions."""
    message = _Reader(record)
    if message.cut(1)[0] != _CLIENT_HELLO:
        raise IndexError
    hello = _Reader(message.cut_vector(3))
    hello.cut(2 + 32)  # The old version field and the random bytes.
    session_id = hello.cut_vector(1)
    hello.cut_vector(2)  # The cipher suites.
    hello.cut_vector(1)  # The compression methods.
    return session_id, tuple(_read_versions(_Reader(hello.cut_vector(2)) if hello else _Reader(b"")))


def _read_versions(extensions: _Reader) -> Iterator[bytes]:
    while extensions:
        kind, body = int.from_bytes(extensions.cut(2)), extensions.cut_vector(2)
        if kind == _SUPPORTED_VERSIONS:
            versions = _Reader(_Reader(body).cut_vector(1))
            while versions:
                yield versions.cut(2)
