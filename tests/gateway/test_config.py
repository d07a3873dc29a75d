"""Each setting of a gateway is described, and its bounds are enforced."""

from pathlib import Path

import pytest

from gateway.config import GatewayConfig
from tests.support.setting_bounds import Bound, check_bound, list_bounds, list_settings

BOUNDS = list(list_bounds(GatewayConfig))


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: f"{bound.section}.{bound.name} {bound.words}")
def test_the_error_for_a_value_beyond_its_bound_names_the_setting_and_the_bound_and_the_value(
    bound: Bound, tmp_path: Path
) -> None:
    check_bound(GatewayConfig, bound, tmp_path)


def test_each_setting_that_is_a_number_has_a_lower_and_an_upper_bound() -> None:
    for section, name, metas, kinds in list_settings(GatewayConfig):
        if kinds & {int, float}:
            bounded = [meta for meta in metas if meta.ge is not None or meta.gt is not None]
            assert [meta.le for meta in bounded if meta.le is not None], f"{section}.{name}"


def test_each_setting_has_a_description_that_is_a_sentence() -> None:
    for section, name, metas, _ in list_settings(GatewayConfig):
        [description] = [meta.description for meta in metas if meta.description]
        assert description.endswith("."), f"{section}.{name}"
