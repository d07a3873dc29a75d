import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from state.doctor.needed_commands import find_refused, find_refused_keys, needed
from state.redis.connection import RedisConnection
from state.redis.transport import connect
from state.redis.url import Address, parse
from state.store import Store
from tests.support.valkey_server import ValkeyServer

ROOM = Path(__file__).parents[3] / "state"
NOT_OF_THE_STORE = ("embedded", "doctor")
"""The supervisor configures its own server, and the examination uses commands that csms does not need."""
NOT_SENT = {"AUTH", "KEYS", "READONLY"}
"""A word after HELLO, the table of Lua, and an error."""


def commands_in(file: Path) -> Iterator[str]:
    """Yield the texts in capitals with which a tuple or the arguments of a call begin, and the next text."""
    for node in ast.walk(ast.parse(file.read_text())):
        parts = node.elts if isinstance(node, ast.Tuple) else node.args if isinstance(node, ast.Call) else []
        words = []
        for part in parts[:2]:
            if not (isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.isupper()):
                break
            words.append(part.value)
        if words:
            yield words[0]
            yield "|".join(words)


async def test_the_list_of_needed_commands_has_every_command_that_the_code_sends(store: Store) -> None:
    listed: list[bytes] = await store.execute("COMMAND", "LIST")
    groups = {name.decode().upper() for name in listed}
    infos = await store.execute("COMMAND", "INFO", *sorted(groups))
    subcommands = {sub[0].decode().upper() for info in infos if info for sub in info[9]}
    containers = {name.partition("|")[0] for name in subcommands}
    files = [file for file in ROOM.rglob("*.py") if file.relative_to(ROOM).parts[0] not in NOT_OF_THE_STORE]
    sent = {name for file in files for name in commands_in(file)} & ((groups - containers) | subcommands)
    assert sent - NOT_SENT - set(needed()) == set()
    assert {"EVALSHA", "CLIENT|KILL", "XREAD", "ZRANGE"} <= sent  # The search finds what it must find.


def test_the_list_of_needed_commands_has_the_commands_of_the_lua_steps() -> None:
    assert {"HSETNX", "ZUNIONSTORE", "XADD", "PEXPIRE"} <= set(needed())


@pytest.mark.parametrize(
    ("rules", "refused", "refused_keys"),
    [
        ("~* +@all", [], 0),
        (
            "~* +@all -hset -config|get -client",
            ["CLIENT|ID", "CLIENT|KILL", "CLIENT|LIST", "CONFIG|GET", "HSET"],
            0,
        ),
        ("~csms:* +@all", [], 1),
        ("~* +@all -@dangerous +info +config|get +client|kill +client|list", [], 0),
    ],
)
async def test_the_commands_and_keys_that_a_user_may_not_use_are_found_and_nothing_is_executed(
    valkey: ValkeyServer, store: Store, rules: str, refused: list[str], refused_keys: int
) -> None:
    user = "examined"
    assert await store.execute("ACL", "SETUSER", user, "reset", "on", ">pw", *rules.split()) == b"OK"
    try:
        connection = RedisConnection(await connect(Address(path=parse(valkey.url).path)))
        await connection.ask([("HELLO", 3, "AUTH", user, "pw")])
        before = await store.execute("DBSIZE")
        assert await find_refused(connection.ask, "csms:meta") == refused
        assert len(await find_refused_keys(connection.ask)) == refused_keys
        assert await store.execute("DBSIZE") == before
        connection.close()
    finally:
        await store.execute("ACL", "DELUSER", user)
