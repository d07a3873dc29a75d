"""The wheel is installed with the pinned packages, as users install it, and is run outside the checkout."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

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


def test_the_installed_wheel_works_outside_the_source_checkout(tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("csms-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv/bin/python"
    site = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip()
    )
    # The pinned packages are importable, but our own editable install, which .pth files name, is not.
    (site / "pinned.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    run(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    assert run(tmp_path / "venv/bin/csms", "--version", cwd=tmp_path).startswith("csms 0.")
    loaded, files = run(python, "-c", LOADS_EVERY_STEP, cwd=tmp_path).split()
    assert loaded == files
    assert int(files) > 5
