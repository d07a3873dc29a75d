import errno
import os
import signal
import socket
import ssl
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from admin.cli import data_dir
from state.store import Store
from state.tenants import api_keys, pepper, tenants
from tests.support.pace import Pace
from tests.support.processes import gone, handles
from tests.support.up_process import UpProcess, csms, one_line, up
from tests.support.waiting import GENEROUS_S, wait_until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    with up(
        tmp_path_factory.mktemp("running") / "data", "--workers", "2", "--drain-seconds", "0.5"
    ) as started:
        yield started


def api(started: UpProcess, path: str, method: str = "GET", **body: object) -> httpx.Response:
    return httpx.request(
        method,
        f"{started.said['admin']}/v1/tenants/demo{path}",
        headers={"Authorization": f"Bearer {started.said['api_key']}"},
        json=body or None,
        timeout=GENEROUS_S,
    )


def read_status_line_over_tls(started: UpProcess) -> str:
    """Send the handshake of a charge point, and return the status line of the answer."""
    context = ssl.create_default_context(cafile=started.said["ca_file"])
    port = int(started.said["wss"].rpartition(":")[2])
    with (
        socket.create_connection(("localhost", port), GENEROUS_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(b"GET /OCPP16/demo/wrong/CP1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return secure.recv(100).decode("latin-1").partition("\r\n")[0]


def wait_for_another(started: UpProcess, name: str, before: int) -> None:
    wait_until(lambda: started.children().get(name) not in (None, before), started.errors)


def serves(started: UpProcess) -> bool:
    try:
        return api(started, "/id-tags/DEMO").status_code == 200 and "HTTP" in read_status_line_over_tls(
            started
        )
    except (httpx.HTTPError, OSError):
        return False


def has_ignored(started: UpProcess, signals: int) -> bool:
    return started.errors().count("signal.ignored") >= signals


def all_gone(pids: Iterable[int]) -> bool:
    return all(map(gone, pids))


def test_the_json_line_that_csms_up_prints_contains_every_address_and_every_credential(
    running: UpProcess,
) -> None:
    said = running.said
    assert list(said) == ["ws", "wss", "admin", "api_key", "tenant", "token", "ca_file", "data_dir"]
    assert said["wss"].startswith("wss://localhost:")
    assert said["ws"].startswith("ws://localhost:")
    assert said["admin"].startswith("http://localhost:")
    assert sorted(running.children()) == ["admin", "gateway-1", "gateway-2", "valkey"]
    assert api(running, "/tokens").status_code == 200
    assert read_status_line_over_tls(running).startswith("HTTP/1.1 4")


def test_csms_up_writes_secrets_only_to_a_file_that_no_other_user_may_read_and_never_to_stderr(
    running: UpProcess,
) -> None:
    directory = Path(running.said["data_dir"])
    assert directory.stat().st_mode & 0o77 == 0
    secrets = ("demo-token", "api-key", "store-url", "pepper", "ca/rsa.key")
    for name in (*secrets, "gateway-1.toml", "admin.toml"):
        assert (directory / name).stat().st_mode & 0o777 == 0o600
    assert running.said["token"] == (directory / "demo-token").read_text().strip()
    for secret in (running.said["token"], running.said["api_key"]):
        assert secret not in running.errors()


@pytest.mark.parametrize("name", ["gateway-1", "admin", "valkey"])
def test_csms_up_restarts_a_killed_process_within_two_seconds(
    running: UpProcess, name: str, pace: Pace
) -> None:
    before = running.children()[name]
    with pace.within(5):
        os.kill(before, signal.SIGKILL)
        with pace.within(2):
            wait_for_another(running, name, before)
        wait_until(lambda: serves(running), running.errors)
    if name != "valkey":
        assert "SIGKILL" in running.errors()


def test_csms_up_replaces_a_gateway_worker_that_was_drained(running: UpProcess) -> None:
    before = running.children()["gateway-2"]
    os.kill(before, signal.SIGTERM)
    wait_for_another(running, "gateway-2", before)
    assert "exit code 0" in running.errors()


def test_a_hangup_signal_ends_none_of_the_processes_of_csms_up(running: UpProcess) -> None:
    before = running.children()
    # The gateway reads its TLS files again, and the other two processes log the signal.
    for number, pid in enumerate((before["gateway-1"], running.pid, before["admin"])):
        wait_until(partial(handles, pid, signal.SIGHUP))  # Another test may have restarted the process.
        os.kill(pid, signal.SIGHUP)
        wait_until(partial(has_ignored, running, number), running.errors)
    assert running.children() == before


def test_a_second_run_of_csms_up_on_the_same_data_directory_is_refused(running: UpProcess) -> None:
    done = csms("up", "--ports", "0", "--data-dir", running.said["data_dir"])
    assert f"another csms up (process {running.pid}) uses the data directory" in one_line(done)
    assert running.process.poll() is None


def test_csms_up_ends_with_an_error_that_names_the_port_if_a_port_is_occupied(
    running: UpProcess, tmp_path: Path
) -> None:
    port = running.said["ws"].rpartition(":")[2]
    said = one_line(csms("up", "--ports", port, "--data-dir", str(tmp_path / "data")))
    assert f"port {port} for ws is occupied" in said
    assert "move all ports with --ports" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_stops_all_processes_of_csms_up_and_the_next_run_finds_the_same_data(
    tmp_path: Path, number: int, pace: Pace
) -> None:
    with up(tmp_path / "data") as first:
        assert api(first, "/id-tags/MINE", "PUT", status="Blocked").status_code in (200, 201)
        children = list(first.children().values())
        with pace.within(10):
            assert first.stop(number) == 0, first.errors()
        with pace.within(0.5):
            wait_until(lambda: all_gone(children))
        assert "Traceback" not in first.errors()
    with up(tmp_path / "data") as second:
        for name in ("token", "api_key", "tenant", "ca_file", "data_dir"):
            assert second.said[name] == first.said[name]
        assert api(second, "/id-tags/MINE").json()["status"] == "Blocked"


def test_no_child_process_of_csms_up_keeps_running_after_kill_9_of_csms_up(
    tmp_path: Path, pace: Pace
) -> None:
    with up(tmp_path / "data", "--workers", "2") as started:
        children = list(started.children().values())
        assert len(children) == 4
        os.kill(started.pid, signal.SIGKILL)
        with pace.within(5):
            wait_until(lambda: all_gone(children))
    with up(tmp_path / "data") as again:
        assert again.said["token"] == started.said["token"]


@pytest.mark.slow
def test_csms_up_stops_20_s_after_its_drain_even_if_child_processes_are_frozen(
    tmp_path: Path, pace: Pace
) -> None:
    with up(tmp_path / "data", "--drain-seconds", "0.5") as started:
        children = started.children()
        for name in ("valkey", "gateway-1"):
            os.kill(children[name], signal.SIGSTOP)
        with pace.within(0.5 + 20 + 1):
            started.stop()
        with pace.within(1):
            wait_until(lambda: all_gone(children.values()))


def test_no_process_keeps_running_if_csms_up_is_stopped_while_it_starts(tmp_path: Path, pace: Pace) -> None:
    started = UpProcess(tmp_path / "data")
    try:
        wait_until(lambda: "gateway-1" in started.children())
        children = started.children().values()
        assert started.stop() == 0
        with pace.within(0.5):
            wait_until(lambda: all_gone(children))
        assert "Traceback" not in started.errors()
    finally:
        started.close()


def test_csms_up_ends_with_an_error_of_one_line_if_the_file_of_a_killed_valkey_lost_its_end(
    tmp_path: Path,
) -> None:
    valkey = tmp_path / "data" / "valkey"
    with up(tmp_path / "data") as started:
        children = started.children()
        [file] = (valkey / "appendonlydir").glob("*.incr.aof")
        note = valkey / "appendonly.synced"
        wait_until(lambda: f"size {file.stat().st_size}\n" in note.read_text(), started.errors)
        os.truncate(file, file.stat().st_size - 100)
        os.kill(children["valkey"], signal.SIGKILL)
        assert started.process.wait(GENEROUS_S) == 1
        assert all_gone(children.values())
        [said] = [line for line in started.errors().splitlines() if line.startswith("csms up: ")]
        assert f"{file.name} has " in said
    refused = csms("up", "--ports", "0", "--data-dir", str(tmp_path / "data"))
    assert refused.returncode == 1
    assert "--accept-lost-data" in one_line(refused)


def test_csms_up_ends_with_an_error_of_one_line_if_the_data_directory_is_not_writable(tmp_path: Path) -> None:
    # A read-only directory would not be enough, because root may write to it anyway.
    (tmp_path / "file").write_text("")
    done = csms("up", "--ports", "0", "--data-dir", str(tmp_path / "file" / "data"))
    assert "data directory" in one_line(done)


def test_csms_up_refuses_more_memory_for_its_data_than_the_machine_has(tmp_path: Path) -> None:
    done = csms("up", "--ports", "0", "--data-dir", str(tmp_path / "data"), "--max-memory", "999999999")
    assert "--max-memory 999999999 is more than the" in one_line(done)
    assert "give at most" in done.stderr


def test_csms_up_names_its_data_directory_if_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with (
        pytest.raises(data_dir.DataDirUnusable, match=r"cannot be written \(No space left on device\)"),
        data_dir.open_data_dir(tmp_path / "data"),
    ):
        pass


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40])
def test_csms_up_does_not_replace_a_damaged_pepper_file_by_a_new_file(tmp_path: Path, content: bytes) -> None:
    """With a new pepper, none of the tokens and API keys in the store would be valid."""
    pepper = tmp_path / "data" / "pepper"
    pepper.parent.mkdir()
    pepper.write_bytes(content)
    said = one_line(csms("up", "--json", "--ports", "0", "--data-dir", str(pepper.parent)))
    assert "pepper is damaged; restore it from a backup" in said
    assert pepper.read_bytes() == content


def test_csms_api_key_and_doctor_work_with_the_files_that_csms_up_wrote(running: UpProcess) -> None:
    directory = Path(running.said["data_dir"])
    made = csms("api-key", "create", "alice", "--config", str(directory / "admin.toml"))
    assert (made.returncode, made.stdout[:5]) == (0, "csms_"), made.stderr
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    response = httpx.get(f"{running.said['admin']}/v1/tenants", headers=headers, timeout=GENEROUS_S)
    assert response.status_code == 200
    found = csms("doctor", "--data-dir", str(directory))
    assert "the gateway and the admin process have the same pepper" in found.stdout, found.stderr


async def test_csms_up_makes_demo_data_in_a_store_with_other_data_only_if_it_is_told_to(
    store: Store, redis_url: str, tmp_path: Path
) -> None:
    await tenants.put(store, "acme", name="Acme", auto_register=False)
    options = ("up", "--json", "--ports", "0", "--data-dir", str(tmp_path / "data"), "--redis", redis_url)
    said = one_line(await trio.to_thread.run_sync(partial(csms, *options)))
    for part in ("the store is not empty", "the tenant demo", "an API key for all tenants", "--demo-data"):
        assert part in said
    assert [tenant.id for tenant in (await tenants.list_(store)).items] == ["acme"]
    assert await api_keys.list_(store) == []

    def start(*more: str) -> None:
        with up(tmp_path / "data", "--redis", redis_url, *more) as started:
            assert api(started, "/tokens").status_code == 200

    await trio.to_thread.run_sync(start, "--demo-data")
    await trio.to_thread.run_sync(start)  # All demo data is there, so there is nothing to allow.


async def test_csms_up_refuses_a_store_with_another_pepper_and_changes_nothing_in_it(
    store: Store, redis_url: str, tmp_path: Path
) -> None:
    await pepper.check(store, b"x" * 32)
    options = ("up", "--json", "--ports", "0", "--data-dir", str(tmp_path / "data"), "--redis", redis_url)
    said = one_line(await trio.to_thread.run_sync(partial(csms, *options, "--demo-data")))
    assert "security.pepper is not the pepper with which" in said
    assert (await tenants.list_(store)).items == ()


def test_csms_up_does_not_start_an_embedded_server_if_it_is_given_a_redis_url(
    tmp_path: Path, redis_url: str
) -> None:
    with up(tmp_path / "data", "--redis", redis_url) as started:
        assert sorted(started.children()) == ["admin", "gateway-1"]
        assert api(started, "/tokens").status_code == 200
        pids = list(started.children().values())
        assert started.stop() == 0
        assert all_gone(pids)
