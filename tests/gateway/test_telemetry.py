from gateway.handlers.charge_point import now_ms, now_text
from gateway.ocpp16.faults import timestamps


def test_the_current_time_is_written_in_the_strict_ocpp_form() -> None:
    before = now_ms()
    texts = [now_text() for _ in range(2000)]
    after = now_ms()
    times = [timestamps.parse(text).ms for text in texts]
    assert all(timestamps.is_strict(text) for text in texts)
    assert all(ms is not None and before <= ms <= after for ms in times)
