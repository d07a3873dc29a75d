"""The PROXY protocol, versions 1 and 2, by which a proxy names the client whose bytes follow.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt. This module is pure. `server.py` accepts the
header from trusted networks only.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from gateway.websocket.refusals import Refused

HEADER_MAX = 4_096
"""Longest header that is read. A version 1 header has at most 107 bytes."""
_V1, _V1_MAX = b"PROXY ", 107
_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_V2_HEAD = 16
_V1_LINE = re.compile(rb"PROXY TCP([46]) ([0-9a-fA-F.:]{2,39}) [0-9a-fA-F.:]{2,39} (\d{1,5}) \d{1,5}\r\n")
_V1_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")
# The families of version 2 that can carry a TCP connection, with the length of both addresses and ports.
_UNSPECIFIED, _TCP4, _TCP6, _UNIX = 0x00, 0x11, 0x21, 0x31
_ADDRESS_BYTES = {_UNSPECIFIED: 0, _TCP4: 12, _TCP6: 36, _UNIX: 216}
_TYPE_SSL, _CLIENT_SSL = 0x20, 0x01


class BadHeader(Exception):  # noqa: N818  it says what happened
    """The bytes are not a PROXY header, or must not be one. The text says why."""

    def __init__(self, text: str, reason: Refused = Refused.PROXY_HEADER_INVALID) -> None:
        super().__init__(text)
        self.reason = reason


class Header(NamedTuple):
    """A header of `size` bytes.

    `source` is the address and port of the client. It is None if the client has none that counts, for example
    because it is connected to the proxy by a unix socket. `local` means that the proxy itself is the client,
    for a health check. `encrypted` means that the client speaks TLS with the proxy.
    """

    size: int
    source: tuple[str, int] | None = None
    local: bool = False
    encrypted: bool = False


def may_begin(data: bytes) -> bool | None:
    """Return whether the bytes begin with a PROXY header. None means that more bytes are needed."""
    for signature in (_V1, _V2):
        if data.startswith(signature):
            return True
        if signature.startswith(data):
            return None
    return False


def parse(data: bytes) -> Header | None:
    """Read the header at the beginning of the bytes. None means that more bytes are needed.

    Raises BadHeader.
    """
    match may_begin(data):
        case None:
            return None
        case False:
            raise BadHeader("", Refused.PROXY_HEADER_MISSING)
    return _parse_v1(data[:_V1_MAX]) if data.startswith(_V1) else _parse_v2(data)


def _parse_v1(data: bytes) -> Header | None:
    end = data.find(b"\n") + 1
    if not end:
        if len(data) >= _V1_MAX:
            raise BadHeader(f"The PROXY header has no line end within {_V1_MAX} bytes.")
        return None
    line = data[:end]
    if _V1_UNKNOWN.fullmatch(line):
        return Header(end)
    found = _V1_LINE.fullmatch(line)
    if found is None:
        raise BadHeader("The PROXY header of version 1 has another form.")
    version, address, port = (part.decode("ascii") for part in found.groups())
    try:
        source = IPv4Address(address) if version == "4" else IPv6Address(address)
    except ValueError:
        raise BadHeader("The PROXY header has an address that cannot be read.") from None
    if int(port) > 65_535:
        raise BadHeader("The PROXY header has a port above 65535.")
    return Header(end, (_spell(source), int(port)))


def _parse_v2(data: bytes) -> Header | None:
    if len(data) < _V2_HEAD:
        return None
    version_and_command, family = data[12], data[13]
    end = _V2_HEAD + int.from_bytes(data[14:16])
    if version_and_command not in {0x20, 0x21}:
        raise BadHeader(f"The PROXY header has the unknown version and command 0x{version_and_command:02x}.")
    if end > HEADER_MAX:
        raise BadHeader(f"The PROXY header has {end} bytes; at most {HEADER_MAX} are read.")
    if len(data) < end:
        return None
    if version_and_command == 0x20:
        return Header(end, local=True)
    if family not in _ADDRESS_BYTES:
        raise BadHeader(f"The PROXY header has the unusable family 0x{family:02x}.")
    body, size = data[_V2_HEAD:end], _ADDRESS_BYTES[family]
    if len(body) < size:
        raise BadHeader("The PROXY header is shorter than its addresses.")
    source = None
    if family == _TCP4:
        source = _spell(IPv4Address(body[:4])), int.from_bytes(body[8:10])
    elif family == _TCP6:
        source = _spell(IPv6Address(body[:16])), int.from_bytes(body[32:34])
    # Nothing says where the further fields begin if the family is unspecified.
    encrypted = family != _UNSPECIFIED and _is_encrypted(body[size:])
    return Header(end, source, encrypted=encrypted)


def _is_encrypted(fields: bytes) -> bool:
    encrypted = False
    while fields:
        size = 3 + int.from_bytes(fields[1:3])
        if len(fields) < size:
            raise BadHeader("The PROXY header ends within one of its fields.")
        kind, value, fields = fields[0], fields[3:size], fields[size:]
        if kind == _TYPE_SSL:
            if len(value) < 5:
                raise BadHeader("The PROXY header has a field PP2_TYPE_SSL that is too short.")
            encrypted = encrypted or bool(value[0] & _CLIENT_SSL)
    return encrypted


def _spell(address: IPv4Address | IPv6Address) -> str:
    """Write an address. An IPv4 address has one spelling, even if it came as an IPv6 address."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
