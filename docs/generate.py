"""Write the pages of docs/ that are made from the code: `make docs`."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from textwrap import fill
from typing import cast

import msgspec
import trio
from msgspec.structs import FieldInfo, fields
from prometheus_client.core import Metric
from prometheus_client.registry import CollectorRegistry

from admin.config import AdminConfig
from admin.inbox import Inbox
from admin.process import readings
from admin.routes.event_kinds import KINDS
from gateway.config import GatewayConfig, SecurityConfig
from gateway.hub import Hub
from gateway.metrics import registry
from gateway.node import Node
from gateway.ocpp16.faults.table import FAULTS, Repair
from gateway.service.annotations import alternatives, choices_of, metadata_of
from gateway.service.config import PREFIX
from gateway.service.metrics import LoopLag, new_registry
from gateway.service.settings import element_of, section_of, struct_of
from gateway.websocket.close_codes import Close
from gateway.websocket.handshakes import Handshakes
from gateway.websocket.stats import Stats
from state.events.feed import Feed
from state.store import Store, StoreConfig

DOCS = Path(__file__).parent
_MADE = "`make docs` makes this page from the code.\n"
_UNITS = {"_s": "seconds", "_bytes": "bytes"}
_BOUNDS = {"gt": "above {}", "ge": "from {}", "le": "to {}", "min_length": "{} or longer"}
_TYPES = {bool: "true or false", int: "whole number", float: "number", str: "text"}


def settings() -> str:
    return _page(
        "Settings",
        """A process reads its settings once, at its start: from the TOML file of `--config`, and then from
        variables of the form `CSMS__SECTION__KEY`, which win. A list in a variable is separated by
        commas, or is JSON. A secret does not belong in the TOML file: give it as a variable, or give
        the name of a file that holds it by adding `_file` to the name of the setting, such as
        `security.pepper_file`. An unknown or wrong setting stops the start, with one line that says
        what would be right.
        """,
        *_settings_of("Gateway: `csms gateway`", GatewayConfig),
        *_settings_of("Admin: `csms admin`", AdminConfig),
    )


def _settings_of(title: str, config: type[msgspec.Struct]) -> Iterator[str]:
    yield f"## {title}\n"
    yield _table(("Setting", "Variable", "Meaning", "Values", "Default"), _rows(config, ""))


def _rows(section: type[msgspec.Struct], above: str) -> Iterator[tuple[str, ...]]:
    for field in fields(section):
        name = f"{above}{field.encode_name}"
        if (inner := struct_of(field.type)) is not None:
            yield from _rows(inner, f"{name}.")
            continue
        variable = f"`{PREFIX}{name.replace('.', '__').upper()}`"
        yield f"`{name}`", variable, _meta(field, "description"), _values(field), _default(field)
        if (part := section_of(field.type)) is not None:
            for one in fields(part):
                yield (
                    f"`{name}[].{one.encode_name}`",
                    "",
                    _meta(one, "description"),
                    _values(one),
                    _default(one),
                )


def _values(field: FieldInfo) -> str:
    if choices := choices_of(field.type):
        return ", ".join(f"`{choice}`" for choice in choices)
    element = element_of(field.type)
    if element is not None:
        return "list of sections" if section_of(field.type) else "list of texts"
    kind = next(words for one, words in _TYPES.items() if one in alternatives(field.type))
    unit = next((f" of {unit}" for end, unit in _UNITS.items() if field.encode_name.endswith(end)), "")
    bounds = [words.format(bound) for name, words in _BOUNDS.items() if (bound := _meta(field, name))]
    return f"{kind}{unit}" + (f", {' '.join(bounds)}" if bounds else "")


def _meta(field: FieldInfo, name: str) -> str:
    """Return a member of the field's annotations as text; empty if there is none."""
    for found in metadata_of(field.type):
        if (value := getattr(found, name)) is not None:
            return value if isinstance(value, str) else f"{value:,}".replace(",", " ")
    return ""


def _default(field: FieldInfo) -> str:
    if field.required:
        return "required"
    match field.default:
        case None:
            return "none"
        case () | "":
            return "empty"
        case bool():
            return f"`{str(field.default).lower()}`"
        case int() | float():
            return f"`{field.default:g}`" if isinstance(field.default, float) else f"`{field.default}`"
        case _:
            return f"`{field.default}`"


def faults() -> str:
    repairs = Repair.__value__.__args__
    return _page(
        "Faults of charge points",
        """csms recognises and counts these faults. The admin API lists them for each charge point (`GET
        /v1/tenants/{tenant}/charge-points/{id}/faults`), and the metric `csms_faults` counts them for a
        process. A fault marked *repair* is read as what was meant, because it can mean only one thing.
        A charge point that is set to `strict` gets an error instead.
        """,
        _table(
            ("Name", "Where", "Repair", "Meaning"),
            (
                (f"`{name}`", fault.kind, "repair" if name in repairs else "", fault.meaning)
                for name, fault in FAULTS.items()
            ),
        ),
    )


def close_codes() -> str:
    return _page(
        "Close codes",
        """A gateway ends a websocket only with one of these codes and reasons. `{}` stands for a value. A
        code that a charge point sends is counted, and has no other effect. The last five rows are only
        counted, because no CLOSE frame is sent for them.
        """,
        _table(
            ("Code", "Reason", "When", "What the charge point should do"),
            ((str(close.code), close.reason, close.when, close.then) for close in Close),
        ),
    )


def metrics() -> str:
    config = GatewayConfig(
        store=StoreConfig(url="redis://localhost"), security=SecurityConfig(pepper="x" * 32)
    )
    store = Store(config.store)
    nobody = cast("trio.Nursery", None)  # Nothing runs here: only the names of the metrics are read.
    node = Node(config, store, b"", nobody)
    lag = LoopLag()
    gateway = registry(node, Hub(), Stats(), Handshakes(), lag)
    inbox = Inbox(store, "admin")
    admin = new_registry(lag.readings, lambda: readings(store, Feed(store, nobody), inbox))
    return _page(
        "Metrics",
        """Each process serves its metrics at `/metrics` on its own health port, in the format of
        Prometheus. Scrape every process. The name of a counter ends in `_total` there. The processes
        also export the usual metrics of Python's Prometheus client: `process_*` and `python_*`.
        """,
        "## Gateway\n",
        _metrics_of(gateway),
        "## Admin\n",
        _metrics_of(admin),
    )


def _metrics_of(found: CollectorRegistry) -> str:
    def labels(metric: Metric) -> str:
        return ", ".join(f"`{label}`" for label in getattr(metric, "_labelnames", ()))

    return _table(
        ("Name", "Type", "Labels", "Meaning"),
        sorted(
            (f"`{metric.name}`", metric.type, labels(metric), metric.documentation)
            for metric in found.collect()
            if metric.name.startswith("csms")
        ),
    )


def events() -> str:
    return _page(
        "Events",
        """`GET /v1/tenants/{tenant}/events` streams these events of a tenant as server-sent events. Each
        has `id`, `kind`, `tenant`, `charge_point`, `at` and `data`. Events of one charge point come in
        order. The store keeps the latest 10,000 of each partition and tenant, for up to 6 hours. A
        client that reads later gets `gap`. More kinds may be added.
        """,
        _table(("Kind", "Meaning"), ((f"`{kind}`", meaning) for kind, meaning in KINDS.items())),
    )


def _page(title: str, introduction: str, *parts: str) -> str:
    whole = fill(" ".join(introduction.split()), 120)
    return "\n".join((f"# {title}\n", f"{whole}\n", *parts, _MADE))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    cells = ([" ".join(cell.replace("|", "\\|").split()) for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "faults.md": faults,
    "close-codes.md": close_codes,
    "metrics.md": metrics,
    "events.md": events,
}

if __name__ == "__main__":
    for name, make in PAGES.items():
        (DOCS / name).write_text(make())
