"""Hashes as the store returns them, read as text or as a Struct."""

from collections.abc import Mapping

import msgspec


def read_fields(reply: Mapping[bytes, bytes] | list[bytes]) -> dict[str, str]:
    """Read a hash. The server returns a hash as a map, and a Lua step returns a hash as a flat list."""
    items = reply.items() if isinstance(reply, Mapping) else zip(reply[::2], reply[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in items}


def read_record[T](kind: type[T], reply: Mapping[bytes, bytes] | list[bytes], **known: object) -> T:
    """Read a hash into a Struct with the same fields. `known` has the fields that are not in the hash.

    Raises msgspec.ValidationError.
    """
    return msgspec.convert({**read_fields(reply), **known}, kind, strict=False)
