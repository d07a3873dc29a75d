import pytest

from admin.sizing.figures import Figure


@pytest.mark.parametrize("figure", Figure)
def test_each_figure_has_a_number_and_says_who_measured_it(figure: Figure) -> None:
    assert figure.number > 0
    assert figure.unit in {"KiB", "MiB", "us", "ms", "bytes"}
    assert figure.source.startswith(("`python -m tests.bench.", "`csms loadtest run ", "see [measurements]("))


def test_no_figure_is_taken_for_another_with_the_same_number() -> None:
    assert len(list(Figure)) == len(Figure.__members__)
