import pytest

from admin.sizing.fleet import Fleet
from admin.sizing.report import describe, write
from admin.sizing.sizes import size


def test_a_fleet_with_one_store_has_no_word_about_several_systems() -> None:
    lines = describe(size(Fleet(charge_points=1_000)))
    assert lines[0] == "fleet     1,000 charge points"


def test_a_fleet_that_one_store_cannot_serve_is_divided() -> None:
    found = size(Fleet(charge_points=1_000_000, meter_values_every=5))
    assert found.installations > 1
    assert describe(found)[0].startswith(f"systems   {found.installations}, ")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.0123, "0.012"), (1.26, "1.3"), (9.96, "10"), (10.4, "10"), (12_345.6, "12,346")],
)
def test_numbers_are_short(number: float, text: str) -> None:
    assert write(number) == text
