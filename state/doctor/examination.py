"""Examines a store before production. The examination writes only a key of its own, which it removes."""

import secrets
import time
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

import msgspec
import trio
from redis.exceptions import ResponseError

from state import keys, meta
from state.doctor import server
from state.doctor.findings import Finding, ok, warning, wrong
from state.doctor.needed_commands import find_refused, find_refused_keys
from state.errors import StateError
from state.redis import checks, url
from state.redis.connection import BROKEN, Arg, Ask, RedisConnection
from state.redis.transport import connect
from state.store import StoreConfig
from state.tenants import pepper

_ROUND_TRIPS = 200
_MEASURE_S = 3.0
_PROBE_MS = 60_000
"""The probe key expires after this time if it cannot be removed."""
_CLOCK_AHEAD_MS = 5_000


async def examine_store(config: StoreConfig, own_pepper: bytes | None = None) -> list[Finding]:
    """Examine the server of `config`, and whether the pepper is that of its store.

    Raises nothing because of the server.
    """
    found: list[Finding] = []
    try:
        await _examine(config, own_pepper, found)
    except StateError as error:
        found.append(wrong("connection", str(error)))
    except trio.TooSlowError:
        address = url.parse(config.url)
        text = (
            f"{address} did not answer within {config.timeout_s:g} s; see whether it is overloaded or stopped"
            + (", and whether this port speaks TLS" if address.tls else "")
        )
        found.append(wrong("connection", text))
    except BROKEN as error:
        text = f"{url.parse(config.url)} cannot be reached: {error}; start the server, or correct store.url"
        found.append(wrong("connection", text))
    return found


async def _examine(config: StoreConfig, own_pepper: bytes | None, found: list[Finding]) -> None:
    address = url.parse(config.url)
    began = monotonic()
    with trio.fail_after(config.timeout_s):
        connection = RedisConnection(await connect(address))
    ask = _Bounded(connection, config.timeout_s).ask
    try:
        await checks.greet(ask, address)
        how = "TLS" if address.tls else "a unix socket" if address.path else "TCP without TLS"
        took = 1000 * (monotonic() - began)
        found.append(ok("connection", f"{address} by {how}, RESP3, in {took:.0f} ms"))
        if address.tls and not (address.verify and address.check_hostname):
            text = "the URL turns off the check of the server's certificate; remove that option"
            found.append(warning("connection", text))
        await _examine_server(ask, config, found)
        if own_pepper is not None:
            found += await _examine_pepper(ask, own_pepper)
    finally:
        connection.close()


class _Bounded:
    """Asks with a deadline for each round trip."""

    def __init__(self, connection: RedisConnection, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s

    async def ask(self, commands: Sequence[Sequence[Arg]]) -> list[Any]:
        with trio.fail_after(self._timeout_s):
            return await self._connection.ask(commands)


async def _examine_server(ask: Ask, config: StoreConfig, found: list[Finding]) -> None:
    info_reply, settings = await ask(checks.QUESTIONS)
    if isinstance(info_reply, ResponseError):
        found.append(wrong("server", f"the server refused INFO ({info_reply}); allow this user this command"))
        found += await _examine_permissions(ask)
        return
    info = checks.read_info(info_reply)
    found.append(server.judge_server(info))
    found += server.judge_settings(info, settings, config.durability)
    found += server.judge_memory(info)
    found.append(server.judge_file(info))
    found += await _examine_permissions(ask)
    found += await _measure(ask)
    found += await _compare_clocks(ask)
    found += await _examine_contents(ask)


async def _examine_permissions(ask: Ask) -> list[Finding]:
    subject = "permissions"
    try:
        refused, refused_keys = await find_refused(ask, keys.META), await find_refused_keys(ask)
    except ResponseError as error:
        text = f"nobody knows which commands this user may run ({error}); allow it MULTI and DISCARD too"
        return [warning(subject, text)]
    found = []
    if refused:
        names = " ".join(f"+{name.lower()}" for name in refused)
        text = f"this user may not run {', '.join(refused)}; allow them: ACL SETUSER ... {names}"
        found.append(wrong(subject, text))
    if refused_keys:
        text = f"this user may not use keys such as {refused_keys[0]}; allow all keys: ACL SETUSER ... ~*"
        found.append(wrong(subject, text))
    return found or [ok(subject, "this user may run all commands that csms needs")]


async def _measure(ask: Ask) -> list[Finding]:
    """Measure reads and writes of one key, and find out whether the server accepts writes."""
    key = f"csms:doctor:{secrets.token_hex(8)}"
    write, read = ("SET", key, "x" * 100, "PX", _PROBE_MS), ("GET", key)
    [reply] = await ask([write])
    if isinstance(reply, ResponseError):
        return [wrong("writes", f"the server refuses writes: {reply}")]
    try:
        reads, writes = await _time(ask, read), await _time(ask, write)
    finally:
        with trio.move_on_after(1, shield=True):
            await ask([("UNLINK", key)])
    return [ok("writes", "the server accepts writes"), *server.judge_latency(reads, writes)]


async def _time(ask: Ask, command: Sequence[Arg]) -> list[float]:
    """Return how many milliseconds each of some hundred round trips took."""
    took: list[float] = []
    end = monotonic() + _MEASURE_S
    while len(took) < _ROUND_TRIPS and (not took or monotonic() < end):
        began = monotonic()
        await ask([command])
        took.append(1000 * (monotonic() - began))
    return took


async def _compare_clocks(ask: Ask) -> list[Finding]:
    began = time.time()
    [reply] = await ask([("TIME",)])
    ended = time.time()
    if isinstance(reply, ResponseError):
        return []  # The finding about the permissions reports this.
    at_ms = checks.read_time_ms(reply)
    return [server.judge_clock(at_ms - 500 * (began + ended), 500 * (ended - began))]


async def _examine_contents(ask: Ask) -> list[Finding]:
    subject = "contents"
    [record] = await ask([("HGETALL", keys.META)])
    if isinstance(record, ResponseError):
        return [wrong(subject, f"the record {keys.META} cannot be read ({record}); name another database")]
    if not record:
        [size] = await ask([("DBSIZE",)])
        if isinstance(size, int) and size:
            text = f"this database has keys of other programs ({size}); name a database of its own for csms"
            return [warning(subject, text)]
        return [ok(subject, "csms has never used this database; the first process prepares it")]
    try:
        await meta.check(ask)
    except StateError as error:
        return [wrong(subject, str(error))]
    values = ", ".join(
        f"{name.decode()} {value.decode(errors='replace')}"
        for name, value in sorted(record.items())
        if name != pepper.FIELD.encode()  # It has bytes that are no text.
    )
    return [ok(subject, f"this release can read the store ({values})"), *await _examine_nodes(ask)]


async def _examine_pepper(ask: Ask, own: bytes) -> list[Finding]:
    subject = "pepper"
    [known] = await ask([("HGET", keys.META, pepper.FIELD)])
    if isinstance(known, ResponseError):
        return []  # The finding about the contents reports this.
    if known is None:
        return [
            ok(subject, "the store knows no pepper yet; the first process that starts makes its own known")
        ]
    if pepper.is_right(own, known):
        return [ok(subject, "security.pepper is the one with which the tokens and API keys were made")]
    text = (
        "security.pepper is not the one with which the tokens and API keys in this store were made, so no"
        " process starts with it; give this process the pepper of the others, or, if you changed it on"
        " purpose, run csms store accept-pepper"
    )
    return [wrong(subject, text)]


async def _examine_nodes(ask: Ask) -> list[Finding]:
    counters, now = await ask([("HGETALL", keys.NODES), ("TIME",)])
    if isinstance(counters, ResponseError):
        return []  # The finding about the permissions reports this.
    living, silent = [], 0
    for name in map(bytes.decode, counters):
        record, is_heard = await ask([("GET", keys.node(name)), ("EXISTS", keys.inbox(name))])
        if is_heard == 1 and isinstance(record, bytes):
            living.append(msgspec.json.decode(record, type=dict[str, Any]))
        else:
            silent += 1
    return judge_nodes(living, silent, int(now[0]) * 1000)


def judge_nodes(living: Sequence[Mapping[str, Any]], silent: int, now_ms: int) -> list[Finding]:
    """Judge the records of the nodes. Their members depend on the release that wrote them."""
    if not living:
        return [ok("nodes", f"no process of csms uses the store now{_and_silent(silent)}")]
    text = f"in use by {'; '.join(sorted(map(_describe, living)))}{_and_silent(silent)}"
    if len({_version(node) for node in living}) > 1:
        found = [warning("nodes", f"{text}; finish the upgrade, because these are different releases")]
    else:
        found = [ok("nodes", text)]
    for node in living:
        ahead_ms = int(node["started_ms"]) - now_ms
        if ahead_ms > _CLOCK_AHEAD_MS:
            text = (
                f"the clock of {node['host']} is {ahead_ms / 1000:.0f} s or more ahead of the server's clock"
            )
            found.append(warning("clock", f"{text}; let NTP set both clocks"))
    return found


def _version(node: Mapping[str, Any]) -> str:
    return node.get("version") or "0.1 or older"


def _describe(node: Mapping[str, Any]) -> str:
    version, stored = _version(node), node.get("format", 1)
    return f"{node['kind']} on {node['host']} (process {node['pid']}, release {version}, format {stored})"


def _and_silent(silent: int) -> str:
    return f", and {silent} ended without leaving" if silent else ""
