"""The tables and plots of a run, as Markdown and SVG."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from docs.markdown import make_table, make_text
from tests.bench.bars import draw_bars
from tests.bench.peers.results import Cell, Results, median

WORDS: Final = {
    "heartbeat": "Heartbeat",
    "status": "StatusNotification",
    "meter-values": "MeterValues",
    "start-stop": "Start and stop",
}
_SATURATED: Final = 0.9


def make_tables(results: Results) -> str:
    """Return a part of a page, without its heading."""
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    parts = [
        make_text(f"{results.date}, {results.machine}. `{results.command}`. {versions}."),
        *(make_text(f"Left out: {missing}.") for missing in results.missing),
    ]
    for connections in results.connections():
        parts.append(
            f"{connections:,} connections, CPU of the server for each message in us (lowest to highest):\n"
        )
        parts.append(_cpu_table(results, connections))
    if any(one.half_us is not None for one in results.cells):
        parts.append("CPU of the server for each message in us, saturated / at half of that rate:\n")
        parts.append(_half_table(results))
        parts.append("Latency at half of the saturated rate in ms, as p50 / p99, and that rate a second:\n")
        parts.append(_latency_table(results))
    if results.idle or results.connecting:
        parts.append(_connection_table(results))
    if results.cells:
        parts.append("The client, which must not be the limit, and how busy the server was in all loads:\n")
        parts.append(_client_table(results))
    return "\n".join(parts)


def _cpu_table(results: Results, connections: int) -> str:
    messages = results.messages()

    def cell(server: str, message: str) -> str:
        found = results.find(server, message, connections)
        us = [one.us for one in found]
        if not us:
            return ""
        store = median(found, lambda one: one.store_us) or 0.0
        beside = f" and {store:.1f} of the store" if store >= 0.05 else ""
        return f"{median(found, lambda one: one.us):.1f} ({min(us):.1f} to {max(us):.1f}){beside}"

    return make_table(
        ("Server", "What it stores", *(WORDS[message] for message in messages)),
        (
            (title, results.stores[server], *(cell(server, message) for message in messages))
            for server, title in results.titles.items()
        ),
    )


def _half_table(results: Results) -> str:
    """Show whether a message costs another amount of CPU when the server is less busy."""

    def cell(server: str, message: str, count: int) -> str:
        found = results.find(server, message, count)
        full, half = median(found, lambda one: one.us), median(found, lambda one: one.half_us)
        return "" if full is None or half is None else f"{full:.1f} / {half:.1f}"

    return _table_of_columns(results, cell)


def _table_of_columns(results: Results, cell: Callable[[str, str, int], str]) -> str:
    """Make a table with a column for each message and each number of connections."""
    columns = [(message, count) for count in results.connections() for message in results.messages()]
    return make_table(
        ("Server", *(f"{WORDS[message]}, {count:,}" for message, count in columns)),
        ((title, *(cell(server, *column) for column in columns)) for server, title in results.titles.items()),
    )


def _latency_table(results: Results) -> str:
    def cell(server: str, message: str, count: int) -> str:
        found = results.find(server, message, count)
        p50, p99 = median(found, lambda one: one.p50_ms), median(found, lambda one: one.p99_ms)
        rate = median(found, lambda one: one.rate)
        return (
            "" if p50 is None or p99 is None or rate is None else f"{p50:.2f} / {p99:.2f} ({rate / 2:,.0f})"
        )

    return _table_of_columns(results, cell)


def _connection_table(results: Results) -> str:
    def rows() -> Iterator[tuple[str, ...]]:
        for server, title in results.titles.items():
            idle = [one for one in results.idle if one.server == server]
            connecting = [one for one in results.connecting if one.server == server]
            plain, tls = median(idle, lambda one: one.plain_kib), median(idle, lambda one: one.tls_kib)
            ms = median(connecting, lambda one: one.ms)
            yield (title, _number(plain), _number(tls), _number(ms, 2), _number(ms and 1000 / ms, 0))

    return make_table(
        (
            "Server",
            "KiB of an idle connection",
            "with TLS",
            "CPU from TLS handshake to accepted boot, and the end, in ms",
            "such connections a second and core",
        ),
        rows(),
    )


def _number(value: float | None, places: int = 1) -> str:
    return "" if value is None else f"{value:,.{places}f}"


def _client_table(results: Results) -> str:
    def row(server: str, title: str) -> tuple[str, ...]:
        found = [one for one in results.cells if one.server == server]
        busy = sum(one.server_share >= _SATURATED for one in found)
        return (
            title,
            _spread(one.client_us for one in found),
            _spread(one.client_share * 100 for one in found),
            _spread(one.server_share * 100 for one in found),
            f"{busy} of {len(found)}",
            f"{max((one.rate for one in found), default=0):,.0f}",
        )

    return make_table(
        (
            "Server",
            "CPU of the client for a message in us",
            "share of its core in %",
            "share of the server in %",
            f"loads with at least {_SATURATED:.0%}",
            "highest rate a second",
        ),
        (row(server, title) for server, title in results.titles.items()),
    )


def _spread(values: Iterable[float]) -> str:
    known = list(values)
    return f"{min(known):.0f} to {max(known):.0f}" if known else ""


def make_plots(results: Results) -> dict[str, str]:
    """Return a drawing for each message, by its file name: bars of the CPU for each server."""
    return {f"bench-peers-{message}": _draw(results, message) for message in results.messages()}


def _draw(results: Results, message: str) -> str:
    counts = results.connections()
    rows = [
        (title, [median(results.find(server, message, count), _us) or 0.0 for count in counts])
        for server, title in results.titles.items()
    ]
    with_connections = " and ".join(f"{count:,}" for count in counts)
    return draw_bars(
        f"{WORDS[message]}: us of CPU for each message, with {with_connections} connections", rows
    )


def _us(cell: Cell) -> float:
    return cell.us
