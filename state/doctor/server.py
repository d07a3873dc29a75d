"""Judges what a server says about itself. Nothing here talks to the server."""

from collections.abc import Iterator, Mapping
from typing import Any

from state.doctor.findings import Finding, ok, warning, wrong
from state.errors import StoreRefused
from state.redis import checks
from state.redis.checks import Durability
from state.redis.headroom import find_failures, read_memory

_GIB = 1 << 30
_MIB = 1 << 20
_MEMORY_PART = 0.6
"""Part of the machine's memory for the data. A rewrite of the append-only file needs room for a copy."""
_SLOW_READ_MS, _SLOW_WRITE_MS = 20.0, 50.0
_CLOCK_WARNING_MS, _CLOCK_WRONG_MS = 1_000.0, 60_000.0
_FAILURES = {
    "aof_last_write_status": "write to the append-only file",
    "aof_last_bgrewrite_status": "rewrite of the append-only file",
    "rdb_last_bgsave_status": "snapshot",
}


def judge_server(info: Mapping[str, str]) -> Finding:
    """Name the server and its version, and judge its role."""
    name = "Valkey" if info.get("server_name") == "valkey" else "Redis"
    version = info.get("valkey_version") or info.get("redis_version", "of an unknown version")
    try:
        checks.judge_role(info)
    except StoreRefused as error:
        return wrong("server", f"{name} {version}: {error}")
    return ok("server", f"{name} {version}, a primary")


def judge_settings(info: Mapping[str, str], reply: Any, durability: Durability) -> Iterator[Finding]:
    """Judge each setting on which the promise of an acknowledgement rests, by the reply to CONFIG GET."""
    for name, right, fault in checks.find_faults(reply, durability, policy=info.get("maxmemory_policy", "")):
        yield ok(name, f"{name} {right}") if fault is None else wrong(name, fault)
    if durability == "memory":
        yield warning(
            "durability",
            "store.durability is memory, so an acknowledged transaction is lost if the server fails; use"
            " fsync in production",
        )


def judge_memory(info: Mapping[str, str]) -> Iterator[Finding]:
    limit, used = _number(info, "maxmemory"), _number(info, "used_memory")
    machine = _number(info, "total_system_memory")
    most = int(machine * _MEMORY_PART)
    if not limit:
        yield wrong(
            "maxmemory",
            "maxmemory is 0, so the server grows until the system kills it; set maxmemory to at most 60 % of"
            " the memory of the machine or container"
            + (f", which is {_size(most)} if the server may use all of this machine" if most else "")
            + ", because a rewrite of the append-only file needs room for a copy",
        )
    elif machine and limit > most:
        yield warning(
            "maxmemory",
            f"maxmemory is {_size(limit)} of {_size(machine)}; lower it to at most {_size(most)} (60 %),"
            " because a rewrite of the append-only file needs room for a copy",
        )
    else:
        yield ok("maxmemory", f"maxmemory is {_size(limit)}")
    if not limit:
        yield ok("memory", f"{_size(used)} in use")
        return
    headroom = read_memory(info)
    text = f"{_size(headroom.used)} of {_size(limit)} in use ({headroom.used / limit:.0%})"
    if headroom.has_reached("full"):
        yield wrong(
            "memory", f"{text}; raise maxmemory, or let the archive and retention drop old transactions"
        )
    elif headroom.has_reached("low"):
        yield warning("memory", f"{text}; raise maxmemory before it is full")
    else:
        yield ok("memory", text)


def judge_file(info: Mapping[str, str]) -> Finding:
    failed = [_FAILURES[name] for name in find_failures(info)]
    if failed:
        return wrong(
            "file",
            f"the last {' and the last '.join(failed)} failed; free space on the server's disk and read its"
            " log, because the server refuses writes after such a failure",
        )
    size = info.get("aof_current_size")
    return ok("file", f"the append-only file has {_size(int(size))}" if size else "no write has failed")


def judge_clock(offset_ms: float, uncertain_ms: float) -> Finding:
    """Judge how far the server's clock is ahead of the clock of this machine."""
    side = "ahead of" if offset_ms > 0 else "behind"
    text = f"the server's clock is {abs(offset_ms):.0f} ms {side} the clock of this machine"
    text = f"{text} (within {uncertain_ms:.0f} ms)"
    advice = "; let NTP set both clocks, because times in events and commands come from both"
    if abs(offset_ms) - uncertain_ms > _CLOCK_WRONG_MS:
        return wrong("clock", text + advice)
    if abs(offset_ms) - uncertain_ms > _CLOCK_WARNING_MS:
        return warning("clock", text + advice)
    return ok("clock", text)


def judge_latency(reads_ms: list[float], writes_ms: list[float]) -> Iterator[Finding]:
    read, read_p99 = _median_and_p99(reads_ms)
    write, write_p99 = _median_and_p99(writes_ms)
    text = f"a read takes {read:.2f} ms (median), {read_p99:.2f} ms (p99)"
    if read_p99 > _SLOW_READ_MS:
        yield warning(
            "read latency",
            f"{text}; put csms nearer to the server, because a StartTransaction takes three round trips",
        )
    else:
        yield ok("read latency", text)
    text = f"a write takes {write:.2f} ms (median), {write_p99:.2f} ms (p99), of which the fsync is about"
    text = f"{text} {max(0.0, write - read):.2f} ms"
    if write_p99 > _SLOW_WRITE_MS:
        yield warning(
            "write latency", f"{text}; use a disk on which fsync is fast, with a cache that survives"
        )
    else:
        yield ok("write latency", text)


def _median_and_p99(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]


def _number(info: Mapping[str, str], name: str) -> int:
    text = info.get(name, "0")
    return int(text) if text.isdigit() else 0


def _size(count: int) -> str:
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count / _MIB:.1f} MiB"
