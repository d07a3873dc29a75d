"""The table of cases, the reference and the tests name the same 77 cases."""

import re
from collections import Counter

import pytest

from tests.conformance import cases, features, playing
from tests.conformance.mutants import ROOT
from tests.conformance.mutations import MUTATIONS, Mutation

# Sections 1.1 to 1.5 of the reference in short form: a number alone, or a number with its variants.
REFERENCE = """
001 003 004_1 004_2 005_1 007 010 011_1 011_2 012 013 014 017_1 017_2 018_1 019_1 019_2 021 023_1 023_2 023_3
024 026 028 030 031 032_1 037_1 037_3 039 040_1 040_2 061 064 044_1 044_2 044_3 045_1 045_2 054 055
042_1 042_2 043_1 043_3 043_4 043_5
046 047 048_1 048_2 048_3 048_4 049 051 052 053
056 057 059 066 067
073 074 075_1 075_2 076 077 078 079 080 081 083 085 086 087 088
"""


def test_the_table_of_certification_cases_has_the_77_cases_of_the_reference() -> None:
    reference = [f"TC_{number}" for number in REFERENCE.split()]
    assert len(reference) == len(set(reference)) == 77
    assert Counter(case.id for case in cases.CASES) == Counter(reference)


def test_each_certification_case_has_exactly_one_test() -> None:
    named = [case.id for name in playing.tests() if (case := cases.case_of(name)) is not None]
    assert Counter(named) == Counter(cases.BY_ID.keys())


def test_no_test_is_named_after_an_unknown_certification_case() -> None:
    like_a_case = [name for name in playing.tests() if re.match(r"test_tc_\d", name)]
    assert [name for name in like_a_case if cases.case_of(name) is None] == []


def test_each_feature_names_only_tests_that_exist() -> None:
    assert set(features.tests_named()) <= playing.tests().keys()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.breaks.replace(" ", "-"))
def test_each_mutation_replaces_text_that_the_code_contains_and_names_tests_that_are_run(
    mutation: Mutation,
) -> None:
    """If this test fails, move the mutation to the place where the behaviour is now."""
    assert (ROOT / mutation.file).read_text("utf-8").count(mutation.old) == 1
    for name in mutation.caught_by:
        assert name in cases.BY_ID or name in playing.tests()
