"""Hashes as the store returns and takes them."""

from collections.abc import Mapping

import msgspec

from state.redis.connection import Arg

type Hash = Mapping[bytes, bytes] | list[bytes]
"""A hash as HGETALL returns it, or as a flat list of names and values, as HSCAN and Lua steps return it."""


def read_fields(reply: Hash) -> dict[str, str]:
    items = reply.items() if isinstance(reply, Mapping) else zip(reply[::2], reply[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in items}


def read_record[T](kind: type[T], reply: Hash, **known: object) -> T:
    """Read a hash into a Struct with the same fields. `known` has the fields that are not in the hash.

    Raises msgspec.ValidationError.
    """
    return msgspec.convert({**read_fields(reply), **known}, kind, strict=False)


def flatten(fields: Mapping[str, Arg | None]) -> list[Arg]:
    """Return names and values in turn, as the store takes a hash. A field that is None is left out."""
    return [part for name, value in fields.items() if value is not None for part in (name, value)]
