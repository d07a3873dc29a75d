import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.config import GatewayConfig, LimitsConfig, SecurityConfig
from gateway.file_limit import FEWEST, KEPT_BACK, fit_connections
from gateway.service.config import ConfigError
from state.store import StoreConfig


def config(connections: int = 15_000, handshakes: int = 500) -> GatewayConfig:
    return GatewayConfig(
        store=StoreConfig(url="redis://localhost"),
        security=SecurityConfig(pepper="x" * 32),
        limits=LimitsConfig(connections=connections, handshakes_in_flight=handshakes),
    )


@given(connections=st.integers(1, 10**6), handshakes=st.integers(1, 10**6), files=st.integers(200, 3 * 10**6))
def test_connections_and_handshakes_never_need_more_descriptors_than_there_are_besides_those_kept_back(
    connections: int, handshakes: int, files: int
) -> None:
    before = config(connections, handshakes)
    limits = fit_connections(before, files).limits
    room = files - KEPT_BACK - before.store.connections - before.store.blocking_connections
    assert 0 < limits.connections <= connections
    assert 0 < limits.handshakes_in_flight <= handshakes
    assert limits.connections + limits.handshakes_in_flight <= room
    assert (limits == before.limits) == (connections + handshakes <= room)


def test_lowered_limits_are_logged_with_what_would_be_enough() -> None:
    with capture_logs() as logs:
        fit_connections(config(), 256)
    [log] = logs
    assert log["event"] == "limits.lowered"
    with capture_logs() as logs:
        assert fit_connections(config(), log["needed"]) == config()
    assert logs == []


def test_a_process_that_may_open_hardly_any_files_does_not_start() -> None:
    with pytest.raises(ConfigError, match="raise the limit of open files"):
        fit_connections(config(), KEPT_BACK + FEWEST)
