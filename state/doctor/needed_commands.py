"""THE list of the commands that the store's user must be allowed, and how to find those that it is not."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from redis.exceptions import ResponseError

from state import keys
from state.redis.connection import Arg, Ask
from state.scripts import SCRIPTS

_BY_PYTHON = """
    CLIENT|ID CLIENT|KILL CLIENT|LIST CONFIG|GET DEL EVAL EVALSHA EXISTS GET HDEL HELLO HEXISTS HGET
    HGETALL HINCRBY HLEN HMGET HSCAN HSET HSETNX HVALS INFO LINDEX LRANGE SADD SCRIPT|LOAD SELECT SET
    SMEMBERS SREM TIME UNLINK XADD XDEL XINFO|STREAM XRANGE XREAD XREVRANGE ZADD ZLEXCOUNT ZMSCORE ZRANGE
    ZREM
"""
_BY_LUA = re.compile(r"redis\.p?call\('(\w+)'")
_ALWAYS = frozenset({"HELLO", "SELECT"})
"""Connecting uses these commands, and only if the URL names a database, SELECT."""
_ARGUMENTS_MAX = 6
_REFUSED_COMMAND = re.compile(r"^NOPERM .*\bto run the\b")
_KEYS = (keys.META, keys.node("x"), keys.held(0, "x"), keys.tokens("x"))
"""Keys of each kind of name that csms uses."""


def needed() -> list[str]:
    """Return the commands that csms sends, and those that its Lua steps call."""
    by_lua = {name.upper() for script in SCRIPTS.values() for name in _BY_LUA.findall(script.source)}
    by_python = {*_BY_PYTHON.split()}
    # A command with subcommands, such as XINFO, is judged by those of them that csms uses.
    by_lua -= {name.partition("|")[0] for name in by_python if "|" in name}
    return sorted(by_python | by_lua)


async def find_refused(ask: Ask, probe_key: str) -> list[str]:
    """Return the needed commands that this user may not run, or that the server does not have.

    The server refuses a command when it is queued in a transaction. The transaction is discarded, so nothing
    is executed. Raises ResponseError if this user may not use transactions.
    """
    commands = [name for name in needed() if name not in _ALWAYS]
    attempts = [list(_attempts(name, probe_key)) for name in commands]
    replies = iter(await _discard(ask, [attempt for some in attempts for attempt in some]))
    return [
        name
        for name, some in zip(commands, attempts, strict=True)
        if not _may_run([next(replies) for _ in some])
    ]


async def find_refused_keys(ask: Ask) -> list[str]:
    """Return examples of the keys that this user may not use. Raises ResponseError as `find_refused` does."""
    replies = await _discard(ask, [("HGETALL", key) for key in _KEYS])
    return [
        key
        for key, reply in zip(_KEYS, replies, strict=True)
        if isinstance(reply, ResponseError)
        and str(reply).startswith("NOPERM")
        and not _REFUSED_COMMAND.match(str(reply))
    ]


def _attempts(name: str, key: str) -> Iterator[Sequence[Arg]]:
    """Yield the command with each number of arguments, because a command with too few is not judged."""
    for count in range(_ARGUMENTS_MAX + 1):
        yield (*name.split("|"), *(key, "1", "1", "1", "1", "1")[:count])


def _may_run(replies: list[Any]) -> bool:
    """Judge the replies to all attempts. The server checks the number of arguments first, then the user.

    A later error, such as OOM or NOPERM for a key, shows that the user may run the command.
    """
    texts = [str(reply) if isinstance(reply, ResponseError) else "" for reply in replies]
    if any(_REFUSED_COMMAND.match(text) for text in texts):
        return False
    return not all(text.startswith("ERR ") for text in texts)


async def _discard(ask: Ask, commands: Sequence[Sequence[Arg]]) -> list[Any]:
    # A user who may not run DISCARD could never leave the transaction. Outside one, DISCARD changes nothing.
    [may_discard] = await ask([("DISCARD",)])
    if isinstance(may_discard, ResponseError) and str(may_discard).startswith("NOPERM"):
        raise may_discard
    begun, *replies, _ = await ask([("MULTI",), *commands, ("DISCARD",)])
    if isinstance(begun, ResponseError):
        raise begun
    return replies
