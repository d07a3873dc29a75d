"""Expressions of Prometheus, and the names that are read from them."""

import pytest

from tests.k8s.promql import Names, read_names


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("up", Names({"up": set()}, set())),
        (
            'sum by (job) (rate(a_total{b="{c}", d!~"e=f"}[5m] offset 1h)) > 3 * 10',
            Names({"a_total": {"b", "d"}}, {"job"}),
        ),
        ("a unless on (x, y) b == 0", Names({"a": set(), "b": set()}, {"x", "y"})),
        ("histogram_quantile(0.99, c_bucket) or vector(0)", Names({"c_bucket": set()}, set())),
        ('b:c:ratio > 1.5 and a / a{f=~"$v"}', Names({"b:c:ratio": set(), "a": {"f"}}, set())),
    ],
)
def test_the_metrics_and_labels_of_an_expression_are_read(expression: str, names: Names) -> None:
    assert read_names(expression) == names
