"""`.ci/setup` runs twice at once, and on machines that lack programs. Some programs are fakes here.

`make run` is tested too.
"""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.waiting import GENEROUS_S, wait_until

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("bash", "cat", "chmod", "cksum", "cp", "dirname", "env", "flock", "mkdir", "rm", "sleep", "true")
MESSAGE = "csms needs Python 3.13 or newer, and none was found on PATH, in pyenv or in uv."

# The fake Python makes a .venv of itself. Instead of running pip, the fake Python waits for the test, but at
# most a minute.
PYTHON = """\
case "$*" in
    *_base_executable*) echo "$0" ;;
    *" venv .venv") echo venv >>steps; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
    *" pip install "*) echo pip >>steps; for _ in {1..6000}; do [ -e go ] && break; sleep 0.01; done ;;
esac
"""
OLD_PYTHON = """\
case "$*" in
    "-m pip --version") ;;
    "-m pip install "*" --target .venv-uv -r .ci/uv.txt") mkdir -p .venv-uv/bin; cp its-uv .venv-uv/bin/uv ;;
    *) exit 1 ;;
esac
"""
UV = """\
case "$*" in
    "python install 3.13") cp its-python fetched ;;
    "python find >=3.13") [ -e fetched ] && echo "$PWD/fetched" ;;
esac
"""
UV_WITHOUT_NETWORK = """\
[ "$2" = install ] && echo "error: failed to download" >&2
exit 1
"""


class Clone:
    """A directory with `.ci/setup`, and a PATH with the basic tools and the programs that a test adds."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "clone"
        self.bin = directory / "bin"
        self.bin.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, f"{tool} is missing"
            (self.bin / tool).symlink_to(found)
        (self.root / ".ci").mkdir(parents=True)
        (self.root / "admin/cli").mkdir(parents=True)
        files = (".ci/setup", ".ci/requirements.txt", ".ci/uv.txt", "pyproject.toml", "admin/cli/csms.sh")
        for name in files:
            shutil.copy(ROOT / name, self.root / name)

    def write(self, path: Path, program: str) -> None:
        path.write_text(f"#!{self.bin}/bash\n{program}")
        path.chmod(0o755)

    def start(self) -> "subprocess.Popen[str]":
        env = {"PATH": str(self.bin), "HOME": str(self.root), "PYENV_ROOT": "/does/not/exist"}
        return subprocess.Popen(
            [self.root / ".ci/setup"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
        )

    def run(self) -> tuple[int, str]:
        (self.root / "go").touch()
        process = self.start()
        said, _ = process.communicate(timeout=GENEROUS_S)
        return process.returncode, said

    def steps(self) -> list[str]:
        path = self.root / "steps"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_a_second_setup_waits_if_it_is_started_while_a_setup_is_running(clone: Clone) -> None:
    clone.write(clone.bin / "python3.13", PYTHON)
    with clone.start() as first:
        wait_until(lambda: "pip" in clone.steps())
        with clone.start() as second:
            assert second.stdout is not None
            assert second.stdout.readline() == "Another make is setting up .venv; waiting for it.\n"
            (clone.root / "go").touch()
            assert second.stdout.read() == ""
        assert first.wait(GENEROUS_S) == second.returncode == 0
    assert clone.steps() == ["venv", "pip", "pip"]


def test_a_second_run_of_the_setup_does_nothing(clone: Clone) -> None:
    clone.write(clone.bin / "python3.13", PYTHON)
    assert clone.run()[0] == 0
    assert clone.run() == (0, "")
    assert clone.steps() == ["venv", "pip", "pip"]


def test_an_interrupted_setup_can_be_started_again(clone: Clone) -> None:
    clone.write(clone.bin / "python3.13", PYTHON)
    with clone.start() as process:
        wait_until(lambda: "pip" in clone.steps())
        process.kill()
        (
            clone.root / "go"
        ).touch()  # Let the processes that the set-up started end, because they keep the lock.
    assert clone.run()[0] == 0
    assert clone.steps() == ["venv", "pip", "venv", "pip", "pip"]


def test_the_setup_lets_uv_download_a_python_interpreter(clone: Clone) -> None:
    clone.write(clone.bin / "uv", UV)
    clone.write(clone.root / "its-python", PYTHON)
    code, said = clone.run()
    assert code == 0, said
    assert "Found no Python 3.13 or newer: letting uv fetch one." in said
    assert clone.steps() == ["venv", "pip", "pip"]


def test_the_setup_can_install_uv_by_a_python_that_is_too_old_for_csms(clone: Clone) -> None:
    clone.write(clone.bin / "python3", OLD_PYTHON)
    clone.write(clone.root / "its-uv", UV)
    clone.write(clone.root / "its-python", PYTHON)
    code, said = clone.run()
    assert code == 0, said
    assert "Installing uv into .venv-uv." in said
    assert clone.steps() == ["venv", "pip", "pip"]


def test_the_setup_asks_the_user_to_install_python_if_uv_cannot_download_it(clone: Clone) -> None:
    clone.write(clone.bin / "uv", UV_WITHOUT_NETWORK)
    code, said = clone.run()
    assert code == 1
    assert "error: failed to download" in said
    assert MESSAGE in said


def test_the_setup_on_a_machine_without_any_python_says_what_to_install(clone: Clone) -> None:
    code, said = clone.run()
    assert code == 1
    assert MESSAGE in said


def test_the_command_make_run_accepts_options_and_ends_after_an_interrupt(tmp_path: Path) -> None:
    arguments = f"--json --ports 0 --data-dir {tmp_path / 'data'}"
    outer = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "ARGS")
    env = {name: value for name, value in os.environ.items() if name not in outer}
    # An outdated set-up would replace the .venv that this test runs in.
    argv = ["make", "--old-file=setup", "run", f"ARGS={arguments}"]
    with subprocess.Popen(
        argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    ) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            assert not said["ws"].endswith(":8180")
            assert said["data_dir"] == str(tmp_path / "data")
            os.killpg(process.pid, signal.SIGINT)
            _, errors = process.communicate(timeout=GENEROUS_S)
            assert "Traceback" not in errors
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
