"""Replies to commands that are no steps: an error among them raised, hashes with names as text."""

from collections.abc import Mapping
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from state.errors import StoreUnavailable
from state.redis.checks import passing


def check_replies(replies: list[Any]) -> list[Any]:
    """Pass replies on. Raises StoreUnavailable or ResponseError if any is an error."""
    for reply in replies:
        if isinstance(reply, ResponseError):
            if passing(reply):
                raise StoreUnavailable(f"the store did not execute a command: {reply}", sent=True)
            raise reply
    return replies


def read_fields(reply: Mapping[bytes, bytes] | list[bytes]) -> dict[str, str]:
    """Read a hash: a map from the server, or the flat list that Lua makes of it."""
    items = reply.items() if isinstance(reply, Mapping) else zip(reply[::2], reply[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in items}


def read_record[T](kind: type[T], reply: Mapping[bytes, bytes] | list[bytes], **known: object) -> T:
    """Read a hash whose fields are those of a Struct; `known` are fields that are not stored.

    Raises msgspec.ValidationError.
    """
    return msgspec.convert({**read_fields(reply), **known}, kind, strict=False)
