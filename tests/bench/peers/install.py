"""Puts the packages that are compared into build/bench-peers, in the versions that `served/` pins by hash."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

SERVED: Final = Path(__file__).parent / "served"
BUILD: Final = Path(__file__).parents[3] / "build" / "bench-peers"
_SILENT_LOGGER: Final = "silent_logger"


class Installed(NamedTuple):
    """What can run the servers, or None. `missing` says why one is None."""

    python: Path | None
    node: Path | None
    """The directory with node_modules."""
    missing: list[str]


def install() -> Installed:
    BUILD.mkdir(parents=True, exist_ok=True)
    missing: list[str] = []
    python, node = _install_python(missing), _install_node(missing)
    return Installed(python, node, missing)


def _install_python(missing: list[str]) -> Path | None:
    directory, wanted = BUILD / "python", SERVED / "requirements.txt"
    python = directory / "bin" / "python"
    if not _is_done(directory, [wanted]):
        subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.run(
            [*pip, "--require-hashes", "-r", str(wanted)], stderr=subprocess.PIPE, check=False
        ).returncode:
            missing.append("ocpp, websockets, uvloop, picows: pip could not install them")
            return None
        _note(directory, [wanted])
    return python


def _install_node(missing: list[str]) -> Path | None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing.append("ocpp-rpc, ocpp-ws-io: Node 20 or later and npm are not installed")
        return None
    directory = BUILD / "node"
    manifests = [SERVED / "package.json", SERVED / "package-lock.json"]
    if not _is_done(directory, manifests):
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(SERVED / _SILENT_LOGGER, directory / _SILENT_LOGGER)
        for manifest in manifests:
            shutil.copy(manifest, directory)
        npm = ["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
        if subprocess.run(npm, cwd=directory, check=False).returncode:
            missing.append("ocpp-rpc, ocpp-ws-io: npm could not install them")
            return None
        _note(directory, manifests)
    return directory


def _is_done(directory: Path, manifests: list[Path]) -> bool:
    note = directory / "installed"
    return note.is_file() and note.read_text() == _digest(manifests)


def _note(directory: Path, manifests: list[Path]) -> None:
    (directory / "installed").write_text(_digest(manifests))


def _digest(manifests: list[Path]) -> str:
    """Digest what decides about the content of a directory. A venv does not work after it was moved."""
    parts = [os.fsencode(BUILD), os.fsencode(sys.executable), *(file.read_bytes() for file in manifests)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
