"""`csms doctor` on a real server and on the files of both kinds of process."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import msgspec
import pytest
import trio

from state.doctor.findings import Finding
from state.store import StoreConfig, open_store
from state.tenants import pepper
from tests.support.up_process import csms, one_line
from tests.support.valkey_server import ValkeyServer

PEPPER = "0123456789" * 4
GATEWAY = "[listen]\nws_port = 0\nhealth_port = 0\n[limits]\nconnections = 10\n"
ADMIN = "[listen]\nport = 0\nhealth_port = 0\n"

type Write = Callable[..., Path]


@pytest.fixture
def right(private_valkey: ValkeyServer) -> ValkeyServer:
    private_valkey.ask(b"CONFIG SET maxmemory 1gb")
    return private_valkey


@pytest.fixture
def write_config(tmp_path: Path, right: ValkeyServer) -> Write:
    def write_one(name: str, text: str, pepper: str = PEPPER, url: str = right.url) -> Path:
        (tmp_path / f"{name}-pepper").write_text(pepper)
        path = tmp_path / f"{name}.toml"
        common = f'[store]\nurl = "{url}"\n[security]\npepper_file = "{tmp_path / f"{name}-pepper"}"\n'
        path.write_text(common + text)
        return path

    return write_one


def examine(*options: str | Path, env: dict[str, str] | None = None) -> tuple[int, list[Finding]]:
    done = csms("doctor", "--output", "json", *map(str, options), env=env)
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    return done.returncode, [msgspec.json.decode(line, type=Finding) for line in lines]


def bad(findings: list[Finding]) -> dict[str, str]:
    """Return the texts that are not ok, by subject. Latencies depend on how busy the machine is."""
    return {
        each.subject: each.text for each in findings if each.verdict != "ok" and "latency" not in each.subject
    }


def test_a_right_installation_has_the_exit_code_0_and_one_line_for_each_thing_examined(
    write_config: Write,
) -> None:
    files = "--gateway", write_config("gateway", GATEWAY), "--admin", write_config("admin", ADMIN)
    code, findings = examine(*files)
    assert set(bad(findings)) == {"gateway ws"}
    assert code == 0
    assert examine(*files, "--strict")[0] == 1
    subjects = [each.subject for each in findings]
    assert subjects.count("connection") == 1  # One examination of the store is enough for both.
    assert {"appendfsync", "permissions", "gateway files", "admin authority", "both"} <= set(subjects)
    done: CompletedProcess[str] = csms("doctor", *map(str, files))
    assert len(done.stdout.splitlines()) == len(findings)
    assert done.stderr.startswith("0 wrong, ")
    assert PEPPER not in done.stdout + done.stderr


def test_the_store_alone_can_be_examined_and_a_wrong_setting_gives_the_exit_code_1(
    right: ValkeyServer,
) -> None:
    assert examine("--redis", right.url)[0] == 0
    right.ask(b"CONFIG SET appendfsync everysec")
    code, findings = examine(env={"CSMS__STORE__URL": right.url})
    assert code == 1
    assert set(bad(findings)) == {"appendfsync"}
    assert examine("--redis", right.url, "--durability", "memory")[0] == 0


def test_the_password_of_the_store_is_never_printed(right: ValkeyServer) -> None:
    url = right.url.replace("unix://", "unix://nobody:geheim42@")
    done = csms("doctor", env={"CSMS__STORE__URL": url})
    assert done.returncode == 1
    assert "WRONGPASS" in done.stdout
    assert "geheim42" not in done.stdout + done.stderr


def test_different_peppers_and_different_stores_are_found_without_showing_either(
    write_config: Write, right: ValkeyServer
) -> None:
    other = "abcdefghij" * 4
    gateway = write_config("gateway", GATEWAY, pepper=other, url=f"{right.url}?db=1")
    code, findings = examine("--gateway", gateway, "--admin", write_config("admin", ADMIN))
    said = [each for each in findings if each.subject == "both"]
    assert [each.verdict for each in said] == ["warning", "wrong"]
    assert "different peppers" in said[1].text
    assert code == 1
    assert not any(other in each.text or PEPPER in each.text for each in findings)


@pytest.mark.parametrize(("process", "text"), [("gateway", GATEWAY), ("admin", ADMIN)])
def test_a_pepper_that_is_not_that_of_the_store_is_found(
    write_config: Write, right: ValkeyServer, process: str, text: str
) -> None:
    async def remember() -> None:
        async with open_store(StoreConfig(url=right.url)) as store:
            await pepper.check(store, b"abcdefghij" * 4)

    trio.run(remember)
    code, findings = examine(f"--{process}", write_config(process, text))
    assert "is not the one with which the tokens" in bad(findings)["pepper"]
    assert code == 1


def test_an_unknown_setting_of_either_process_is_one_finding(write_config: Write) -> None:
    files = {name: write_config(name, "[listne]\nport = 1\n") for name in ("gateway", "admin")}
    code, findings = examine("--gateway", files["gateway"], "--admin", files["admin"])
    assert [each.subject for each in findings] == ["admin settings", "gateway settings"]
    assert all("unknown key listne; did you mean listen?" in each.text for each in findings)
    assert code == 1


def test_the_store_of_a_gateway_is_examined_even_if_the_file_of_the_admin_process_is_wrong(
    write_config: Write,
) -> None:
    gateway = write_config("gateway", "[listen]\nws_port = 0\nhealth_port = 0\n")
    _, findings = examine("--gateway", gateway, "--admin", write_config("admin", "[listne]\nport = 1\n"))
    assert {"admin settings", "connection", "gateway settings"} <= {each.subject for each in findings}


def test_the_command_says_what_to_give_if_there_is_nothing_to_examine(tmp_path: Path) -> None:
    assert "give --gateway, --admin, --redis or --data-dir" in one_line(csms("doctor"))
    assert "start csms up first" in one_line(csms("doctor", "--data-dir", str(tmp_path)))
    assert "leave out --gateway" in one_line(
        csms("doctor", "--data-dir", str(tmp_path), "--gateway", str(tmp_path / "x"))
    )
