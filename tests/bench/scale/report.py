"""The tables and plots of the runs, as Markdown and SVG."""

from collections.abc import Callable
from typing import Final

from docs.markdown import make_table, make_text
from tests.bench.bars import draw_bars
from tests.bench.scale.ceiling import find_limits
from tests.bench.scale.results import Results, Seen, Size, Storm, is_held

_HOW: Final = {"reset": "all connections are reset", "kill": "SIGKILL to all gateways"}

type _Row[T] = tuple[str, Callable[[T], str]]

_SIZES: Final[tuple[_Row[Size], ...]] = (
    ("Gateways, generators", lambda one: f"{one.gateways}, {one.generators}"),
    ("Hold, s", lambda one: f"{one.hold_s:,.0f}"),
    ("Connected all the time", lambda one: f"{one.seen.connected:,}"),
    ("Reconnects in the hold", lambda one: f"{one.seen.reconnects:,}"),
    ("Errors of the whole run", lambda one: _describe_errors(one.seen)),
    ("Lost, stored twice or wrong", lambda one: f"{one.seen.findings:,}"),
    ("Calls a second", lambda one: f"{one.seen.calls / one.hold_s:,.0f}"),
    ("Corrected p50, p99, max in the hold, ms", lambda one: _describe_latency(one.seen)),
    ("Lag of the generators (p99), ms", lambda one: f"{one.seen.lag_p99_ms:.1f}"),
    (
        "CPU of the gateways, cores (without load)",
        lambda one: f"{one.cores('gateways'):.3f} ({one.empty_cores('gateways'):.3f})",
    ),
    (
        "CPU of the store, cores (without load)",
        lambda one: f"{one.cores('store'):.3f} ({one.empty_cores('store'):.3f})",
    ),
    ("CPU of the generators, cores", lambda one: f"{one.cores('generators'):.3f}"),
    ("CPU of everything on the machine, cores", lambda one: f"{one.cores('machine'):.3f}"),
    (
        "CPU of gateways, store, generators, us a second and charge point",
        lambda one: " + ".join(f"{one.us(name):.1f}" for name in ("gateways", "store", "generators")),
    ),
    ("Memory of the gateways, KiB a session", lambda one: f"{one.kib('gateways'):.1f}"),
    ("Memory of the store, KiB a charge point", lambda one: f"{one.kib('store'):.1f}"),
    (
        "Memory of the generators, whole, KiB a charge point",
        lambda one: f"{one.kib('generators'):.1f}",
    ),
    ("Memory of the kernel, KiB a charge point", lambda one: f"{one.kib('kernel'):.1f}"),
    ("Held without a loss, p99 below 1 s", lambda one: "yes" if is_held(one) else "no"),
)
_STORMS: Final[tuple[_Row[Storm], ...]] = (
    ("Gateways, generators", lambda one: f"{one.gateways}, {one.generators}"),
    ("Without a connection at the worst moment", lambda one: f"{one.cut:,}"),
    (
        "Accepted again: 50 %, 99 %, 100 %",
        lambda one: ", ".join(
            "not in time" if seconds is None else f"{seconds:.0f} s" for seconds in one.back_s.values()
        ),
    ),
    ("Greatest number of handshakes a second", lambda one: f"{one.handshakes_per_second:,}"),
    ("Errors of the whole run", lambda one: _describe_errors(one.seen)),
    ("Lost, stored twice or wrong", lambda one: f"{one.seen.findings:,}"),
    (
        "CPU of gateways, store, generators for a charge point that came back, ms",
        lambda one: " + ".join(
            f"{value / one.charge_points * 1e3:.1f}"
            for value in (one.cpu.gateways, one.cpu.store, one.cpu.generators)
        ),
    ),
    ("Corrected p50, p99, max after it, ms", lambda one: _describe_latency(one.seen)),
)


def make_tables(results: Results) -> str:
    """Return a part of a page, without its heading."""
    parts = [
        make_text(
            f"{results.date}, {results.machine}. `{results.command}`. Before a hold,"
            f" {results.per_second:g} charge points connect a second."
        )
    ]
    if results.sizes:
        head = ("Charge points", *(f"{one.charge_points:,}" for one in results.sizes))
        parts += [_table(head, _SIZES, results.sizes), _limits_table(results), _reasons(results)]
    if results.storms:
        head = (
            "Storm",
            *(f"{one.charge_points:,} charge points, {_HOW[one.how]}" for one in results.storms),
        )
        parts.append(_table(head, _STORMS, results.storms))
    return "\n".join(part for part in parts if part)


def make_plots(results: Results) -> dict[str, str]:
    """Return drawings by their file names."""

    def rows(*values: Callable[[Size], float | None]) -> list[tuple[str, list[float]]]:
        return [
            (f"{one.charge_points:,} charge points", [value(one) or 0.0 for value in values])
            for one in results.sizes
        ]

    return {
        "scale-cpu": draw_bars(
            "us of CPU for a second of a charge point: gateways and generators",
            rows(lambda one: one.us("gateways"), lambda one: one.us("generators")),
        ),
        "scale-memory": draw_bars(
            "KiB of memory for a charge point: gateways and generators",
            rows(lambda one: one.kib("gateways"), lambda one: one.kib("generators")),
        ),
        "scale-latency": draw_bars(
            "Corrected latency in the hold in ms: p50 and p99",
            rows(lambda one: one.seen.p50_ms, lambda one: one.seen.p99_ms),
        ),
    }


def _table[T](head: tuple[str, ...], rows: tuple[_Row[T], ...], found: list[T]) -> str:
    return make_table(head, ((title, *map(show, found)) for title, show in rows))


def _limits_table(results: Results) -> str:
    return make_table(
        ("Limit of this machine", "Measured", "Reached at charge points", "Lifted by"),
        (
            (
                one.what,
                one.measured,
                "" if one.charge_points is None else f"{one.charge_points:,}",
                one.lifted_by,
            )
            for one in find_limits(results)
        ),
    )


def _reasons(results: Results) -> str:
    """Say which runs the load test calls invalid, and why."""
    return "\n".join(
        make_text(f"{one.charge_points:,} charge points, {one.seen.verdict}: {'; '.join(one.seen.invalid)}.")
        for one in results.sizes
        if one.seen.invalid
    )


def _describe_errors(seen: Seen) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in seen.errors.items()) or "none"


def _describe_latency(seen: Seen) -> str:
    values = (seen.p50_ms, seen.p99_ms, seen.max_ms)
    return ", ".join("no call" if value is None else f"{value:.1f}" for value in values)
