"""The tests mirror the product, and no test module imports another test module."""

import re
from importlib import import_module
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("admin", "gateway", "loadtest", "state")
TESTS = sorted(file for room in ROOMS for file in (ROOT / "tests" / room).rglob("test_*.py"))
JUDGES = ("charge_point", "keys", "laboratory", "station")
PLACE = re.compile(rf"\b(?:{'|'.join(ROOMS)})(?:/\w+)+(?:\.\w+)?")


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("tests", *ROOMS, cache_dir=None)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_a_test_module_has_the_name_of_a_product_module_or_names_in_its_docstring_what_it_tests(
    file: Path,
) -> None:
    """After `test_`, the name is that of the mirrored package or of a module in it. More words may follow."""
    folder, name = ROOT / file.parent.relative_to(ROOT / "tests"), file.stem.removeprefix("test_")
    assert (folder / "__init__.py").exists()
    subjects = [folder.name, *(entry.stem for entry in folder.iterdir())]
    if not any(f"{name}_".startswith(f"{subject}_") for subject in subjects):
        module = import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
        places = PLACE.findall(module.__doc__ or "")
        assert places
        assert [place for place in places if not (ROOT / place).exists()] == []


def test_no_test_module_imports_another_test_module(imports: grimp.ImportGraph) -> None:
    tests = {name for name in imports.modules if name.rpartition(".")[2].startswith("test_")}
    assert {name: found for name in tests if (found := imports.find_modules_that_directly_import(name))} == {}


@pytest.mark.parametrize("judge", JUDGES)
def test_the_helpers_that_judge_certification_cases_share_no_code_with_the_product(
    imports: grimp.ImportGraph, judge: str
) -> None:
    shared = imports.find_upstream_modules(f"tests.conformance.{judge}")
    assert {name for name in shared if name.partition(".")[0] in ROOMS} == set()
