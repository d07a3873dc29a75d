"""The meta record: which release wrote the store, which releases may read it, and the number of partitions.

The record is written when a store is first opened. Programs of two releases may use one store at the same
time, so a new stored form is read one release before it is written. `csms store upgrade` raises
`readable_from` when no program of the older release runs any more, and only then is the new form written.
"""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from state import keys
from state.errors import StoreRefused, StoreUnavailable
from state.redis.checks import is_passing
from state.redis.connection import Ask
from state.replies import flatten

FORMAT = 2
"""The newest stored form that this release reads. A store made by this release has this form.

Form 1: the values of a transaction are fields of a hash. Form 2: they may also be packed in blocks.
"""
PACKED_FORMAT = 2
"""From this form on, the values of finished transactions are packed."""
_CREATE = """
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('HSET', KEYS[1], unpack(ARGV)) end
return redis.status_reply('OK')
"""
"""One step, so that no other process sees half of the record."""


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """`readable_from` is the oldest form that a program must know in order to read the store.

    `written_by` is the release that made the store or upgraded it last. It is empty if that release did not
    store its name.
    """

    written_by: str
    readable_from: int


@cache  # It reads files, and the record is compared on each new connection.
def release() -> str:
    try:
        return version("csms")
    except PackageNotFoundError:
        return "unknown"


async def check(ask: Ask) -> Meta:
    """Create the meta record in an empty store, or compare the stored meta record with this release.

    Raises StoreRefused or StoreUnavailable.
    """
    found = _reply(await ask([("HGETALL", keys.META)]))
    if not found:
        _reply(await ask([("EVAL", _CREATE, 1, keys.META, *flatten(fields_of(FORMAT)))]))
        found = _reply(await ask([("HGETALL", keys.META)]))
    return _judge(found)


def fields_of(readable_from: int) -> dict[str, str | int]:
    """Return the fields of the meta record of a store that programs of the form `readable_from` can read.

    A program of the release before this one knows only `schema`, and refuses a store with another schema than
    1. So `schema` always equals `readable_from`.
    """
    return {
        "partitions": keys.PARTITIONS,
        "schema": readable_from,
        "written_by": release(),
        "readable_from": readable_from,
    }


def _judge(found: dict[bytes, bytes]) -> Meta:
    partitions = found.get(b"partitions", b"none").decode(errors="replace")
    if partitions != str(keys.PARTITIONS):
        raise StoreRefused(
            f"the store was created with partitions {partitions} ({keys.META}), but this release needs"
            f" {keys.PARTITIONS}; use another database, or the release that created this one"
        )
    readable_from = found.get(b"readable_from") or found.get(b"schema") or b"none"
    written_by = found.get(b"written_by", b"").decode(errors="replace")
    if not readable_from.isdigit():
        raise StoreRefused(
            f"the store has readable_from {readable_from.decode(errors='replace')} ({keys.META}), which must"
            " be a number; use another database, or restore a backup of this one"
        )
    if int(readable_from) > FORMAT:
        writer = f"csms {written_by}" if written_by else "a newer release"
        raise StoreRefused(
            f"the store was written by {writer} and can be read from format {int(readable_from)} on"
            f" ({keys.META}), but this release ({release()}) reads formats up to {FORMAT}; use that release"
            " or a newer one"
        )
    return Meta(written_by=written_by, readable_from=int(readable_from))


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
