"""The meta record: the schema and the number of partitions, written when a store is first opened.

A store whose record has other values is refused.
"""

from typing import Any

from redis.exceptions import ResponseError

from state import keys
from state.errors import StoreRefused, StoreUnavailable
from state.redis.checks import is_passing
from state.redis.connection import Ask

SCHEMA = 1
FORMAT = 2
"""The newest form of the store that this release can read."""
_CREATE = """
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('HSET', KEYS[1], unpack(ARGV)) end
return redis.status_reply('OK')
"""
"""One step, so that no other process sees half of the record."""


async def check(ask: Ask) -> None:
    """Create the meta record in an empty store, or compare the stored meta record with this release.

    Raises StoreRefused or StoreUnavailable.
    """
    right = {b"partitions": str(keys.PARTITIONS).encode(), b"schema": str(SCHEMA).encode()}
    found = _reply(await ask([("HGETALL", keys.META)]))
    if not found:
        fields = [part for item in right.items() for part in item]
        _reply(await ask([("EVAL", _CREATE, 1, keys.META, *fields)]))
        found = _reply(await ask([("HGETALL", keys.META)]))
    for name, value in right.items():
        if found.get(name) != value:
            has = found.get(name, b"none").decode(errors="replace")
            raise StoreRefused(
                f"the store was created with {name.decode()} {has} ({keys.META}), but this release needs"
                f" {value.decode()}; use another database, or the release that created this one"
            )


def _reply(replies: list[Any]) -> Any:
    [reply] = replies
    if isinstance(reply, ResponseError):
        if is_passing(reply):
            raise StoreUnavailable(f"the store is not ready: {reply}")
        raise StoreRefused(
            f"the store's record {keys.META} cannot be read or written ({reply}); it must be a hash that this"
            " user may read and write"
        )
    return reply
