import pytest

from gateway.handlers.charge_point import now_ms, now_text
from gateway.ocpp16.faults import timestamps
from gateway.telemetry import BUCKETS_S, Latency


def test_every_latency_is_counted_in_the_first_histogram_bucket_that_is_large_enough() -> None:
    latency = Latency()
    for bound in BUCKETS_S:
        latency.observe(bound)
    latency.observe(BUCKETS_S[-1] * 2)
    assert latency.counts == [1] * (len(BUCKETS_S) + 1)
    assert latency.total_s == pytest.approx(sum(BUCKETS_S) + BUCKETS_S[-1] * 2)


def test_the_current_time_is_written_in_the_strict_ocpp_form() -> None:
    before = now_ms()
    texts = [now_text() for _ in range(2000)]
    after = now_ms()
    times = [timestamps.parse(text).ms for text in texts]
    assert all(timestamps.is_strict(text) for text in texts)
    assert all(ms is not None and before <= ms <= after for ms in times)
