import resource
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.service.surroundings import days_left, explain_port, files_allowed
from tests.support.certificates import certificate


def test_a_port_is_explained_only_if_nobody_can_listen_there() -> None:
    assert explain_port("listen.port", "127.0.0.1", 0) is None
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "a process listens already" in (explain_port("listen.port", "127.0.0.1", port) or "")
    assert explain_port("listen.port", "127.0.0.1", port) is None
    assert "nobody can listen" in (explain_port("listen.port", "192.0.2.1", 80) or "")


def test_a_process_may_open_as_many_files_as_its_hard_limit_says() -> None:
    assert files_allowed() == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def test_the_days_that_a_file_lasts_are_those_of_its_first_certificate_to_expire(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ends = [now + timedelta(days=days) for days in (90, 10, 40)]
    (tmp_path / "chain.pem").write_text("".join(certificate(ends=end).pem for end in ends))
    assert days_left(tmp_path / "chain.pem", now - timedelta(hours=1)) == 10
