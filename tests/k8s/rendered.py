"""Renders the manifests as `kubectl apply -k` does."""

import shutil
import subprocess
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # comes with schemathesis, without types

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".venv-k8s" / "bin"
KUSTOMIZATIONS = {
    "base": ROOT / "k8s" / "base",
    **{folder.name: folder for folder in sorted((ROOT / "k8s" / "overlays").iterdir())},
    **{
        folder.name.removeprefix("with_").replace("_", "-"): folder
        for folder in sorted((ROOT / "tests" / "k8s").glob("with_*"))
    },
}


def find_kubectl() -> str | None:
    """Return the kubectl that `make k8s-check` installs, or else the one on the path."""
    ours = TOOLS / "kubectl"
    return str(ours) if ours.exists() else shutil.which("kubectl")


@cache
def render(name: str) -> str:
    kubectl = find_kubectl()
    assert kubectl is not None
    done = subprocess.run(
        [kubectl, "kustomize", KUSTOMIZATIONS[name]], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", done.stderr
    return done.stdout


def objects(name: str) -> list[dict[str, Any]]:
    """Return the rendered objects. Each call makes new objects, so that a test may change them."""
    return deepcopy(_parsed(name))


@cache
def _parsed(name: str) -> list[dict[str, Any]]:
    return list(yaml.load_all(render(name), yaml.CSafeLoader))
