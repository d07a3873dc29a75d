"""Checks whether a server may be our store: it must be a primary that can give the promised durability.

The checks run at every connect, and then every few seconds. With durability `memory`, a write is executed
before its reply is sent. With durability `fsync`, the write is also on disk before its reply is sent. `fsync`
needs the setting appendfsync always, because with appendfsync everysec, the command WAITAOF acknowledged
writes that were not yet on disk.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from redis.exceptions import ResponseError

from state.errors import StoreRefused, StoreUnavailable
from state.redis.connection import Arg, Ask
from state.redis.url import Address

type Durability = Literal["memory", "fsync", "replicated"]

_REDIS_LEAST = 7
_POLICY = ("maxmemory-policy", "noeviction", "the server would drop data that it must keep")
_FSYNC = (
    ("appendonly", "yes", "nothing would be written to disk"),
    ("appendfsync", "always", "a reply could leave before its write is on disk"),
    ("no-appendfsync-on-rewrite", "no", "a rewrite of the file would suspend fsync"),
)
SETTINGS: Sequence[Arg] = ("CONFIG", "GET", *(name for name, _, _ in (_POLICY, *_FSYNC)))
QUESTIONS: Sequence[Sequence[Arg]] = (("INFO",), SETTINGS)


NAME, OLDER_NAME = "csms-2", "csms"
"""Names of the connections of this release and of the release before, which `csms store upgrade` cuts."""


class ServerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A server. `run_id` changes with every start of the server, and `replid` with its history of writes."""

    run_id: str
    replid: str = ""


async def greet(ask: Ask, address: Address) -> int:
    """Log in, choose protocol and database, and return the server's id of the connection.

    Raises StoreUnavailable while the server starts, and StoreRefused if the server refuses the login or the
    database.
    """
    login: tuple[Arg, ...] = ()
    if address.password is not None:
        login = ("AUTH", address.username or "default", address.password)
    [hello] = await ask([("HELLO", 3, *login, "SETNAME", NAME)])
    if isinstance(hello, ResponseError):
        raise_if_passing(hello)
        text = str(hello)
        if text.startswith(("WRONGPASS", "NOAUTH", "NOPERM")):
            raise StoreRefused(
                f"{address} refused the login: {text}; the store's URL must hold its user and password"
            )
        raise StoreRefused(f"{address} does not speak RESP3: {text}; use Redis 7 or newer, or Valkey")
    version = hello[b"version"].decode()
    if hello[b"server"] == b"redis" and int(version.partition(".")[0]) < _REDIS_LEAST:
        raise StoreRefused(
            f"{address} is Redis {version}; use Redis {_REDIS_LEAST} or newer, or Valkey, because an older"
            " server wraps the errors of scripts, so csms could not see that it refuses a write"
        )
    if address.db:
        [selected] = await ask([("SELECT", address.db)])
        if isinstance(selected, ResponseError):
            raise StoreRefused(
                f"{address} has no database {address.db}: {selected}; "
                "name another database in the store's URL"
            )
    return int(hello[b"id"])


async def check(ask: Ask, durability: Durability) -> ServerInfo:
    """Raise StoreUnavailable while the server starts, and StoreRefused if its settings or role are wrong."""
    replies = await ask(QUESTIONS)
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise_if_passing(reply)
    info_reply, settings = replies
    if isinstance(info_reply, ResponseError):
        raise StoreRefused(
            f"the store's role cannot be checked ({info_reply}); allow this user the command INFO"
        )
    info = read_info(info_reply)
    judge_role(info)
    judge_settings(settings, durability, policy=info.get("maxmemory_policy", ""))
    return ServerInfo(run_id=info.get("run_id", ""), replid=info.get("master_replid", ""))


def judge_role(info: Mapping[str, str]) -> None:
    """Raise StoreRefused if INFO says that the server is a replica or part of a cluster."""
    if info.get("role") != "master":
        raise StoreRefused(
            f"the store's role is {info.get('role')}; it must be master, so use the primary's URL"
        )
    if info.get("redis_mode") == "cluster" or info.get("cluster_enabled") == "1":
        raise StoreRefused(
            "the store has cluster-enabled yes; it must be no, because clusters are not supported yet"
        )


def read_time_ms(reply: Any) -> float:
    """Read the reply to TIME. Raises StoreUnavailable while the server starts, and StoreRefused."""
    if isinstance(reply, ResponseError):
        raise_if_passing(reply)
        raise StoreRefused(f"the store's clock cannot be read ({reply}); allow this user the command TIME")
    return int(reply[0]) * 1000 + int(reply[1]) / 1000


def judge_settings(reply: Any, durability: Durability, *, policy: str = "") -> None:
    """Judge the reply to SETTINGS. `policy` is the eviction policy, if INFO named it. Raises StoreRefused."""
    for _, _, fault in find_faults(reply, durability, policy=policy):
        if fault is not None:
            raise StoreRefused(fault)


def find_faults(
    reply: Any, durability: Durability, *, policy: str = ""
) -> Iterator[tuple[str, str, str | None]]:
    """Yield each setting that the server must have: its name, the right value, and what is wrong, if any."""
    known: dict[str, str] = {"maxmemory-policy": policy}
    if isinstance(reply, dict):
        known |= {name.decode(): value.decode() for name, value in reply.items()}
    refusal = reply if isinstance(reply, ResponseError) else None
    for name, right, why in (_POLICY, *(_FSYNC if durability != "memory" else ())):
        value, fault = known.get(name), None
        if not value:
            fault = (
                f"the store does not report its setting {name}, which must be {right}"
                f" (CONFIG GET: {refusal or 'empty'}); allow this user the commands CONFIG GET and INFO,"
                " or choose durability memory if losing the last writes is acceptable"
            )
        elif value != right:
            fault = f"the store has {name} {value}; it must be {name} {right}, because otherwise {why}"
        yield name, right, fault


def read_info(reply: bytes) -> dict[str, str]:
    lines = reply.decode(errors="replace").splitlines()
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}


# Error codes of a server that did not execute a command but may execute it later.
_STATES = "BUSY CLUSTERDOWN LOADING MASTERDOWN MISCONF NOREPLICAS OOM READONLY TRYAGAIN UNKILLABLE"
PASSING = frozenset([*_STATES.split(), "NOAUTH", "NOPERM", "UNBLOCKED"])


def is_passing(error: ResponseError) -> bool:
    text = str(error)
    return text.partition(" ")[0] in PASSING or text.startswith("ERR max number of clients")


def raise_if_passing(error: ResponseError) -> None:
    if is_passing(error) and not str(error).startswith(("NOAUTH", "NOPERM")):
        raise StoreUnavailable(f"the store is not ready: {error}")
