"""Each fault of the table has a meaning, and some code counts the fault. Unknown names are found by mypy."""

from pathlib import Path
from typing import get_args

from gateway.ocpp16.faults.table import FAULTS, FaultName

TABLE = Path("gateway/ocpp16/faults/table.py")


def test_each_fault_of_the_table_has_a_meaning() -> None:
    *repairs, others = get_args(FaultName.__value__)
    named = (name for names in repairs for name in get_args(names.__value__))
    assert set(FAULTS) == {*named, *get_args(others)}


def test_the_code_counts_each_fault_of_the_table_somewhere() -> None:
    """Search the source text, because a type checker does not report an unused name of the table."""
    source = "".join(path.read_text() for path in Path("gateway").rglob("*.py") if path != TABLE)
    assert [name for name in FAULTS if f'"{name}"' not in source] == []


def test_the_meaning_of_each_fault_is_a_sentence() -> None:
    for name, fault in FAULTS.items():
        assert fault.meaning.endswith("."), name
        assert "|" not in fault.meaning, name
