"""Runs central systems that share no code with csms, each in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import GENEROUS_S

HERE = Path(__file__).parent
_INSTALL_S = 300
_MANIFESTS = ("package.json", "package-lock.json")


class Foreign:
    """A running central system. `seen` is complete after the block of its context manager."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: dict[str, Any] = {}


@contextmanager
def ocpp_package() -> Iterator[Foreign]:
    with _serve([sys.executable, "-m", "tests.loadtest.foreign.ocpp_package"], {}) as server:
        yield server


@contextmanager
def ocpp_rpc(directory: Path) -> Iterator[Foreign]:
    """Serve with the packages that `install_ocpp_rpc` has put into a directory."""
    with _serve(["node", str(HERE / "ocpp_rpc.mjs")], {"OCPP_RPC": str(directory)}) as server:
        yield server


def install_ocpp_rpc(directory: Path) -> None:
    """Install what the lock file names, without running any script of it. Skip the test if that cannot be."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not installed; install Node 20 or later to run this test")
    for name in _MANIFESTS:
        shutil.copy(HERE / name, directory)
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=_INSTALL_S,
        check=False,
    )
    if done.returncode:
        why = next((line for line in done.stderr.splitlines() if line.strip()), "npm gave no reason")
        pytest.skip(f"npm cannot install ocpp-rpc from its registry: {why}")


@contextmanager
def _serve(argv: Sequence[str], environment: Mapping[str, str]) -> Iterator[Foreign]:
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=HERE.parents[2],
        env=os.environ | environment,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"{argv} ended before it was ready"
        server = Foreign(json.loads(line)["url"])
        yield server
        rest, _ = process.communicate(timeout=GENEROUS_S)
        server.seen = json.loads(rest)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
