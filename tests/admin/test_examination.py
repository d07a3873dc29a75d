import socket
from pathlib import Path

import msgspec
import pytest

from admin.config import AdminConfig, AdminListen, AdminSecurity, ArchiveConfig, PkiConfig
from admin.examination import examine_admin
from state.store import StoreConfig

CONFIG = AdminConfig(
    store=StoreConfig(url="unix:///no"),
    security=AdminSecurity(pepper="0123456789" * 4),
    listen=AdminListen(port=0, health_port=0),
)


def bad(config: AdminConfig) -> dict[str, tuple[str, str]]:
    """Return the verdict and the text of what is not ok, by subject."""
    return {each.subject: (each.verdict, each.text) for each in examine_admin(config) if each.verdict != "ok"}


def test_right_settings_have_no_finding_that_is_not_ok() -> None:
    assert bad(CONFIG) == {}


@pytest.mark.parametrize(
    ("listen", "verdict", "says"),
    [
        (AdminListen(host="0.0.0.0", port=0, health_port=0), "warning", "a proxy that speaks TLS before it"),
        (AdminListen(port=0, health_port=0, trusted_proxies=("x",)), "wrong", "is not a network"),
    ],
)
def test_an_api_that_everyone_reaches_needs_a_trusted_proxy(
    listen: AdminListen, verdict: str, says: str
) -> None:
    found = bad(msgspec.structs.replace(CONFIG, listen=listen))["admin settings"]
    assert found[0] == verdict
    assert says in found[1]


def test_an_authority_that_cannot_be_read_is_wrong(tmp_path: Path) -> None:
    pki = PkiConfig(directory=str(tmp_path / "none"))
    verdict, text = bad(msgspec.structs.replace(CONFIG, pki=pki))["admin authority"]
    assert verdict == "wrong"
    assert str(tmp_path / "none") in text


def test_an_occupied_port_is_a_warning_because_the_process_may_run_already() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listen = AdminListen(port=port, health_port=0)
        verdict, text = bad(msgspec.structs.replace(CONFIG, listen=listen))["admin ports"]
    assert verdict == "warning"
    assert f"listen.port is {port}, but on 127.0.0.1 a process listens already" in text


@pytest.mark.parametrize("place", ["parent is missing/archive", "a file", "a file/archive"])
def test_an_archive_in_a_place_that_cannot_be_written_is_wrong(tmp_path: Path, place: str) -> None:
    (tmp_path / "a file").write_text("")
    archive = ArchiveConfig(directory=str(tmp_path / place))
    verdict, text = bad(msgspec.structs.replace(CONFIG, archive=archive))["admin archive"]
    assert verdict == "wrong"
    assert str(tmp_path) in text


@pytest.mark.parametrize("place", ["made already", "made by the process"])
def test_an_archive_that_exists_or_can_be_made_is_ok(tmp_path: Path, place: str) -> None:
    (tmp_path / "made already").mkdir()
    archive = ArchiveConfig(directory=str(tmp_path / place))
    assert bad(msgspec.structs.replace(CONFIG, archive=archive)) == {}
