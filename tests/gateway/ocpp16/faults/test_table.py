"""Each fault has a meaning, and a place that counts it; mypy finds a name that does not exist."""

from pathlib import Path
from typing import get_args

from gateway.ocpp16.faults.table import FAULTS, FaultName

TABLE = Path("gateway/ocpp16/faults/table.py")


def test_each_name_has_a_meaning() -> None:
    repairs, others = get_args(FaultName.__value__)
    assert set(FAULTS) == {*get_args(repairs.__value__), *get_args(others)}


def test_each_name_is_counted_somewhere() -> None:
    """The text is read because no type checker finds a literal that nobody uses."""
    source = "".join(path.read_text() for path in Path("gateway").rglob("*.py") if path != TABLE)
    assert [name for name in FAULTS if f'"{name}"' not in source] == []


def test_a_meaning_is_a_sentence() -> None:
    for name, fault in FAULTS.items():
        assert fault.meaning.endswith("."), name
        assert "|" not in fault.meaning, name
