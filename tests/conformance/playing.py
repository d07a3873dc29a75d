"""Finds the test of each case, and runs pytest on chosen tests.

`python -m tests.conformance.playing FILE TEST...` writes the outcomes of these tests to a file, as JSON.
"""

import ast
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from tests.conformance.cases import case_of
from tests.conformance.recording import Recorder

HERE = Path(__file__).parent


def tests() -> dict[str, str]:
    """Map the name of each test in this directory to its pytest node id, relative to the checkout."""
    return {
        node.name: f"tests/conformance/{file.name}::{node.name}"
        for file in sorted(HERE.glob("test_*.py"))
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def tests_of(case_id: str) -> list[str]:
    return [name for name in tests() if (case := case_of(name)) is not None and case.id == case_id]


def play(nodes: Sequence[str]) -> Recorder:
    recorder = Recorder()
    pytest.main([*nodes, "-q", "--no-header", "-rN", "--tb=short"], plugins=[recorder])
    return recorder


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(msgspec.json.encode(play(sys.argv[2:]).tests()))
