"""The wheel is installed with the pinned packages, as users install it, and is run outside the checkout."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.support.locks import read_lock
from tests.support.waiting import GENEROUS_S, wait_until
from tests.system.independent import Hidden
from tests.system.mounted import Mounted, charge, make_read_only, write_files

ROOT = Path(__file__).resolve().parents[2]
LOADS_EVERY_STEP = """
import pathlib, sys, admin, state, gateway, loadtest
from state.scripts import SCRIPTS
assert pathlib.Path(state.__file__).is_relative_to(sys.prefix), state.__file__
files = pathlib.Path(state.__file__).parent.rglob("*.lua")
print(len(SCRIPTS), len([file for file in files if file.parent.name != "lua"]))
"""


def run(*command: str | Path, cwd: Path) -> str:
    # Nothing of the checkout may be importable.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def link_what_csms_needs(site: Path) -> None:
    """Put the packages of the runtime lock into `site`, and none for development."""
    for name in read_lock("requirements-runtime.txt"):
        package = distribution(name)
        for top in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(str(package.locate_file(top)))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel of this checkout and the packages that csms needs."""
    directory = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", directory, ROOT, cwd=directory)
    (wheel,) = directory.glob("csms-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", directory / "venv", cwd=directory)
    python = directory / "venv/bin/python"
    site = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=directory).strip()
    )
    link_what_csms_needs(site)
    run(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=directory)
    make_read_only(directory / "venv")
    return directory / "venv"


def test_the_installed_wheel_works_outside_the_source_checkout(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "bin/csms", "--version", cwd=tmp_path).startswith("csms 0.")
    loaded, files = run(installed / "bin/python", "-c", LOADS_EVERY_STEP, cwd=tmp_path).split()
    assert loaded == files
    assert int(files) > 5


def read_containerfile() -> tuple[list[str], dict[str, str]]:
    """Return the entrypoint and the environment of the image."""
    lines = (ROOT / "k8s/Containerfile").read_text().replace("\\\n", " ").splitlines()
    told = {word: rest for word, _, rest in (line.partition(" ") for line in lines)}
    variables = dict(pair.split("=", 1) for pair in shlex.split(told["ENV"]))
    return json.loads(told["ENTRYPOINT"]), variables


class ReadOnlyContainer:
    """What the image does, without an engine: its command and variables, and nothing that can be written."""

    def __init__(self, installed: Path, mounted: Mounted, directory: Path) -> None:
        self.entrypoint, variables = read_containerfile()
        self.home = directory / "home"
        self.home.mkdir()
        make_read_only(self.home)
        self.places = [self.home, mounted.directory, installed]
        self.env = variables | {
            "HOME": str(self.home),
            "PATH": variables["PATH"].replace("/opt/csms/bin", str(installed / "bin")),
        }
        self.log = directory / "log"
        self.config = mounted.directory / "etc/csms"
        # The permissions of files do not bind root, unless it has lost its capabilities, as in a container.
        drop = shutil.which("setpriv")
        assert drop is not None or os.getuid() != 0, "install setpriv (util-linux), or do not run as root"
        self.drop = [drop, "--bounding-set=-all", "--inh-caps=-all"] if drop and os.getuid() == 0 else []

    def contents(self) -> set[Path]:
        return {entry for place in self.places for entry in place.rglob("*")}

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self.drop, *self.entrypoint, *arguments],
            cwd=self.home,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=GENEROUS_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def start(self, part: str, health: int) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a gateway or admin process; wait until its health check passes."""
        command = [*self.entrypoint, part, "--config", str(self.config / f"{part}.toml")]
        with self.log.open("ab") as words:
            child = subprocess.Popen([*self.drop, *command], cwd=self.home, env=self.env, stderr=words)
        probe = [*self.entrypoint, "health", "--port", str(health)]

        def is_healthy() -> bool:
            assert child.poll() is None, self.log.read_text()
            done = subprocess.run(probe, cwd=self.home, env=self.env, capture_output=True, check=False)
            return done.returncode == 0

        try:
            wait_until(is_healthy, self.log.read_text)
            yield child
        finally:
            child.kill()
            child.wait(GENEROUS_S)


def test_the_command_of_the_image_serves_a_charge_point_over_wss_and_ends_with_0_where_nothing_can_be_written(
    installed: Path, tmp_path: Path, redis_url: str
) -> None:
    mounted = write_files(tmp_path, redis_url, root=str(tmp_path / "files"))
    container = ReadOnlyContainer(installed, mounted, tmp_path)
    before = container.contents()
    create = ("api-key", "create", "site", "--config", str(container.config / "admin.toml"))
    key = Hidden(container.run(*create))
    with (
        container.start("admin", mounted.ports.admin_health) as admin,
        container.start("gateway", mounted.ports.gateway_health) as gateway,
    ):
        code = charge(mounted, key, stop=lambda: gateway.send_signal(signal.SIGTERM))
        assert code == 1012
        assert gateway.wait(GENEROUS_S) == 0, container.log.read_text()
        admin.send_signal(signal.SIGTERM)
        assert admin.wait(GENEROUS_S) == 0, container.log.read_text()
    assert container.contents() == before
    assert "Traceback" not in container.log.read_text()
