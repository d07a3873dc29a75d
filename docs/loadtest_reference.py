"""The page with every key of a scenario, every measure and every fault of the load test."""

from collections.abc import Iterator
from typing import get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo, fields

from docs.fields import describe_default, describe_values, write_number
from docs.markdown import make_page, make_table, make_text
from gateway.service.annotations import alternatives
from loadtest.charge_point.faults import FAULTS
from loadtest.measuring import measures
from loadtest.scenario import model

# A key of a table that is a table itself has its own heading.
_TABLES: dict[str, type[msgspec.Struct]] = {
    "The file itself": model.Scenario,
    "[target]": model.Target,
    "[fleet]": model.Fleet,
    "[[groups]]": model.Group,
    "[groups.charging]": model.Charging,
    "[[groups.arrivals]]": model.Arrival,
    "[groups.cut]": model.Cut,
    "[groups.reconnect]": model.Reconnect,
    "[groups.retries]": model.Retries,
    "[[stages]]": model.Stage,
    "[[storms]]": model.Storm,
    "[[actions]]": model.ShellAction,
    "[[commands]]": model.Commands,
    "[[thresholds]]": model.Threshold,
    "[generator]": model.Generator,
    "[checks]": model.Checks,
}


def loadtest_reference() -> str:
    return make_page(
        "Scenarios, measures and faults of the load test",
        """[The load test](loadtest.md) explains how to write a scenario. This page has every key of a
        scenario, every measure that a threshold can judge, and every fault that simulated charge points can
        show.

        Times and durations are in seconds. A share is a number from 0 to 1. The file
        [loadtest.schema.json](loadtest.schema.json) says the same for editors, and `csms loadtest validate`
        also checks what joins several keys. The file
        [loadtest-results.schema.json](loadtest-results.schema.json) describes what `--output` writes.
        """,
        "## Scenario\n",
        *(part for name, table in _TABLES.items() for part in _scenario_table(name, table)),
        "## Measures\n",
        _measures(),
        "## Faults\n",
        make_text(
            """These are the names for the key `faults` of a group. The numbers are those of [known
            faults](known-faults.md). A central system may repair what such a charge point sends. The
            stored transactions of these charge points are therefore not compared with what they sent.
            """
        ),
        make_table(
            ("Name", "Meaning", "Known fault"),
            ((f"`{name}`", fault.meaning, fault.quirk) for name, fault in FAULTS.items()),
        ),
    )


def _scenario_table(name: str, table: type[msgspec.Struct]) -> Iterator[str]:
    yield f"### {f'`{name}`' if name.startswith('[') else name}\n"
    yield make_text(table.__doc__ or "")
    yield make_table(
        ("Key", "Values", "Default"),
        (
            (f"`{field.encode_name}`", _scenario_values(field), _scenario_default(field))
            for field in fields(table)
        ),
    )


def _scenario_values(field: FieldInfo) -> str:
    kinds = alternatives(field.type)
    if any(isinstance(kind, type) and issubclass(kind, msgspec.Struct) for kind in kinds):
        return "table"
    if field.type is model.Span:
        return "the least and the greatest number of seconds"
    if any(get_origin(kind) is dict for kind in kinds):
        return "table"
    element = next((get_args(kind)[0] for kind in kinds if get_origin(kind) is tuple), None)
    if element is None:
        return describe_values(field)
    inner = alternatives(element)
    if any(isinstance(kind, type) and issubclass(kind, msgspec.Struct) for kind in inner):
        return "list of tables"
    return "list of the [faults](#faults) below" if element is model.FaultName else "list of texts"


def _scenario_default(field: FieldInfo) -> str:
    if field.default_factory is not msgspec.NODEFAULT:
        return "as below" if field.default_factory is not dict else "empty"
    match field.default:
        case tuple() if field.default:
            return ", ".join(
                write_number(one) if isinstance(one, float) else f"`{one}`" for one in field.default
            )
        case "":
            return "empty"
        case _:
            return describe_default(field)


def _measures() -> str:
    """Return the docstring of the module. Its table stays as it is."""
    _, *parts = (measures.__doc__ or "").strip().split("\n\n")
    return "\n".join(f"{part}\n" if part.startswith("|") else make_text(part) for part in parts)
