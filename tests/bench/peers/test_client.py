from tests.bench.peers.client import Load


def test_percentiles_are_milliseconds() -> None:
    load = Load(4, 1.0, [0.004, 0.001, 0.003, 0.002])
    assert load.percentile_ms(0.5) == 3.0
    assert load.percentile_ms(0.99) == 4.0


def test_no_answer_has_no_percentile() -> None:
    assert Load(0, 1.0, []).percentile_ms(0.99) is None
